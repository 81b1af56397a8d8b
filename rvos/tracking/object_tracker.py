"""One object followed through a video from a mask, without words and without anything learned beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from rvos.tracking.appearance import described, halved, work_flow, work_picture, work_size
from rvos.tracking.box import Box, box_of, centre_of, core_of
from rvos.tracking.guided import guided_filter, snapped
from rvos.tracking.head import Sums, fit, score, sums_of
from rvos.tracking.two_motions import motion_evidence
from rvos.view.frame_view import View
from rvos.view.motion import warp

EMPTY_PX = 8.0
"""Probability mass, in pixels at work size, below which there is nothing to see; a quarter of what the object used to
have where that is less."""
HISTORY = 10
EDGE = 0.03
"""What is carried is never surer than this."""


@dataclass(frozen=True)
class ObjectTrackerSettings:
    """Every number of the method; lengths in pixels at work size, or in object sizes s = sqrt(area) + 4.

    carried_weight, head_weight, motion_weight, distance_weight: what the mask carried here, the classifier, the two
    motions, and the distance from the carried mask count in log-odds; no distance counts up to `distance_free` s.
    first_share, first_share_rest: what the first mask keeps in the memory of the object, and of what is around it,
    whatever comes; forgetting: share of a new frame in the rest, every `fit_every` frames, where the quality is at
    least `write_quality`. area_most: an area of more than this many times the usual one is refused.
    """

    carried_weight: float = 0.7
    head_weight: float = 8.0
    motion_weight: float = 2.0
    distance_weight: float = 10.0
    distance_free: float = 0.15
    distance_most: float = 5.0
    first_share: float = 0.9
    first_share_rest: float = 0.5
    forgetting: float = 0.15
    fit_every: int = 5
    write_quality: float = 0.3
    area_most: float = 3.0
    ridge: float = 0.02
    margin_share: float = 0.8
    margin_px: float = 16.0
    filter_share: float = 0.16
    filter_least: int = 5
    filter_most: int = 20
    filter_eps: float = 1e-5
    sharpness: float = 12.0
    object_samples: int = 2000
    rest_samples: int = 4000


@dataclass(frozen=True)
class ObjectState:
    """Everything remembered of one object: arrays of a fixed size.

    probs: (h, w) float32, where it was; object_*, rest_*: sums of the classifier, of pixels on the object and around
    it, (D, D) and (D,) float32, the first mask's and a moving average; theta: (D,) float32, the classifier; areas:
    (10,) float32, probability mass on the last frames where it was seen; clock: (1,) int64, frames so far.
    """

    probs: np.ndarray
    object_gram: np.ndarray
    object_target: np.ndarray
    rest_gram: np.ndarray
    rest_target: np.ndarray
    recent_object_gram: np.ndarray
    recent_object_target: np.ndarray
    recent_rest_gram: np.ndarray
    recent_rest_target: np.ndarray
    theta: np.ndarray
    areas: np.ndarray
    clock: np.ndarray


@dataclass(frozen=True)
class ObjectGuess:
    """Where the object is on one frame.

    probs: (h, w) float32 in [0, 1] at work size; quality: [0, 1].
    """

    probs: np.ndarray
    quality: float

    def __post_init__(self) -> None:
        if self.probs.ndim != 2 or self.probs.dtype != np.float32:
            raise ValueError(f"ObjectGuess.probs: came {self.probs.dtype} {self.probs.shape}, wanted float32 (h, w)")


@dataclass(frozen=True)
class Seen:
    """What the classifier can learn from one frame."""

    on: Sums
    around: Sums


class ObjectTracker:
    """Follows objects; shared, and holds nothing that changes."""

    def __init__(self, settings: ObjectTrackerSettings = ObjectTrackerSettings()) -> None:
        self.settings = settings

    def begin(self, view: View, mask: np.ndarray) -> ObjectState:
        """The state of an object whose mask (H, W) bool is known on this frame. Raises `ValueError` when it is empty,
        or of another size than the frame."""
        probs = self._at_work_size(view, mask)
        clock = np.zeros(1, np.int64)
        seen = self._look(view, probs, clock)
        return ObjectState(
            probs=probs,
            object_gram=seen.on.gram,
            object_target=seen.on.target,
            rest_gram=seen.around.gram,
            rest_target=seen.around.target,
            recent_object_gram=seen.on.gram,
            recent_object_target=seen.on.target,
            recent_rest_gram=seen.around.gram,
            recent_rest_target=seen.around.target,
            theta=fit(seen.on.plus(seen.around), self.settings.ridge),
            areas=np.full(HISTORY, probs.sum(), np.float32),
            clock=clock,
        )

    def predict(self, view: View, state: ObjectState) -> ObjectGuess:
        """Where the object is on this frame.

        Across a cut nothing was anywhere, and only appearance counts.
        """
        s = self.settings
        usual = float(np.median(state.areas))
        carried = np.zeros_like(state.probs) if view.cut else warp(state.probs, view.once(work_flow))
        if carried.sum() < _least(usual):
            if not view.cut:
                return _lost(carried)
            box, scale = Box(0, 0, carried.shape[1], carried.shape[0]), math.sqrt(usual) + 4
            scores = self._scores(view, state, box, None, scale)
            logits = s.head_weight * np.clip(scores, -1, 1)
        else:
            box, scale = self._box(core_of(carried)), math.sqrt(carried.sum()) + 4
            scores = self._scores(view, state, box, centre_of(carried), scale)
            logits = s.head_weight * np.clip(scores, -1, 1) + self._prior(view, carried, box, scale)
        probs = np.zeros_like(carried)
        probs[box.part] = self._filtered(view, logits, box, scale)
        mass = float(probs.sum())
        if mass < _least(usual) or mass > s.area_most * usual:
            return _lost(0.9 * carried)
        return ObjectGuess(probs, _quality(probs, carried, scores, box, usual))

    def update(self, view: View, state: ObjectState, guess: ObjectGuess) -> ObjectState:
        """The state after this frame; a guess of too low a quality moves the mask on and leaves the memory alone."""
        s = self.settings
        clock = state.clock + 1
        state = replace(state, probs=guess.probs, clock=clock)
        mass = float(guess.probs.sum())
        if guess.quality < s.write_quality or mass < _least(float(np.median(state.areas))):
            return state
        state = replace(state, areas=np.append(state.areas[1:], np.float32(mass)))
        if clock[0] % s.fit_every:
            return state
        seen = self._look(view, guess.probs, clock)
        on, around = (
            _recent(state).on.mixed(seen.on, s.forgetting),
            _recent(state).around.mixed(seen.around, s.forgetting),
        )
        return self._refitted(_remember_recent(state, on, around))

    def renew(self, view: View, state: ObjectState, mask: np.ndarray) -> ObjectState:
        """A further anchor: `mask` (H, W) bool joins the permanent memory, as good as all anchors before it together,
        and is where the object is now. Raises `ValueError` for an empty mask, or one of another size than the frame."""
        probs = self._at_work_size(view, mask)
        seen = self._look(view, probs, state.clock)
        first = _first(state)
        on, around = first.on.mixed(seen.on, 0.5), first.around.mixed(seen.around, 0.5)
        state = replace(
            state,
            probs=probs,
            object_gram=on.gram,
            object_target=on.target,
            rest_gram=around.gram,
            rest_target=around.target,
            areas=np.full(HISTORY, probs.sum(), np.float32),
        )
        return self._refitted(state)

    def mask(self, view: View, guess: ObjectGuess) -> np.ndarray:
        """(H, W) bool at frame size, the boundary moved to the nearest edge of the picture."""
        return snapped(view, guess.probs)

    def snapshot(self, state: ObjectState) -> bytes:
        """`state` as safetensors."""
        return safetensors.numpy.save({f.name: np.ascontiguousarray(getattr(state, f.name)) for f in fields(state)})

    def restore(self, data: bytes) -> ObjectState:
        """The state that `snapshot` wrote. Raises `ValueError` where `data` is something else."""
        try:
            return ObjectState(**safetensors.numpy.load(data))
        except (SafetensorError, TypeError) as error:
            raise ValueError(f"object state: damaged ({error})") from error

    def _at_work_size(self, view: View, mask: np.ndarray) -> np.ndarray:
        if mask.shape != view.frame.size or mask.dtype != np.bool_:
            raise ValueError(f"mask: came {mask.dtype} {mask.shape}, wanted bool {view.frame.size}")
        if not mask.any():
            raise ValueError("mask: came an empty one, wanted the object's pixels")
        height, width = work_size(view)
        return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)

    def _box(self, inside: np.ndarray) -> Box:
        """Where the object is looked for."""
        tight = box_of(inside)
        side = math.sqrt(tight.size[0] * tight.size[1])
        return box_of(inside, round(self.settings.margin_share * side + self.settings.margin_px))

    def _scores(
        self, view: View, state: ObjectState, box: Box, centre: tuple[float, float] | None, scale: float
    ) -> np.ndarray:
        """What the classifier says of a box, (h', w')."""
        half = box.halved()
        found = score(described(view, half, centre, scale), state.theta)
        height, width = half.size
        large = cv2.resize(found, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
        top, left = box.top - 2 * half.top, box.left - 2 * half.left
        return large[top : top + box.size[0], left : left + box.size[1]]

    def _prior(self, view: View, carried: np.ndarray, box: Box, scale: float) -> np.ndarray:
        """Log-odds (h', w') that the past gives the pixels of a box: the mask carried here, motion, and distance."""
        s = self.settings
        near = np.clip(carried[box.part], EDGE, 1 - EDGE)
        away = cv2.distanceTransform((~core_of(carried)[box.part]).astype(np.uint8), cv2.DIST_L2, 5) / scale
        motion = motion_evidence(view.once(work_flow), carried, box)
        found = s.carried_weight * np.log(near / (1 - near)) + s.motion_weight * motion
        return found - s.distance_weight * np.clip(away - s.distance_free, 0, s.distance_most)

    def _filtered(self, view: View, logits: np.ndarray, box: Box, scale: float) -> np.ndarray:
        """Probabilities (h', w') that follow the edges of the picture."""
        s = self.settings
        radius = round(min(max(s.filter_share * scale, s.filter_least), s.filter_most))
        soft = _sigmoid(logits).astype(np.float32)
        smooth = guided_filter(view.once(work_picture)[box.part], soft, radius, s.filter_eps)
        return _sigmoid(s.sharpness * (smooth - 0.5))

    def _look(self, view: View, probs: np.ndarray, clock: np.ndarray) -> Seen:
        """What the classifier learns of this frame, were `probs` true."""
        s = self.settings
        half = self._box(core_of(probs)).halved()
        scale = math.sqrt(probs.sum()) + 4
        small = halved(probs)
        near, on = small[half.part].ravel(), core_of(small)[half.part]
        away = 2 * cv2.distanceTransform((~on).astype(np.uint8), cv2.DIST_L2, 5).ravel() / scale
        weights = np.abs(2 * near - 1) + 0.02
        around_weights = weights * (np.exp(-away) + 0.1)
        features = described(view, half, centre_of(probs), scale).reshape(len(near), -1)
        random = np.random.default_rng(int(clock[0]))
        inside = _some(np.flatnonzero(on.ravel()), s.object_samples, random)
        outside = _some(np.flatnonzero(~on.ravel()), s.rest_samples, random)
        return Seen(
            sums_of(features[inside], 1.0, weights[inside]), sums_of(features[outside], -1.0, around_weights[outside])
        )

    def _refitted(self, state: ObjectState) -> ObjectState:
        """The state with the classifier that its memory gives."""
        s = self.settings
        first, recent = _first(state), _recent(state)
        on = first.on.mixed(recent.on, 1 - s.first_share)
        around = first.around.mixed(recent.around, 1 - s.first_share_rest)
        return replace(state, theta=fit(on.plus(around), s.ridge))


def _first(state: ObjectState) -> Seen:
    return Seen(Sums(state.object_gram, state.object_target), Sums(state.rest_gram, state.rest_target))


def _recent(state: ObjectState) -> Seen:
    return Seen(
        Sums(state.recent_object_gram, state.recent_object_target),
        Sums(state.recent_rest_gram, state.recent_rest_target),
    )


def _remember_recent(state: ObjectState, on: Sums, around: Sums) -> ObjectState:
    return replace(
        state,
        recent_object_gram=on.gram,
        recent_object_target=on.target,
        recent_rest_gram=around.gram,
        recent_rest_target=around.target,
    )


def _least(usual: float) -> float:
    """Probability mass that an object which usually has `usual` must have to be seen."""
    return min(EMPTY_PX, usual / 4)


def _lost(probs: np.ndarray) -> ObjectGuess:
    return ObjectGuess(probs.astype(np.float32), 0.0)


def _quality(probs: np.ndarray, carried: np.ndarray, scores: np.ndarray, box: Box, usual: float) -> float:
    """Geometric mean of three: the classifier's margin inside the mask, how well the carried mask agrees (across a cut
    there is none, and that one is left out), and the area's ratio to the usual one."""
    held = probs > 0.5
    if not held.any():
        return 0.0
    ratio = float(np.clip(probs.sum() / usual, 0.5, 2))
    parts = [float(np.clip(scores[held[box.part]].mean(), 0, 1)), min(ratio, 1 / ratio)]
    before = carried > 0.5
    if before.any():
        parts.append(np.count_nonzero(held & before) / np.count_nonzero(held | before))
    return math.prod(parts) ** (1 / len(parts))


def _some(of: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    return of if len(of) <= most else random.choice(of, most, replace=False)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
