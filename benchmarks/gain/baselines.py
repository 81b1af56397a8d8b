"""The baselines and our tracker as methods: each takes a clip and returns E lists of T answers, before the presence
threshold. None of them uses the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from benchmarks.gain.clip import Clip, FrameAnswer
from rvos.tracking.carrying.object_tracker import ObjectState, ObjectTracker
from rvos.tracking.tracker import Tracker
from rvos.view.frame_view import View
from rvos.watch.stream import process

Method = Callable[[Clip], list[list[FrameAnswer]]]


def tracked(tracker: Tracker[Any], decode_every: int = 1, passes: int = 1) -> Method:
    """The method of a tracker, which processes the clip in a session.

    decode_every: frames between two answers of the image model; passes: 2 for a second pass that uses what the first
    found on later frames.
    """

    def method(clip: Clip) -> list[list[FrameAnswer]]:
        session = clip.session(tracker, decode_every)
        for _ in range(passes - 1):
            for frame in clip.frames:
                session.step(frame)
            session.rewind()
        by_expression = zip(*(results for _, results in process(session, clip.frames)), strict=True)
        return [[FrameAnswer(r.mask, r.presence) for r in results] for results in by_expression]

    return method


def largest_components(method: Method) -> Method:
    """The same method with only the largest connected region of every mask."""

    def cleaned(clip: Clip) -> list[list[FrameAnswer]]:
        return [[FrameAnswer(largest_component(a.mask), a.presence) for a in answers] for answers in method(clip)]

    return cleaned


def largest_component(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the largest connected region of a mask (8-neighbourhood); an empty mask stays empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


@dataclass(frozen=True)
class KeyFrame:
    """The frame on which the image model is most confident. mask: (H, W) bool, its mask on that frame, not empty."""

    index: int
    mask: np.ndarray
    presence: float


def best_key_frame(clip: Clip, answers: Sequence[FrameAnswer], expression: int) -> KeyFrame | None:
    """The frame with the highest presence x score among those with a mask, the first of equals; None without any.

    answers: of the image model alone to the expression.
    """
    sureness = {t: answer.presence * clip.score(t, expression) for t, answer in enumerate(answers) if answer.mask.any()}
    if not sureness:
        return None
    best = max(sureness, key=lambda t: sureness[t])
    return KeyFrame(best, answers[best].mask, answers[best].presence)


def carried_from_best(frame_by_frame: Method) -> Method:
    """The mask of the best key frame, carried forward and backward without words; presence stays the frame's own."""

    def method(clip: Clip) -> list[list[FrameAnswer]]:
        alone = frame_by_frame(clip)
        keys = [best_key_frame(clip, answers, e) for e, answers in enumerate(alone)]
        order = range(clip.frame_count)
        both_ways = [*carried(clip.views(order), keys), *carried(clip.views(reversed(order)), keys)]
        masks = {(e, t): mask for e, t, mask in both_ways}
        nothing = np.zeros(clip.sample.frames.shape[1:3], dtype=bool)
        return [
            [FrameAnswer(masks.get((e, t), nothing), answer.presence) for t, answer in enumerate(answers)]
            for e, answers in enumerate(alone)
        ]

    return method


def carried(views: Iterable[View], keys: Sequence[KeyFrame | None]) -> Iterator[tuple[int, int, np.ndarray]]:
    """(expression, frame, mask) from the key frame of each expression on, in the order of the views."""
    tracker = ObjectTracker()
    states: dict[int, ObjectState] = {}
    for view in views:
        t = view.frame.index
        for e, key in enumerate(keys):
            if key is not None and t == key.index:
                states[e] = tracker.begin(view, key.mask)
                yield e, t, key.mask
            elif e in states:
                guess = tracker.predict(view, states[e])
                states[e] = tracker.update(view, states[e], guess)
                yield e, t, tracker.mask(view, guess)
