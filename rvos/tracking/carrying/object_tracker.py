"""Follows one object through a video from a mask, without words and without training beforehand."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np

from image_core.ranges import Count, PositiveShare, Range, Share, Weight, check_ranges
from rvos.tracking.carrying.appearance import halved, work_flow, work_picture, work_size
from rvos.tracking.carrying.box import Box, Sizes, box_of, core_of
from rvos.tracking.carrying.guided import FilterRadius, guided_filter, snap_to_edges
from rvos.tracking.carrying.head import Sums, fit, sums_of
from rvos.tracking.carrying.lifted import lifted, scores, whole
from rvos.tracking.carrying.two_motions import motion_evidence
from rvos.view.frame_view import View
from rvos.view.motion import warp

EMPTY_PX = 8.0
"""Least probability mass of a visible object, in pixels at work size; for a small object a quarter of its usual
mass."""
HISTORY = 10
EDGE = 0.03
"""Carried probabilities are kept this far from 0 and 1."""


@dataclass(frozen=True)
class ObjectTrackerConfig:
    """Every number of the method; lengths in pixels at work size, or in sizes of the object, s = sqrt(area) + 4."""

    #: Weight of the log-odds of the carried mask.
    carried_weight: Weight = 0.7
    #: Log-odds that the classifier adds at most.
    head_weight: Weight = 8.0
    #: Log-odds that moving with the object or with its surroundings adds at most.
    motion_weight: Weight = 2.0
    #: Log-odds that a distance of one size from the carried mask costs.
    distance_weight: Weight = 10.0
    #: Distance from the carried mask that costs nothing, in sizes.
    distance_free: Sizes = 0.15
    #: Distance beyond the free one from which on the cost no longer grows, in sizes.
    distance_most: Sizes = 5.0
    #: Share of the masks that were given in what the classifier learns of the object; the rest is of later frames.
    first_share: Share = 0.9
    #: Share of the masks that were given in what it learns of the surroundings.
    first_share_rest: Share = 0.5
    #: Share of a new frame in the moving average over later frames.
    forgetting: Share = 0.15
    #: Frames between two fits of the classifier.
    fit_every: Count = 5
    #: Quality of a mask from which on the memory learns from it.
    write_quality: Share = 0.3
    #: A mask of more than this many times the usual area is rejected.
    area_most: Annotated[float, Range(1)] = 3.0
    #: Regularisation of the classifier, as a share of the mean diagonal of its gram matrix.
    ridge: PositiveShare = 0.02
    #: Margin of the box that is searched, in sides of the object's box.
    margin_share: Sizes = 0.55
    #: Added to that margin, in pixels at work size.
    margin_px: Annotated[float, Range(1, 1e4)] = 16.0
    #: Radius of the guided filter, in sizes.
    filter_share: Sizes = 0.16
    #: Least radius of the guided filter, in pixels at work size.
    filter_least: FilterRadius = 5
    #: Largest radius of the guided filter, in pixels at work size.
    filter_most: FilterRadius = 20
    #: Variance of the image below which a window of the guided filter counts as of one colour.
    filter_eps: Share = 1e-5
    #: Slope of the sigmoid that is applied to the filtered probabilities.
    sharpness: Annotated[float, Range(0, 1000)] = 12.0
    #: Most pixels on the object that the classifier learns from on a frame.
    object_samples: Count = 1000
    #: Most pixels around the object that the classifier learns from on a frame.
    rest_samples: Count = 1000

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Examples:
    """Training examples of the classifier, of one frame or of several."""

    #: Of pixels on the object.
    on: Sums
    #: Of pixels around it.
    around: Sums

    def mixed(self, other: Examples, share: float) -> Examples:
        """`share` in [0, 1] of the other, the rest of this."""
        return Examples(self.on.mixed(other.on, share), self.around.mixed(other.around, share))


@dataclass(frozen=True)
class ObjectMemory:
    """The appearance memory of an object, and how large it is: arrays of a fixed size."""

    #: Of the masks that were given.
    first: Examples
    #: A moving average of the frames since.
    recent: Examples
    #: (D,) float32, the classifier.
    theta: np.ndarray
    #: (10,) float32, probability mass on the last frames where it was seen.
    areas: np.ndarray
    #: Frames so far.
    clock: int = 0


@dataclass(frozen=True)
class ObjectState:
    """Everything remembered of one object."""

    #: (h, w) float32 at work size, where it was.
    probs: np.ndarray
    memory: ObjectMemory


@dataclass(frozen=True)
class ObjectGuess:
    """Where the object is on one frame."""

    #: (h, w) float32 in [0, 1] at work size.
    probs: np.ndarray
    #: [0, 1]
    quality: float

    def __post_init__(self) -> None:
        if self.probs.ndim != 2 or self.probs.dtype != np.float32:
            raise ValueError(f"ObjectGuess.probs: expected float32 (h, w), got {self.probs.dtype} {self.probs.shape}")


class ObjectTracker:
    """Follows objects; shared, and holds nothing that changes."""

    state_type: ClassVar[type] = ObjectState
    """The frozen dataclass that holds all that is remembered of an object; `image_core.state` turns it into bytes."""

    def __init__(self, config: ObjectTrackerConfig = ObjectTrackerConfig()) -> None:
        self.config = config

    def begin(self, view: View, mask: np.ndarray) -> ObjectState:
        """The state of an object whose mask (H, W) bool is known on this frame. Raises `ValueError` when it is empty,
        or of another size than the frame."""
        probs = at_work_size(view, mask)
        examples = self._examples(view, probs, clock=0)
        theta = fit(examples.on.plus(examples.around), self.config.ridge)
        return ObjectState(probs, ObjectMemory(examples, examples, theta, _areas(probs)))

    def predict(self, view: View, state: ObjectState) -> ObjectGuess:
        """Where the object is on this frame.

        Across a cut its position is unknown, and only appearance counts.
        """
        c = self.config
        usual = float(np.median(state.memory.areas))
        carried = np.zeros_like(state.probs) if view.cut else warp(state.probs, view.once(work_flow))
        if carried.sum() < _least(usual):
            if not view.cut:
                return _lost(carried)
            box, scale = whole(view), math.sqrt(usual) + 4
            head = scores(view, state.memory.theta, box)
            logits = c.head_weight * np.clip(head, -1, 1)
        else:
            box, scale = self._box(core_of(carried)), math.sqrt(carried.sum()) + 4
            head = scores(view, state.memory.theta, box)
            logits = c.head_weight * np.clip(head, -1, 1) + self._prior(view, carried, box, scale)
        probs = np.zeros_like(carried)
        probs[box.part] = self._filtered(view, logits, box, scale)
        mass = float(probs.sum())
        if mass < _least(usual) or mass > c.area_most * usual:
            return _lost(0.9 * carried)
        return ObjectGuess(probs, _quality(probs, carried, head, box, usual))

    def update(self, view: View, state: ObjectState, guess: ObjectGuess) -> ObjectState:
        """The state after this frame; the memory does not learn from a guess of low quality."""
        c = self.config
        memory = replace(state.memory, clock=state.memory.clock + 1)
        mass = float(guess.probs.sum())
        if guess.quality < c.write_quality or mass < _least(float(np.median(memory.areas))):
            return ObjectState(guess.probs, memory)
        memory = replace(memory, areas=np.append(memory.areas[1:], np.float32(mass)))
        if memory.clock % c.fit_every == 0:
            examples = self._examples(view, guess.probs, memory.clock)
            memory = self._refitted(replace(memory, recent=memory.recent.mixed(examples, c.forgetting)))
        return ObjectState(guess.probs, memory)

    def renew(self, view: View, state: ObjectState, mask: np.ndarray, share: float = 0.5) -> ObjectState:
        """The state after a frame on which a further mask is given: `mask` (H, W) bool joins the permanent memory, and
        is where the object is now.

        share: its weight there in [0, 1], by default as much as all masks that were given before it together. Raises
        `ValueError` for an empty mask, or one of another size than the frame.
        """
        probs = at_work_size(view, mask)
        first = state.memory.first.mixed(self._examples(view, probs, state.memory.clock), share)
        memory = replace(state.memory, first=first, areas=_areas(probs))
        return ObjectState(probs, self._refitted(memory))

    def mask(self, view: View, guess: ObjectGuess) -> np.ndarray:
        """(H, W) bool at frame size, the boundary moved to the nearest edge of the image."""
        return snap_to_edges(view, guess.probs)

    def document(self) -> dict[str, Any]:
        """What the masks depend on, as JSON values."""
        return asdict(self.config)

    def _box(self, inside: np.ndarray) -> Box:
        """The box in which the object is searched."""
        tight = box_of(inside)
        side = math.sqrt(tight.size[0] * tight.size[1])
        return box_of(inside, round(self.config.margin_share * side + self.config.margin_px))

    def _prior(self, view: View, carried: np.ndarray, box: Box, scale: float) -> np.ndarray:
        """Log-odds (h', w') of the pixels of a box without their appearance: by the carried mask, motion, and
        distance."""
        c = self.config
        near = np.clip(carried[box.part], EDGE, 1 - EDGE)
        away = cv2.distanceTransform((~core_of(carried)[box.part]).astype(np.uint8), cv2.DIST_L2, 5) / scale
        motion = motion_evidence(view.once(work_flow), carried, box)
        logits = c.carried_weight * np.log(near / (1 - near)) + c.motion_weight * motion
        return logits - c.distance_weight * np.clip(away - c.distance_free, 0, c.distance_most)

    def _filtered(self, view: View, logits: np.ndarray, box: Box, scale: float) -> np.ndarray:
        """Probabilities (h', w'), aligned with the edges of the image."""
        c = self.config
        radius = round(min(max(c.filter_share * scale, c.filter_least), c.filter_most))
        soft = _sigmoid(logits).astype(np.float32)
        smooth = guided_filter(view.once(work_picture)[box.part], soft, radius, c.filter_eps)
        return _sigmoid(c.sharpness * (smooth - 0.5))

    def _examples(self, view: View, probs: np.ndarray, clock: int) -> Examples:
        """What the classifier learns from this frame, if `probs` are the truth."""
        c = self.config
        half = self._box(core_of(probs)).halved()
        scale = math.sqrt(probs.sum()) + 4
        small = halved(probs)
        near, on = small[half.part].ravel(), core_of(small)[half.part]
        away = 2 * cv2.distanceTransform((~on).astype(np.uint8), cv2.DIST_L2, 5).ravel() / scale
        weights = np.abs(2 * near - 1) + 0.02
        around_weights = weights * (np.exp(-away) + 0.1)
        features = view.once(lifted).part(half).reshape(len(near), -1)
        random = np.random.default_rng(clock)
        inside = _some(np.flatnonzero(on.ravel()), c.object_samples, random)
        outside = _some(np.flatnonzero(~on.ravel()), c.rest_samples, random)
        return Examples(
            sums_of(features[inside], 1.0, weights[inside]), sums_of(features[outside], -1.0, around_weights[outside])
        )

    def _refitted(self, memory: ObjectMemory) -> ObjectMemory:
        """The memory with its classifier fitted anew."""
        c = self.config
        on = memory.first.on.mixed(memory.recent.on, 1 - c.first_share)
        around = memory.first.around.mixed(memory.recent.around, 1 - c.first_share_rest)
        return replace(memory, theta=fit(on.plus(around), c.ridge))


def at_work_size(view: View, mask: np.ndarray) -> np.ndarray:
    """(h, w) float32: the share of each pixel at work size that lies inside a mask (H, W) bool of the frame. Raises
    `ValueError` for an empty mask, or one of another size."""
    if mask.shape != view.frame.size or mask.dtype != np.bool_:
        raise ValueError(f"mask: expected bool {view.frame.size}, got {mask.dtype} {mask.shape}")
    if not mask.any():
        raise ValueError("mask: expected the object's pixels, got an empty one")
    height, width = work_size(view)
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)


def _areas(probs: np.ndarray) -> np.ndarray:
    """The areas of an object that has always been as large as here."""
    return np.full(HISTORY, probs.sum(), np.float32)


def _least(usual: float) -> float:
    """Least probability mass of a visible object that usually has the mass `usual`."""
    return min(EMPTY_PX, usual / 4)


def _lost(probs: np.ndarray) -> ObjectGuess:
    return ObjectGuess(probs.astype(np.float32), 0.0)


def _quality(probs: np.ndarray, carried: np.ndarray, head: np.ndarray, box: Box, usual: float) -> float:
    """Geometric mean of three: the classifier's mean score inside the mask, the overlap (IoU) with the carried mask
    (left out across a cut, where there is none), and the ratio of the area to the usual one."""
    held = probs > 0.5
    if not held.any():
        return 0.0
    ratio = float(np.clip(probs.sum() / usual, 0.5, 2))
    parts = [float(np.clip(head[held[box.part]].mean(), 0, 1)), min(ratio, 1 / ratio)]
    before = carried > 0.5
    if before.any():
        parts.append(np.count_nonzero(held & before) / np.count_nonzero(held | before))
    return math.prod(parts) ** (1 / len(parts))


def _some(of: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    return of if len(of) <= most else random.choice(of, most, replace=False)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
