"""Features carried from the last key frame along optical flow. Between key frames the encoder does not run, stem
included.

Flow is computed between neighbouring frames at a small size and chained back to the key frame. This copes with faster
motion than one flow from here to the key frame. Images of 144 px do nearly as well as larger ones, since a cell of the
features is wider than an error of the flow.

Pixels that were hidden on the earlier frame are found as by Sundaram et al. ("Dense Point Trajectories by
GPU-Accelerated Large Displacement Optical Flow", ECCV 2010): forward and backward flow disagree. Their bound is too
tight for images this small: pixels that it calls hidden are better read along the flow than left unwarped.
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
from rvos.reading.propagation import Propagator, PropagatorConfig, contiguous_features
from rvos.reading.stem import Stem
from rvos.view.frame_view import View
from rvos.view.motion import flow_between, warp

_MIN_FLOW_PX = 16
"""Images narrower than this count as without motion, since the patches of the flow do not fit into them."""
_MAX_FLOW_THREADS = 8
"""Most threads that compute the flow of the frames of a chunk."""


@dataclass(frozen=True)
class FlowConfig(PropagatorConfig):
    """Every number of the propagator."""

    #: Short side of the images on which optical flow is computed; smaller videos keep their size.
    small_px: Annotated[int, Range(_MIN_FLOW_PX)] = 144


@dataclass(frozen=True)
class BackwardMotion:
    """The motion from this frame back to an earlier one, at the size of the small images."""

    #: (h, w, 2) float32, from each pixel to where it was, x and y in pixels.
    flow: np.ndarray
    #: (h, w) float32 in [0, 1], 1 where the pixel was hidden on the earlier frame.
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
    #: Since then; None on the key frame itself.
    motion: BackwardMotion | None = None


class FlowPropagation(Propagator[FlowState]):
    """Warps every map of the last key frame to this frame; cells that were hidden on the key frame are left
    unwarped."""

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
        """Computes the flow of all frames in parallel, since each needs only two images; then all frames are warped
        at once, level by level."""
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
        with ThreadPoolExecutor(_MAX_FLOW_THREADS) as pool:
            to_before = (
                pool.map(self._motion_to_previous, between)
                if len(between) > 1
                else map(self._motion_to_previous, between)
            )
            for view, own in zip(views, features, strict=True):
                if own is not None:
                    state = FlowState(contiguous_features(own))
                elif state.features is None:
                    raise ValueError(f"propagation 'flow': expected a key frame first, got frame {view.frame.index}")
                else:
                    state = replace(state, motion=chain(next(to_before), state.motion))
                after.append(state)
        return after

    def _motion_to_previous(self, view: View) -> BackwardMotion:
        return motion_to_previous(view, self.config.small_px)


def motion_to_previous(view: View, small_px: int) -> BackwardMotion:
    """Where each pixel of the small image was on the frame before. On the first frame and across a cut all pixels
    count as hidden."""
    now = _resized(view.small_image, small_px)
    size = now.shape[:2]
    if view.before is None or view.cut:
        return BackwardMotion(np.zeros((*size, 2), np.float32), np.ones(size, np.float32))
    if min(size) < _MIN_FLOW_PX:
        return BackwardMotion(np.zeros((*size, 2), np.float32), np.zeros(size, np.float32))
    before = _resized(view.before, small_px)
    flow = flow_between(now, before)
    return BackwardMotion(flow, occlusion_mask(flow, flow_between(before, now)))


def _resized(image: np.ndarray, small_px: int) -> np.ndarray:
    factor = small_px / min(image.shape[:2])
    if factor >= 1:
        return image
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def occlusion_mask(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """(h, w) float32 in {0, 1}: 1 where forward and backward flow, (h, w, 2) each, disagree.

    A pixel that comes from outside the image is not hidden: the features at the border are the best guess for it.
    """
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    x, y = x + flow[..., 0], y + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = warp(back, flow)
    gap = np.square(flow + returned).sum(-1)
    allowed = 0.1 * (np.square(flow).sum(-1) + np.square(returned).sum(-1)) + 4.0
    return ((gap > allowed) & inside).astype(np.float32)


def chain(step: BackwardMotion, before: BackwardMotion | None) -> BackwardMotion:
    """The motion to the frame before, and from there on to the key frame. before: None if the frame before is the key
    frame."""
    if before is None:
        return step
    hidden = np.maximum(step.hidden, warp(before.hidden, step.flow))
    return BackwardMotion(step.flow + warp(before.flow, step.flow), hidden)


def warp_features(features: ImageFeatures, motions: Sequence[BackwardMotion]) -> ImageFeatures:
    """The features of the key frames, each map warped at its own stride; cells that were hidden are left unwarped.

    features: N rows, the same number for each of F frames, of its key frame; motions: of the F frames, since their key
    frames. Padding at the bottom and the right stays where it is, and is not read from.
    """
    valid = features.valid_px[0].tolist()
    return features.with_maps(_warp_map(level, stride, valid, motions) for stride, level in features.maps)


def _warp_map(level: Tensor, stride: int, valid: list[int], motions: Sequence[BackwardMotion]) -> Tensor:
    """(N, C, h, w) -> (N, C, h, w)."""
    cells = level.shape[-2], level.shape[-1]
    moved = np.stack([_grid_and_weight(cells, stride, valid, motion) for motion in motions])
    there = torch.from_numpy(moved).to(level.device).repeat_interleave(len(level) // len(motions), 0)
    held = level.float()
    read = F.grid_sample(held, there[..., :2], mode="bilinear", padding_mode="border", align_corners=False)
    return (held + there[..., 2][:, None] * (read - held)).to(level.dtype)


def _grid_and_weight(cells: tuple[int, int], stride: int, valid: list[int], motion: BackwardMotion) -> np.ndarray:
    """(h, w, 3) float32: x and y in [-1, 1] from which each cell is read, and the weight of what is read there."""
    per_px = [v / stride / pixels for v, pixels in zip(valid, motion.hidden.shape, strict=True)]
    flow = _pooled_to_cells(motion.flow, cells, per_px) * np.array(per_px[::-1], np.float32)
    hidden = _pooled_to_cells(motion.hidden, cells, per_px)
    y, x = np.mgrid[: cells[0], : cells[1]].astype(np.float32)
    # The edge of the image, in cells from the centre of the first one; cells beyond it are padding and stay as they
    # are.
    last = [max(0.0, v / stride - 0.5) for v in valid]
    inside = (y <= last[0]) & (x <= last[1])
    x_from = np.where(inside, np.clip(x + flow[..., 0], 0, last[1]), x)
    y_from = np.where(inside, np.clip(y + flow[..., 1], 0, last[0]), y)
    parts = (2 * x_from + 1) / cells[1] - 1, (2 * y_from + 1) / cells[0] - 1, (1 - hidden) * inside
    return np.stack(parts, -1).astype(np.float32)


def _pooled_to_cells(values: np.ndarray, cells: tuple[int, int], per_px: list[float]) -> np.ndarray:
    """(h, w) or (h, w, 2) of the small image -> its mean over each of `cells` (rows, columns); cells beyond the
    image repeat its border. per_px: cells per pixel, down and across."""
    rows, columns = (max(n, round(c / p)) for n, c, p in zip(values.shape[:2], cells, per_px, strict=True))
    down, across = rows - values.shape[0], columns - values.shape[1]
    whole = cv2.copyMakeBorder(values, 0, down, 0, across, cv2.BORDER_REPLICATE)
    return cv2.resize(whole, cells[::-1], interpolation=cv2.INTER_AREA)
