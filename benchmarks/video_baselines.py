"""What the systems of the gain benchmark look at: answers for every frame, before their presence is judged.

A look takes a clip and gives E lists of T answers. None of them sees the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from video_clip import Answer, Clip

from rvos.postprocess import Postprocessor
from rvos.tracking.object_tracker import ObjectState, ObjectTracker
from rvos.tracking.tracker import Tracker
from rvos.types import FrameResult
from rvos.view.frame_view import View

Look = Callable[[Clip], list[list[Answer]]]


def tracked(make: Callable[[Postprocessor], Tracker[Any]], decode_every: int = 1, passes: int = 1) -> Look:
    """The look of a tracker, frame by frame with all expressions, as a session runs it.

    decode_every: the image model is heard on every so many frames alone; passes: 2 for a second one that knows how the
    video goes on.
    """

    def look(clip: Clip) -> list[list[Answer]]:
        tracker = make(clip.postprocess)
        states = [tracker.start(e) for e in range(clip.expression_count)]
        for _ in range(passes - 1):
            states = [tracker.again(state) for _, state in watched(tracker, states, clip, decode_every)]
        return [answers for answers, _ in watched(tracker, states, clip, decode_every)]

    return look


def watched(
    tracker: Tracker[Any], states: Sequence[Any], clip: Clip, decode_every: int
) -> list[tuple[list[Answer], Any]]:
    """One pass: E lists of T answers, each with the state at its end."""
    states = list(states)
    results: list[list[FrameResult | None]] = [[] for _ in states]
    for view, said in zip(clip.views(range(clip.frame_count)), clip.said, strict=True):
        for e, decoded in enumerate(said):
            heard = view.frame.index % decode_every == 0
            prediction, features = (decoded.prediction, decoded.features) if heard else (None, None)
            result, states[e] = tracker.step(view, prediction, features, states[e])
            results[e].append(result)
    complete = [found + tracker.finish(state) for found, state in zip(results, states, strict=True)]
    answers = [[Answer(r.mask, r.presence) for r in found if r is not None] for found in complete]
    return list(zip(answers, states, strict=True))


def largest_components(look: Look) -> Look:
    """The same look with nothing but the largest connected region of every mask."""

    def cleaned(clip: Clip) -> list[list[Answer]]:
        return [[Answer(largest_component(a.mask), a.presence) for a in answers] for answers in look(clip)]

    return cleaned


def largest_component(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the largest region of a mask whose pixels touch, corners included; an empty mask stays empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


@dataclass(frozen=True)
class KeyFrame:
    """The frame on which the image model is surest of an expression. mask: (H, W) bool, its mask there, not empty."""

    index: int
    mask: np.ndarray
    presence: float


def best_key_frame(clip: Clip, answers: Sequence[Answer], expression: int) -> KeyFrame | None:
    """The frame with the highest presence x score among those with a mask, the first of equals; None without any.

    answers: what the image model alone says of the expression.
    """
    sureness = {
        t: answer.presence * float(said[expression].prediction.score.float())
        for t, (answer, said) in enumerate(zip(answers, clip.said, strict=True))
        if answer.mask.any()
    }
    if not sureness:
        return None
    best = max(sureness, key=lambda t: sureness[t])
    return KeyFrame(best, answers[best].mask, answers[best].presence)


def carried_from_best(frame_by_frame: Look) -> Look:
    """The mask of the best key frame, carried forward and backward without words; presence stays the frame's own."""

    def look(clip: Clip) -> list[list[Answer]]:
        alone = frame_by_frame(clip)
        keys = [best_key_frame(clip, answers, e) for e, answers in enumerate(alone)]
        order = range(clip.frame_count)
        found = [*carried(clip.views(order), keys), *carried(clip.views(reversed(order)), keys)]
        masks = {(e, t): mask for e, t, mask in found}
        nothing = np.zeros(clip.sample.frames.shape[1:3], dtype=bool)
        return [
            [Answer(masks.get((e, t), nothing), answer.presence) for t, answer in enumerate(answers)]
            for e, answers in enumerate(alone)
        ]

    return look


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
