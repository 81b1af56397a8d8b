"""One object followed through a video from a mask, without words and without anything learned beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from rvos.motion import warp
from rvos.tracking.appearance import (
    pixel_features,
    position_features,
    work_flow,
    work_picture,
    work_size,
)
from rvos.tracking.guided import guided_filter
from rvos.tracking.head import Sums, fit, lift, sums_of
from rvos.view import View

EMPTY_PX = 8.0
"""Probability mass, in pixels at work size, below which there is nothing to see."""
HISTORY = 10


@dataclass(frozen=True)
class ObjectTrackerSettings:
    """Every number of the method; lengths in pixels at work size, or in object sizes s = sqrt(area) + 4."""

    carried_weight: float = 0.7
    head_weight: float = 8.0
    distance_weight: float = 10.0
    distance_free: float = 0.15
    distance_most: float = 5.0
    first_share: float = 0.9
    forgetting: float = 0.15
    fit_every: int = 5
    ridge: float = 0.02
    margin_share: float = 0.8
    margin_px: float = 16.0
    filter_share: float = 0.16
    filter_least: int = 5
    filter_most: int = 20
    filter_eps: float = 1e-5
    sharpness: float = 12.0
    snap_radius: int = 6
    object_samples: int = 2000
    rest_samples: int = 4000


@dataclass(frozen=True)
class ObjectState:
    """Everything remembered of one object: arrays of a fixed size."""

    probs: np.ndarray
    first_gram: np.ndarray
    first_target: np.ndarray
    recent_gram: np.ndarray
    recent_target: np.ndarray
    theta: np.ndarray
    areas: np.ndarray
    clock: np.ndarray


@dataclass(frozen=True)
class ObjectGuess:
    """Where the object is on one frame.

    probs: (h, w) float32 in [0, 1] at work size; quality: [0, 1]; area: share of the frame.
    """

    probs: np.ndarray
    quality: float
    area: float

    def __post_init__(self) -> None:
        if self.probs.ndim != 2 or self.probs.dtype != np.float32:
            raise ValueError(f"ObjectGuess.probs: came {self.probs.dtype} {self.probs.shape}, wanted float32 (h, w)")


@dataclass(frozen=True)
class Box:
    """Part of the work picture. Pixels, ends outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Its rows and columns, to index with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left


class ObjectTracker:
    """Follows objects; shared, and holds nothing that changes."""

    def __init__(self, settings: ObjectTrackerSettings = ObjectTrackerSettings()) -> None:
        self.settings = settings

    def begin(self, view: View, mask: np.ndarray) -> ObjectState:
        """The state of an object whose true mask (H, W) bool is known on this frame. Raises `ValueError` if empty."""
        probs = self._at_work_size(view, mask)
        sums = self._look(view, probs, np.zeros((), np.int64))
        areas = np.full(HISTORY, float(probs.sum()), np.float32)
        return ObjectState(
            probs=probs,
            first_gram=sums.gram,
            first_target=sums.target,
            recent_gram=sums.gram,
            recent_target=sums.target,
            theta=fit(sums, self.settings.ridge),
            areas=areas,
            clock=np.zeros((), np.int64),
        )

    def predict(self, view: View, state: ObjectState, evidence: np.ndarray | None = None) -> ObjectGuess:
        """Where the object is on this frame. evidence: (h, w) float32 log-odds from elsewhere, at work size."""
        s = self.settings
        carried = state.probs if view.cut else warp(state.probs, view.once(work_flow))
        if carried.sum() < EMPTY_PX:
            carried = state.probs
        inside = carried > 0.5
        if not inside.any():
            return ObjectGuess(0.9 * carried, 0.0, float(carried.mean()))
        box = self._box(inside)
        scale = math.sqrt(carried.sum()) + 4
        near = carried[box.part]
        score = self._score(view, box, state.theta, _centre(carried), scale)
        away = cv2.distanceTransform((near <= 0.5).astype(np.uint8), cv2.DIST_L2, 5) / scale
        logits = s.carried_weight * _logit(near, 0.03) + s.head_weight * np.clip(score, -1, 1)
        logits -= s.distance_weight * np.clip(away - s.distance_free, 0, s.distance_most)
        if evidence is not None:
            logits += evidence[box.part]
        radius = round(min(max(s.filter_share * scale, s.filter_least), s.filter_most))
        guide = view.once(work_picture)[box.part]
        smooth = guided_filter(guide, _sigmoid(logits), radius, s.filter_eps)
        probs = np.zeros_like(carried)
        probs[box.part] = _sigmoid(s.sharpness * (smooth - 0.5))
        if probs.sum() < EMPTY_PX:
            probs = 0.9 * carried
        held = probs > 0.5
        margin = float(np.clip(score[held[box.part]].mean(), 0, 1)) if held.any() else 0.0
        ratio = float(np.clip(probs.sum() / max(np.median(state.areas), 1.0), 0.5, 2))
        quality = math.sqrt(margin * min(ratio, 1 / ratio))
        return ObjectGuess(probs, quality, float(held.mean()))

    def update(self, view: View, state: ObjectState, guess: ObjectGuess, write: bool = True) -> ObjectState:
        """The state after this frame; `write=False` moves the mask on and leaves the memory alone."""
        s = self.settings
        clock = state.clock + 1
        areas = np.concatenate([state.areas[1:], [guess.probs.sum()]]).astype(np.float32)
        state = replace(state, probs=guess.probs, clock=clock, areas=areas)
        if not write or int(clock) % s.fit_every or guess.probs.sum() < EMPTY_PX:
            return state
        new = self._look(view, guess.probs, clock)
        recent = Sums(state.recent_gram, state.recent_target).mixed(new, s.forgetting)
        theta = fit(Sums(state.first_gram, state.first_target).mixed(recent, 1 - s.first_share), s.ridge)
        return replace(state, recent_gram=recent.gram, recent_target=recent.target, theta=theta)

    def renew(self, view: View, state: ObjectState, mask: np.ndarray, weight: float) -> ObjectState:
        """A further anchor: `mask` (H, W) bool joins the permanent memory and is where the object is now."""
        probs = self._at_work_size(view, mask)
        new = self._look(view, probs, state.clock)
        first = Sums(state.first_gram, state.first_target).mixed(new, weight / 2)
        recent = Sums(state.recent_gram, state.recent_target)
        theta = fit(first.mixed(recent, 1 - self.settings.first_share), self.settings.ridge)
        return replace(state, probs=probs, first_gram=first.gram, first_target=first.target, theta=theta)

    def similarity(self, view: View, state: ObjectState, mask: np.ndarray) -> float:
        """How much a region (H, W) bool looks like the object rather than what surrounded it, about [-1, 1]."""
        probs = self._at_work_size(view, mask)
        score = self._score(view, _whole(probs), state.theta, _centre(probs), math.sqrt(probs.sum()) + 4)
        return float((np.clip(score, -1, 1) * probs).sum() / probs.sum())

    def search(self, view: View, state: ObjectState) -> np.ndarray:
        """(h, w) float32 log-odds over the whole frame from appearance alone."""
        whole = Box(0, 0, *reversed(work_size(view)))
        score = self._score(view, whole, state.theta, None, 1.0)
        return self.settings.head_weight * np.clip(score, -1, 1)

    def mask(self, view: View, guess: ObjectGuess) -> np.ndarray:
        """(H, W) bool at frame size, the boundary moved to the nearest edge of the picture."""
        height, width = view.picture.shape[:2]
        large = cv2.resize(guess.probs, (width, height), interpolation=cv2.INTER_LINEAR)
        if (guess.probs > 0.5).any():
            box = _box_of(large > 0.5, 4 * self.settings.snap_radius)
            guide = view.picture[box.part].astype(np.float32) / 255
            large[box.part] = guided_filter(guide, large[box.part], self.settings.snap_radius, self.settings.filter_eps)
        height, width = view.frame.size
        return cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5

    def snapshot(self, state: ObjectState) -> bytes:
        """`state` as safetensors."""
        return safetensors.numpy.save({f.name: np.asarray(getattr(state, f.name), order="C") for f in fields(state)})

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
        tight = _box_of(inside, 0)
        side = math.sqrt(tight.size[0] * tight.size[1])
        return _box_of(inside, round(self.settings.margin_share * side + self.settings.margin_px))

    def _score(self, view: View, box: Box, theta: np.ndarray, centre: np.ndarray | None, scale: float) -> np.ndarray:
        features = view.once(pixel_features)[box.part]
        size = box.size
        where = (
            np.zeros((*size, 2), np.float32)
            if centre is None
            else position_features(size, (box.left, box.top), centre, scale)
        )
        joined = np.concatenate([features, where], axis=2).reshape(size[0] * size[1], -1)
        return (lift(joined) @ theta).reshape(size)

    def _look(self, view: View, probs: np.ndarray, clock: np.ndarray) -> Sums:
        """What the head learns of this frame, were `probs` true."""
        s = self.settings
        inside = probs > 0.5
        if not inside.any():
            inside = probs >= probs.max()
        box = self._box(inside)
        scale = math.sqrt(probs.sum()) + 4
        near, held = probs[box.part].ravel(), inside[box.part].ravel()
        away = cv2.distanceTransform((~inside[box.part]).astype(np.uint8), cv2.DIST_L2, 5).ravel() / scale
        weights = np.abs(2 * near - 1) + 0.02
        weights[~held] *= np.exp(-away[~held]) + 0.1
        random = np.random.default_rng(int(clock))
        chosen = np.concatenate(
            [
                _some(np.flatnonzero(held), s.object_samples, random),
                _some(np.flatnonzero(~held), s.rest_samples, random),
            ]
        )
        held, weights = held[chosen], weights[chosen]
        for side in (held, ~held):
            weights[side] /= max(weights[side].sum(), 1e-6)
        size = box.size
        features = view.once(pixel_features)[box.part].reshape(size[0] * size[1], -1)[chosen]
        where = position_features(size, (box.left, box.top), _centre(probs), scale).reshape(-1, 2)[chosen]
        lifted = lift(np.concatenate([features, where], axis=1))
        return sums_of(lifted, np.where(held, 1, -1).astype(np.float32), weights)


def _some(of: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    return of if len(of) <= most else random.choice(of, most, replace=False)


def _whole(of: np.ndarray) -> Box:
    return Box(0, 0, of.shape[1], of.shape[0])


def _box_of(inside: np.ndarray, margin: int) -> Box:
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return Box(
        max(0, int(columns[0]) - margin),
        max(0, int(rows[0]) - margin),
        min(inside.shape[1], int(columns[-1]) + 1 + margin),
        min(inside.shape[0], int(rows[-1]) + 1 + margin),
    )


def _centre(probs: np.ndarray) -> np.ndarray:
    """(x, y) of the centre of mass."""
    mass = max(float(probs.sum()), 1e-6)
    return np.array(
        (probs.sum(0) @ np.arange(probs.shape[1]) / mass, probs.sum(1) @ np.arange(probs.shape[0]) / mass), np.float32
    )


def _logit(probs: np.ndarray, edge: float) -> np.ndarray:
    kept = np.clip(probs, edge, 1 - edge)
    return np.log(kept / (1 - kept))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * logits))  # the plain form overflows far below 0
