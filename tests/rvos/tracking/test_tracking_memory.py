"""The tracker `memory`: the evidence of answers and places, added up over frames; a table and a handful of stories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from image_core.answer import DenseMap, MaskAnswer
from image_core.state import from_bytes, to_bytes
from rvos.tracking.linking import LinkingConfig, link, parts_of
from rvos.tracking.memory import MemoryConfig, MemoryState, MemoryTracker
from rvos.tracking.pending import Choice
from rvos.tracking.presence import PresenceModel, log_odds_of
from rvos.tracking.track import BeliefModel, Track, appearance_of
from rvos.types import Frame, FrameResult
from rvos.view.frame_view import view_of

SIZE = (64, 96)
RED, GREEN = (225, 30, 30), (30, 200, 60)
Box = tuple[int, int]


def picture(boxes: dict[tuple[int, int, int], Box]) -> np.ndarray:
    """A grey picture with squares of 20 px at (row, column)."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.repeat((120 + 12 * np.sin(x / 5) + 9 * np.cos(y / 7))[..., None], 3, 2).astype(np.uint8)
    for colour, (row, column) in boxes.items():
        image[row : row + 20, column : column + 20] = colour
    return image


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return np.count_nonzero(one & other) / max(1, np.count_nonzero(one | other))


def square(box: Box) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[box[0] : box[0] + 20, box[1] : box[1] + 20] = True
    return mask


def answer_of(logits: np.ndarray, presence_logit: float, score: float = 0.9) -> MaskAnswer:
    """A dense model's answer: a grid of a quarter of the picture, and a raw presence."""
    return MaskAnswer.of_map(DenseMap(logits, 4, SIZE), 1 / (1 + math.exp(-presence_logit)), score)


def said(boxes: Sequence[Box], presence: float = 3.0) -> MaskAnswer:
    """An image model that points at squares."""
    logits = np.full((SIZE[0] // 4, SIZE[1] // 4), -4.0, np.float32)
    for row, column in boxes:
        logits[row // 4 : row // 4 + 5, column // 4 : column // 4 + 5] = 4.0
    return answer_of(logits, presence)


@pytest.fixture
def tracker() -> MemoryTracker:
    return MemoryTracker()


def follow(
    tracker: MemoryTracker,
    images: Sequence[np.ndarray],
    answers: Sequence[MaskAnswer | None],
    state: MemoryState | None = None,
) -> tuple[list[FrameResult], MemoryState]:
    state = tracker.start(0) if state is None else state
    results: list[FrameResult] = []
    before = None
    for index, (image, answer) in enumerate(zip(images, answers, strict=True)):
        view = view_of(Frame(index, index / 10, image), before)
        result, state = tracker.step(view, answer, state)
        results += [] if result is None else [result]
        before = view.picture
    return results, state


def moving(count: int) -> tuple[list[np.ndarray], list[Box]]:
    """Red moves to the right by 2 px a frame, green stands below."""
    boxes = [(4, 8 + 2 * t) for t in range(count)]
    return [picture({RED: box, GREEN: (40, 60)}) for box in boxes], boxes


def test_a_moving_object_is_followed_and_keeps_its_id(tracker: MemoryTracker) -> None:
    images, boxes = moving(12)
    results, state = follow(tracker, images, [said([box]) for box in boxes])
    overlaps = [overlap(result.mask, square(box)) for result, box in zip(results, boxes, strict=True)]
    assert min(overlaps[1:]) > 0.8
    assert [track.id for track in state.tracks] == [1] and all(set(r.track_masks) == {1} for r in results)


def test_one_word_for_a_look_alike_does_not_move_the_mask(tracker: MemoryTracker) -> None:
    images, boxes = moving(10)
    words = [said([box]) for box in boxes]
    words[6] = said([(40, 60)])
    results, _ = follow(tracker, images, words)
    assert overlap(results[6].mask, square(boxes[6])) > 0.7 and overlap(results[6].mask, square((40, 60))) == 0
    assert overlap(results[9].mask, square(boxes[9])) > 0.7


def test_the_words_win_when_they_insist(tracker: MemoryTracker) -> None:
    images, boxes = moving(24)
    words = [said([box]) for box in boxes[:4]] + [said([(40, 60)])] * 20
    results, _ = follow(tracker, images, words)
    assert overlap(results[3].mask, square(boxes[3])) > 0.7
    assert overlap(results[-1].mask, square((40, 60))) > 0.7


def test_frames_that_were_not_decoded_are_carried(tracker: MemoryTracker) -> None:
    images, boxes = moving(12)
    results, _ = follow(tracker, images, [said([box]) if t % 4 == 0 else None for t, box in enumerate(boxes)])
    assert min(overlap(r.mask, square(b)) for r, b in zip(results[1:], boxes[1:], strict=True)) > 0.6


def test_several_objects_of_one_expression_are_tracks_apart(tracker: MemoryTracker) -> None:
    images, boxes = moving(8)
    results, state = follow(tracker, images, [said([box, (40, 60)]) for box in boxes])
    assert len(state.tracks) == 2 and set(results[-1].track_masks) == {1, 2}
    assert overlap(results[-1].mask, square(boxes[-1]) | square((40, 60))) > 0.7


def test_no_mask_when_the_target_is_said_to_be_absent(tracker: MemoryTracker) -> None:
    images, boxes = moving(12)
    results, _ = follow(tracker, images, [said([box], presence=3.0 if t < 6 else -6.0) for t, box in enumerate(boxes)])
    assert results[5].present and results[5].presence > 0.5
    assert not results[-1].present and results[-1].presence < 0.5
    assert not any(r.present for r in follow(tracker, images, [said([], presence=-6.0)] * 12)[0])


def test_an_object_that_left_is_not_shown(tracker: MemoryTracker) -> None:
    images, boxes = moving(6)
    empty = picture({GREEN: (40, 60)})
    results, _ = follow(tracker, [*images, *[empty] * 10], [*[said([b]) for b in boxes], *[said([], 0.5)] * 10])
    assert results[5].present and not results[-1].present


def test_a_snapshot_goes_on_to_the_bit_and_others_are_refused(tracker: MemoryTracker) -> None:
    images, boxes = moving(9)
    words = [said([box, (40, 60)]) for box in boxes]
    _, state = follow(tracker, images[:5], words[:5])
    data = to_bytes(state)
    again = from_bytes(MemoryState, data)
    assert to_bytes(again) == data
    one, other = (follow(tracker, images[5:], words[5:], s)[0] for s in (state, again))
    assert all(np.array_equal(a.mask, b.mask) and a.presence == b.presence for a, b in zip(one, other, strict=True))
    for bad in (b"", data[:-1], b"nothing"):
        with pytest.raises(ValueError, match="damaged"):
            from_bytes(MemoryState, bad)


def test_a_late_choice_gives_the_same_frames_later(tracker: MemoryTracker) -> None:
    images, boxes = moving(10)
    words = [said([box]) for box in boxes]
    late = MemoryTracker(MemoryConfig(lookahead=3))
    state, results = late.start(0), []
    for index, (image, answer) in enumerate(zip(images, words, strict=True)):
        view = view_of(Frame(index, index / 10, image), None if index == 0 else images[index - 1])
        result, state = late.step(view, answer, state)
        assert (result is None) == (index < 3)
        results += [] if result is None else [result]
        if index == 5:
            state = from_bytes(MemoryState, to_bytes(state))
    results += late.finish(state)
    at_once, _ = follow(tracker, images, words)
    assert [r.frame_index for r in results] == list(range(10))
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(results, at_once, strict=True))


def test_a_frame_is_judged_by_the_presence_of_those_that_follow(tracker: MemoryTracker) -> None:
    images, boxes = moving(14)
    words = [said([box], presence=-6.0 if t == 6 else 4.0) for t, box in enumerate(boxes)]
    words[0] = said([boxes[0]], presence=-3.0)
    late = MemoryTracker(MemoryConfig(lookahead=6))
    results, state = follow(late, images, words)
    results += late.finish(state)
    at_once, _ = follow(tracker, images, words)
    assert not at_once[0].present and results[0].present and results[6].presence > at_once[6].presence


def test_a_second_look_knows_the_object_from_its_first_frame(tracker: MemoryTracker) -> None:
    images, boxes = moving(10)
    words = [said([(40, 60)], presence=0.0), *[said([box], presence=4.0) for box in boxes[1:]]]
    first, state = follow(tracker, images, words)
    assert overlap(first[0].mask, square((40, 60))) > 0.7
    second, after = follow(tracker, images, words, tracker.again(state))
    assert overlap(second[-1].mask, square(boxes[-1])) > 0.7 and set(second[-1].track_masks) == set(
        first[-1].track_masks
    )
    assert after.next_id == state.next_id


def test_nothing_lies_anywhere_across_a_cut(tracker: MemoryTracker) -> None:
    images, boxes = moving(6)
    _, state = follow(tracker, images, [said([box]) for box in boxes])
    elsewhere = replace(view_of(Frame(6, 0.6, picture({RED: (40, 8)})), images[-1]), cut=True)
    result, after = tracker.step(elsewhere, said([(40, 8)]), state)
    assert result is not None and set(result.track_masks) == {1}, "known by its appearance"
    assert overlap(result.mask, square((40, 8))) > 0.7 and after.next_id == state.next_id


def test_a_lost_object_is_asked_for_at_growing_intervals(tracker: MemoryTracker) -> None:
    images, boxes = moving(4)
    _, state = follow(tracker, images, [said([box]) for box in boxes])
    assert not tracker.asks(state)
    nothing = view_of(Frame(4, 0.4, picture({})), images[-1])
    asked = []
    for _ in range(16):
        _, state = tracker.step(replace(nothing, cut=True), None, state)
        asked.append(tracker.asks(state))
    assert [1 + t for t, asks in enumerate(asked) if asks] == [1, 3, 7, 15], "that is after 1, 2, 4 and 8 more"


def test_the_map_does_not_flood_as_confidence_falls(tracker: MemoryTracker) -> None:
    images, boxes = moving(40)
    unsure = answer_of(np.full((16, 24), -0.2, np.float32), 0.5, 0.1)
    words = [said([box]) for box in boxes[:6]] + [unsure] * 34
    results, _ = follow(tracker, images, words)
    assert max(result.mask.mean() for result in results) < 2.5 * square(boxes[0]).mean()


@pytest.mark.parametrize("shape", ["full", "one pixel", "empty"])
def test_masks_of_any_size_are_borne(tracker: MemoryTracker, shape: str) -> None:
    logits = np.full((16, 24), 6.0 if shape == "full" else -6.0, np.float32)
    if shape == "one pixel":
        logits[8, 8] = 6.0
    results, _ = follow(tracker, moving(4)[0], [answer_of(logits, 4.0)] * 4)
    assert all(result.present == (shape == "full") or shape == "one pixel" for result in results)
    assert all(np.isfinite(result.presence) for result in results)


def track_of(support: float = 0.0, weight: float = 0.0) -> Track:
    return Track(1, np.zeros(3, np.float32), support, weight)


def test_belief_is_a_mean_that_begins_at_half() -> None:
    model = BeliefModel(memory=1.0, prior=2.0)
    assert model.of(track_of()) == 0.5
    assert model.of(model.observe(track_of(), 1.0, weight=1.0)) == pytest.approx(2 / 3)
    assert model.of(model.observe(model.observe(track_of(), 1.0, 1.0), 0.0, 1.0)) == 0.5
    assert model.of(model.observe(track_of(), 1.0, 0.1)) < model.of(model.observe(track_of(), 1.0, 1.0))
    fading = BeliefModel(memory=0.5, prior=1.0)
    assert (
        0.5
        < fading.of(fading.fade(fading.observe(track_of(), 1.0, 1.0)))
        < fading.of(fading.observe(track_of(), 1.0, 1.0))
    )


@pytest.mark.parametrize(
    ("beliefs", "meant"),
    [({}, set()), ({1: 0.2}, set()), ({1: 0.9, 2: 0.65, 3: 0.4}, {1, 2}), ({1: 0.4, 2: 0.35}, {1, 2})],
)
def test_those_near_the_most_believed_are_meant(beliefs: dict[int, float], meant: set[int]) -> None:
    assert Choice(least=0.3, lead=0.3).of(beliefs) == meant


def test_presence_is_filtered() -> None:
    model = PresenceModel(trust=0.5, change=0.1, shift=0.0)
    sure = model.step(0.0, 0.95)
    assert sure == pytest.approx(0.5 * log_odds_of(0.95))
    assert 0 < model.step(sure, None) < sure
    assert model.step(sure, 0.5) == model.step(sure, None)
    assert replace(model, shift=1.0).step(0.0, 0.5) == pytest.approx(0.5)
    assert np.isfinite(model.step(100.0, 1.0)) and np.isfinite(model.step(-100.0, 0.0))


def test_presence_before_agrees_with_the_sum_over_all_that_may_have_happened() -> None:
    """Two states, three frames after: every path enumerated by hand."""
    model = PresenceModel(trust=1.0, change=0.2, shift=0.0)
    seen = [0.9, 0.3, 0.6]
    message = 0.0
    for value in reversed(seen):
        message = model.before(message, value)

    def likelihood(state: bool, frames: list[float]) -> float:
        if not frames:
            return 1.0
        return sum(
            (0.2 if nxt != state else 0.8) * (frames[0] if nxt else 1 - frames[0]) * likelihood(nxt, frames[1:])
            for nxt in (True, False)
        )

    assert message == pytest.approx(np.log(likelihood(True, seen) / likelihood(False, seen)))
    assert model.before(0.0, None) == pytest.approx(0.0)


def test_parts_leave_crumbs_out_largest_first() -> None:
    probs = np.zeros((24, 40), np.float32)
    probs[2:12, 2:12], probs[2:10, 20:28], probs[20, 38] = 0.9, 0.9, 0.9
    assert [np.count_nonzero(part) for part in parts_of(probs, 0.4, LinkingConfig())] == [100, 64]
    assert parts_of(np.zeros((4, 4), np.float32), 0.4, LinkingConfig()) == []


def test_a_merged_region_keeps_one_track_and_a_split_brings_the_other_back() -> None:
    """Ids, and the evidence for them, through a merger and a split."""
    image = picture({RED: (4, 8), GREEN: (4, 40)})
    view = view_of(Frame(0, 0.0, image), image)
    red, green = square((4, 8)), square((4, 40))
    belief = BeliefModel(memory=1.0)
    appearances = [appearance_of(view, region) for region in (red, green)]
    tracks = [Track(1, appearances[0], 4.0, 5.0), Track(2, appearances[1], 1.0, 5.0)]
    labels = (red + 2 * green).astype(np.int32)
    merged, lost = link(view, [red | green], labels, tracks, 3, belief, LinkingConfig())
    assert [one.track.id for one in merged] == [1] and [track.id for track in lost] == [2]
    assert merged[0].track.support == pytest.approx(2.5) and merged[0].track.weight == pytest.approx(5.0)
    split, lost = link(
        view, [red, green], np.where(labels > 0, 1, 0), [merged[0].track, *lost], 3, belief, LinkingConfig()
    )
    assert {one.track.id for one in split} == {1, 2} and not lost
    fresh, _ = link(view, [green], np.zeros_like(labels), [], 3, belief, LinkingConfig())
    assert [one.track.id for one in fresh] == [3]
