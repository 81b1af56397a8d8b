"""The laws of corrections: what the user says is meant is shown as given, is carried, and moves nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.harness.recorded import RecordedReader
from image_core.answer import Candidate, DenseMap, MaskAnswer
from image_core.errors import ConfigError, DataError
from rvos.metrics import region_and_boundary
from rvos.parts import tracker_config
from rvos.reading.key_frames import KeyFrames
from rvos.tracking import TRACKERS
from rvos.types import Frame, FrameResult
from rvos.watch.session import FrameCorrections, StreamSession

SIZE = (144, 240)
FRAMES, AT = 18, 6
WORDS = ("the ball", "the box")


def textured(seed: int, size: tuple[int, int], centre: tuple[int, int, int]) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (*size, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 90 + centre, 0, 255).astype(np.uint8)


@cache
def film() -> tuple[list[Frame], np.ndarray, np.ndarray]:
    """A ball that goes to the right above a box that goes to the left: the frames, and where each is, (T, H, W)."""
    ground, ball, box = (
        textured(*a) for a in ((1, SIZE, (90, 120, 80)), (2, (44, 44), (200, 80, 60)), (3, (40, 56), (70, 90, 210)))
    )
    frames, balls, boxes = [], np.zeros((FRAMES, *SIZE), bool), np.zeros((FRAMES, *SIZE), bool)
    disc = np.zeros((44, 44), np.uint8)
    cv2.circle(disc, (22, 22), 21, 1, -1)
    for t in range(FRAMES):
        image = ground.copy()
        balls[t, 12:56, 10 + 3 * t : 54 + 3 * t] = disc > 0
        boxes[t, 90:130, 160 - 4 * t : 216 - 4 * t] = True
        image[balls[t]] = ball[disc > 0]
        image[boxes[t]] = box.reshape(-1, 3)
        frames.append(Frame(t, t / 25, image))
    return frames, balls, boxes


def drawn(masks: np.ndarray, kind: str) -> list[MaskAnswer]:
    """What a model answers that always means these masks: candidates, or a map."""
    if kind == "candidates":
        return [MaskAnswer((Candidate(mask, 0.95),), 0.9) for mask in masks]
    small = [cv2.resize(mask.astype(np.float32), (SIZE[1] // 4, SIZE[0] // 4)) for mask in masks]
    return [MaskAnswer.of_map(DenseMap(8 * m - 4, 4, SIZE), 0.9, 0.9) for m in small]


def session_of(
    kind: str = "candidates",
    every: int = 1,
    name: str = "tracks",
    box_from: int = FRAMES,
    box_likely: float = 0.95,
    **numbers: Any,
) -> StreamSession:
    """A session in which both expressions are answered with the ball; from frame `box_from` on the second is answered
    with the ball and the box."""
    _, balls, boxes = film()
    answers = {t: [answer, answer] for t, answer in enumerate(drawn(balls, kind))}
    for t in range(box_from, FRAMES):
        answers[t][1] = MaskAnswer((Candidate(balls[t], 0.95), Candidate(boxes[t], box_likely)), 0.9)
    config = tracker_config(name, **numbers)
    reader = RecordedReader(list(WORDS), answers, "film")
    return StreamSession(reader, TRACKERS[config.name](config.numbers), KeyFrames(every))


def watched(
    session: StreamSession, given: Mapping[int, FrameCorrections], frames: Sequence[Frame]
) -> list[tuple[FrameResult, ...]]:
    results = [session.step(frame, given.get(frame.index, {})) for frame in frames]
    return [ready for ready in (*results, *session.finish()) if ready]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.mean(region_and_boundary(one[None], other[None])))


def equal(one: FrameResult, other: FrameResult) -> bool:
    return np.array_equal(one.mask, other.mask) and (one.score, one.presence) == (other.score, other.presence)


@pytest.mark.parametrize(("kind", "every", "lookahead"), [("candidates", 1, 0), ("candidates", 4, 3), ("map", 4, 0)])
def test_a_given_mask_is_shown_and_carried_whatever_the_answers(kind: str, every: int, lookahead: int) -> None:
    frames, balls, boxes = film()
    plain = watched(session_of(kind, every, lookahead=lookahead), {}, frames)
    results = watched(session_of(kind, every, lookahead=lookahead), {AT: {1: boxes[AT]}}, frames)
    assert [r[0].frame_index for r in results] == list(range(FRAMES))
    np.testing.assert_array_equal(results[AT][1].mask, boxes[AT])
    assert (results[AT][1].presence, results[AT][1].score) == (1.0, 1.0)
    assert min(overlap(results[t][1].mask, boxes[t]) for t in range(AT, FRAMES)) > 0.85
    assert not any((results[t][1].mask & balls[t]).any() for t in range(AT, FRAMES))
    assert all(equal(one[0], other[0]) for one, other in zip(results, plain, strict=True))
    assert all(equal(one[1], other[1]) for one, other in zip(results[:AT], plain[:AT], strict=True))


def test_of_two_the_later_one_counts_and_tracks_stay_themselves() -> None:
    frames, balls, boxes = film()
    results = watched(session_of(), {AT: {1: boxes[AT]}, AT + 4: {1: balls[AT + 4]}}, frames)
    ids = [list(both[1].track_masks) for both in results]
    assert ids[AT - 1] == ids[AT + 4] == ids[-1] != ids[AT] == ids[AT + 3]
    np.testing.assert_array_equal(results[AT + 4][1].mask, balls[AT + 4])
    assert overlap(results[AT + 3][1].mask, boxes[AT + 3]) > 0.85 < overlap(results[-1][1].mask, balls[-1])


def test_a_given_mask_of_a_part_is_kept_against_larger_candidates() -> None:
    frames, balls, _ = film()
    upper = balls.copy()
    upper[:, 34:] = False
    results = watched(session_of(), {AT: {0: upper[AT]}}, frames[: AT + 4])
    np.testing.assert_array_equal(results[AT][0].mask, upper[AT])
    assert overlap(results[AT + 3][0].mask, upper[AT + 3]) > overlap(results[AT + 3][0].mask, balls[AT + 3])


@pytest.mark.parametrize(("kind", "every", "lookahead"), [("candidates", 1, 0), ("candidates", 4, 3), ("map", 4, 0)])
def test_a_denial_excludes_all_visible_tracks(kind: str, every: int, lookahead: int) -> None:
    """The ball is not shown again as long as it is followed, whatever is answered of it."""
    frames, _, _ = film()
    plain = watched(session_of(kind, every, lookahead=lookahead), {}, frames)
    results = watched(session_of(kind, every, lookahead=lookahead), {AT: {1: None}}, frames)
    assert all(both[1].present for both in plain) and [r[0].frame_index for r in results] == list(range(FRAMES))
    assert not any(both[1].present for both in results[AT:]) and results[AT][1].presence == 0
    assert all(equal(one[0], other[0]) for one, other in zip(results, plain, strict=True))
    assert all(equal(one[1], other[1]) for one, other in zip(results[:AT], plain[:AT], strict=True))


def test_also_where_the_first_answer_of_all_is_wrong() -> None:
    results = watched(session_of(every=4), {0: {1: None}}, film()[0])
    assert all(one.present and not other.present for one, other in results)


def test_what_is_found_much_less_likely_than_what_was_denied_does_not_take_its_place() -> None:
    frames, _, _ = film()
    results = watched(session_of(box_from=AT + 4, box_likely=0.2), {AT: {1: None}}, frames)
    assert not any(both[1].present for both in results[AT:])


@pytest.mark.parametrize("lookahead", [0, 3])
def test_what_comes_into_view_later_may_be_it(lookahead: int) -> None:
    frames, balls, boxes = film()
    results = watched(session_of(box_from=AT + 4, lookahead=lookahead), {AT: {1: None}}, frames)
    assert not any(both[1].present for both in results[AT : AT + 4])
    assert min(overlap(results[t][1].mask, boxes[t]) for t in range(AT + 6, FRAMES)) > 0.85
    assert not any((both[1].mask & balls[t]).any() for t, both in enumerate(results[AT:], AT))


def test_a_mask_revokes_a_denial_and_a_denial_revokes_a_mask() -> None:
    frames, balls, boxes = film()
    results = watched(session_of(), {AT: {1: None}, AT + 3: {1: balls[AT + 3]}}, frames)
    assert not results[AT + 2][1].present and overlap(results[-1][1].mask, balls[-1]) > 0.85
    results = watched(session_of(), {AT: {1: boxes[AT]}, AT + 3: {1: None}}, frames)
    assert overlap(results[AT + 2][1].mask, boxes[AT + 2]) > 0.85
    assert not any(both[1].present for both in results[AT + 3 :])


def test_a_cut_ends_a_denial() -> None:
    frames, balls, _ = film()
    dark = [Frame(f.index, f.time_s, f.image if f.index < AT + 3 else 255 - f.image) for f in frames]
    results = watched(session_of(), {AT: {1: None}}, dark)
    assert not any(both[1].present for both in results[AT : AT + 3])
    assert overlap(results[-1][1].mask, balls[-1]) > 0.85


@pytest.mark.parametrize("is_there", [True, False])
def test_it_is_carried_from_a_state_that_was_bytes(is_there: bool) -> None:
    frames, _, boxes = film()
    frames, given = frames[: AT + 6], {AT: {1: boxes[AT] if is_there else None}}
    wanted = watched(session_of(), given, frames)
    first, second = session_of(), session_of()
    watched(first, given, frames[: AT + 2])
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    for frame, results in zip(frames[AT + 2 :], wanted[AT + 2 :], strict=True):
        assert all(map(equal, second.step(frame), results))


def test_a_speck_on_the_first_frame_is_taken() -> None:
    frames, _, _ = film()
    speck = np.zeros(SIZE, bool)
    speck[100, 170] = True
    results = watched(session_of(), {0: {1: speck}}, frames[:3])
    np.testing.assert_array_equal(results[0][1].mask, speck)


@pytest.mark.parametrize(
    ("index", "mask", "words"),
    [
        (2, np.ones(SIZE, bool), "expected an expression from 0 to 1, got 2"),
        (
            0,
            np.zeros(SIZE, bool),
            "expected the pixels of 'the ball', got an empty mask: give None if the target is absent",
        ),
        (0, np.ones((3, 4), bool), r"expected bool \(144, 240\)"),
        (0, np.ones(SIZE, np.uint8), "got uint8"),
    ],
)
def test_an_invalid_correction_is_refused_and_the_state_unchanged(index: int, mask: np.ndarray, words: str) -> None:
    session = session_of()
    before = session.snapshot()
    with pytest.raises(DataError, match=words):
        session.step(film()[0][0], {index: mask})
    assert session.snapshot() == before


def test_a_tracker_that_carries_nothing_refuses_it() -> None:
    frames, balls, _ = film()
    with pytest.raises(ConfigError, match="expected a tracker that carries masks, such as tracks"):
        session_of(name="none").step(frames[0], {0: balls[0]})
    with pytest.raises(ConfigError, match="expected a tracker that carries masks, such as tracks"):
        session_of(name="none").step(frames[0], {0: None})
