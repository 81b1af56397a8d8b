"""Features carried from the last key frame along optical flow. The encoder rests between key frames, stem and all.

Flow is computed between neighbouring small pictures and chained: where a pixel was on the key frame is where it was on
the frame before, and where that was before. Chaining bears faster motion than one flow from here to the key frame, and
pictures of 144 px do nearly as well as larger ones: a cell of the features is wider than an error of the flow.
What was hidden then is found as Sundaram et al. do ("Dense Point Trajectories by GPU-Accelerated Large Displacement
Optical Flow", ECCV 2010): flow there and back ends elsewhere. Their bound is too tight for pictures this small: what it
calls hidden is better read along the flow than left where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.models.base import join_features
from image_core.ranges import Range
from image_core.types import ImageFeatures
from rvos.reading.propagation import Propagator, PropagatorConfig, in_plain_order
from rvos.reading.stem import Stem
from rvos.view.frame_view import View
from rvos.view.motion import flow_between, warp

_FLOW_PX = 16
"""Pictures narrower than this are taken as standing still: the flow's patches do not fit into them."""
_FLOWS = 8
"""Threads at most that compute the flow of the frames of a chunk."""


@dataclass(frozen=True)
class FlowConfig(PropagatorConfig):
    """Every number of the propagator."""

    #: Short side of the images on which optical flow is computed; smaller videos keep their size.
    small_px: Annotated[int, Range(_FLOW_PX)] = 144


@dataclass(frozen=True)
class Motion:
    """From this frame back to an earlier one, at the size of the small pictures."""

    #: (h, w, 2) float32, where each pixel was, x and y in pixels.
    flow: np.ndarray
    #: (h, w) float32 in [0, 1], 1 where there was nothing of it to see.
    hidden: np.ndarray

    def __post_init__(self) -> None:
        if self.flow.ndim != 3 or self.flow.shape[2] != 2 or self.hidden.shape != self.flow.shape[:2]:
            raise ValueError(
                f"Motion: expected flow (h, w, 2) and hidden (h, w), got {self.flow.shape} and {self.hidden.shape}"
            )


@dataclass(frozen=True)
class FlowState:
    """What is remembered of one video."""

    #: Of the last key frame, None before the first.
    features: ImageFeatures | None = None
    #: Since then, None on the key frame itself.
    motion: Motion | None = None


class FlowPropagation(Propagator[FlowState]):
    """Every map of the last key frame, warped to where things are now; what was hidden then stays unwarped."""

    between_key_frames = True
    reads_stem = False
    config_type = FlowConfig
    config: FlowConfig

    def start(self) -> FlowState:
        return FlowState()

    def step(
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: FlowState
    ) -> tuple[ImageFeatures, FlowState]:
        return self.steps([view], [stem], [features], state)

    def steps(
        self,
        views: Sequence[View],
        stems: Sequence[Stem | None],
        features: Sequence[ImageFeatures | None],
        state: FlowState,
    ) -> tuple[ImageFeatures, FlowState]:
        """The flow of all frames side by side, for each needs two pictures alone; then all of them are warped at once,
        level by level."""
        after = self._states(views, features, state)
        keys = [own for own in features if own is not None]
        sources = [now.features for now, own in zip(after, features, strict=True) if own is None and now.features]
        motions = [now.motion for now in after if now.motion is not None]
        if not motions:
            return join_features(keys), after[-1]
        warped = warp_features(join_features(sources), motions)
        if not keys:
            return warped, after[-1]
        rows, key, between = len(warped) // len(motions), iter(range(len(keys))), iter(range(len(keys), len(views)))
        places = torch.tensor([next(between) if own is None else next(key) for own in features])
        order = (places[:, None] * rows + torch.arange(rows)).flatten().to(warped.valid_px.device)
        return join_features([*keys, warped]).select(order), after[-1]

    def _states(
        self, views: Sequence[View], features: Sequence[ImageFeatures | None], state: FlowState
    ) -> list[FlowState]:
        """The state after each frame."""
        between, after = [view for view, own in zip(views, features, strict=True) if own is None], list[FlowState]()
        with ThreadPoolExecutor(_FLOWS) as pool:
            to_before = pool.map(self._to_before, between) if len(between) > 1 else map(self._to_before, between)
            for view, own in zip(views, features, strict=True):
                if own is not None:
                    state = FlowState(in_plain_order(own))
                elif state.features is None:
                    raise ValueError(f"propagation 'flow': expected a key frame first, got frame {view.frame.index}")
                else:
                    state = replace(state, motion=chain(next(to_before), state.motion))
                after.append(state)
        return after

    def _to_before(self, view: View) -> Motion:
        return motion_to_before(view, self.config.small_px)


def motion_to_before(view: View, small_px: int) -> Motion:
    """Where each pixel of the small picture was on the frame before. Across a cut, and on the first frame, all of it
    was hidden."""
    now = _small(view.picture, small_px)
    size = now.shape[:2]
    if view.before is None or view.cut:
        return Motion(np.zeros((*size, 2), np.float32), np.ones(size, np.float32))
    if min(size) < _FLOW_PX:
        return Motion(np.zeros((*size, 2), np.float32), np.zeros(size, np.float32))
    before = _small(view.before, small_px)
    flow = flow_between(now, before)
    return Motion(flow, hidden_before(flow, flow_between(before, now)))


def _small(picture: np.ndarray, small_px: int) -> np.ndarray:
    factor = small_px / min(picture.shape[:2])
    if factor >= 1:
        return picture
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def hidden_before(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """(h, w) float32 in {0, 1}: following `flow` (h, w, 2) there and `back` again ends elsewhere.

    What came in from outside the picture is not hidden: the features at the border are the best guess.
    """
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    x, y = x + flow[..., 0], y + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = warp(back, flow)
    gap = np.square(flow + returned).sum(-1)
    allowed = 0.1 * (np.square(flow).sum(-1) + np.square(returned).sum(-1)) + 4.0
    return ((gap > allowed) & inside).astype(np.float32)


def chain(step: Motion, before: Motion | None) -> Motion:
    """The motion to the frame before, and from there on to the key frame (None: the frame before was it)."""
    if before is None:
        return step
    hidden = np.maximum(step.hidden, warp(before.hidden, step.flow))
    return Motion(step.flow + warp(before.flow, step.flow), hidden)


def warp_features(features: ImageFeatures, motions: Sequence[Motion]) -> ImageFeatures:
    """The features of the key frames, each map moved at its own stride; unwarped where it was hidden.

    features: N rows, as many for each of F frames, of its key frame; motions: of the F frames since. Padding at the
    bottom and the right stays where it is, and nothing is read out of it.
    """
    valid = features.valid_px[0].tolist()
    return features.with_maps(_warp_map(level, stride, valid, motions) for stride, level in features.maps)


def _warp_map(level: Tensor, stride: int, valid: list[int], motions: Sequence[Motion]) -> Tensor:
    """(N, C, h, w) -> (N, C, h, w)."""
    cells = level.shape[-2], level.shape[-1]
    moved = np.stack([_grid_and_weight(cells, stride, valid, motion) for motion in motions])
    there = torch.from_numpy(moved).to(level.device).repeat_interleave(len(level) // len(motions), 0)
    held = level.float()
    read = F.grid_sample(held, there[..., :2], mode="bilinear", padding_mode="border", align_corners=False)
    return (held + there[..., 2][:, None] * (read - held)).to(level.dtype)


def _grid_and_weight(cells: tuple[int, int], stride: int, valid: list[int], motion: Motion) -> np.ndarray:
    """(h, w, 3) float32: x and y in [-1, 1] that each cell is read from, and how much of what is read there counts."""
    per_px = [v / stride / pixels for v, pixels in zip(valid, motion.hidden.shape, strict=True)]
    flow = _on_cells(motion.flow, cells, per_px) * np.array(per_px[::-1], np.float32)
    hidden = _on_cells(motion.hidden, cells, per_px)
    y, x = np.mgrid[: cells[0], : cells[1]].astype(np.float32)
    # The place in the middle of the last half cell of picture; padding lies beyond and reads itself.
    last = [max(0.0, v / stride - 0.5) for v in valid]
    inside = (y <= last[0]) & (x <= last[1])
    x_from = np.where(inside, np.clip(x + flow[..., 0], 0, last[1]), x)
    y_from = np.where(inside, np.clip(y + flow[..., 1], 0, last[0]), y)
    parts = (2 * x_from + 1) / cells[1] - 1, (2 * y_from + 1) / cells[0] - 1, (1 - hidden) * inside
    return np.stack(parts, -1).astype(np.float32)


def _on_cells(values: np.ndarray, cells: tuple[int, int], per_px: list[float]) -> np.ndarray:
    """(h, w) or (h, w, 2) of the small picture -> its mean over each of `cells` (rows, columns), of which `per_px` lie
    on a pixel; cells beyond the picture repeat its border."""
    rows, columns = (max(n, round(c / p)) for n, c, p in zip(values.shape[:2], cells, per_px, strict=True))
    down, across = rows - values.shape[0], columns - values.shape[1]
    whole = cv2.copyMakeBorder(values, 0, down, 0, across, cv2.BORDER_REPLICATE)
    return cv2.resize(whole, cells[::-1], interpolation=cv2.INTER_AREA)
