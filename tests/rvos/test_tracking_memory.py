"""The tracker `memory`: what words and places say, added up over frames; a table and a handful of stories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.tracking.evidence import Evidence, overlap
from rvos.tracking.memory import MemoryState, MemoryTracker
from rvos.tracking.object_tracker import ObjectGuess
from rvos.tracking.presence import PresenceModel, log_odds_of
from rvos.tracking.track import BeliefModel, Status, Thresholds, Track, said_of, touching
from rvos.types import Frame, FrameResult
from rvos.view import view_of

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


def square(box: Box) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[box[0] : box[0] + 20, box[1] : box[1] + 20] = True
    return mask


def said(boxes: Sequence[Box], presence: float = 3.0) -> tuple[Prediction, ImageFeatures]:
    """An image model that points at squares; its grid is a quarter of the picture."""
    logits = torch.full((1, SIZE[0] // 4, SIZE[1] // 4), -4.0)
    for row, column in boxes:
        logits[0, row // 4 : row // 4 + 5, column // 4 : column // 4 + 5] = 4.0
    prediction = Prediction(logits, torch.tensor([presence]), torch.tensor([0.9]))
    return prediction, ImageFeatures((logits[:, None],), (4,), torch.tensor([SIZE]))


@pytest.fixture
def tracker(colour_segmenter: ImageSegmenter) -> MemoryTracker:
    return MemoryTracker(Postprocessor(colour_segmenter.model, colour_segmenter.preprocessing))


def follow(
    tracker: MemoryTracker,
    images: Sequence[np.ndarray],
    words: Sequence[tuple[Prediction, ImageFeatures] | None],
    state: MemoryState | None = None,
) -> tuple[list[FrameResult], MemoryState]:
    state = tracker.start(0) if state is None else state
    results, before = [], None
    for index, (image, word) in enumerate(zip(images, words, strict=True)):
        view = view_of(Frame(index, index / 10, image), before)
        prediction, features = word or (None, None)
        result, state = tracker.step(view, prediction, features, state)
        results.append(result)
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
    data = tracker.snapshot(state)
    again = tracker.restore(data)
    assert tracker.snapshot(again) == data
    one, other = (follow(tracker, images[5:], words[5:], s)[0] for s in (state, again))
    assert all(np.array_equal(a.mask, b.mask) and a.presence == b.presence for a, b in zip(one, other, strict=True))
    for bad in (b"", data[:-1], b"nothing"):
        with pytest.raises(ValueError, match="damaged"):
            tracker.restore(bad)


@pytest.mark.parametrize(
    ("qualities", "status"),
    [
        ([0.9], Status.PRESENT),
        ([0.3], Status.PRESENT),
        ([0.3, 0.3], Status.UNCERTAIN),
        ([0.3] * 9, Status.UNCERTAIN),
        ([0.1] * 3, Status.UNCERTAIN),
        ([0.1] * 4, Status.ABSENT),
        ([0.1, 0.1, 0.9], Status.PRESENT),
        ([0.1, 0.1, 0.1, 0.5, 0.1], Status.PRESENT),
    ],
)
def test_status_changes_with_patience(qualities: list[float], status: Status, tracker: MemoryTracker) -> None:
    images, boxes = moving(1)
    _, state = follow(tracker, images, [said([boxes[0]])])
    track = state.tracks[0]
    for quality in qualities:
        track = Thresholds().after(track, quality)
    assert track.status is status


def test_belief_is_a_mean_that_begins_at_half(tracker: MemoryTracker) -> None:
    images, boxes = moving(1)
    core = follow(tracker, images, [said([boxes[0]])])[1].tracks[0].core
    model = BeliefModel(memory=1.0, prior=2.0)
    track = Track(1, core, support=0.0, heard=0.0)
    assert model.of(track) == 0.5
    assert model.of(model.hear(track, 1.0)) == pytest.approx(2 / 3)
    assert model.of(model.hear(model.hear(track, 1.0), 0.0)) == 0.5
    fading = BeliefModel(memory=0.5, prior=1.0)
    assert 0.5 < fading.of(fading.forget(model.hear(track, 1.0))) < fading.of(model.hear(track, 1.0))


def test_presence_is_filtered() -> None:
    model = PresenceModel(trust=0.5, change=0.1, shift=0.0)
    sure = model.step(0.0, 0.95)
    assert sure == pytest.approx(0.5 * log_odds_of(0.95))
    assert 0 < model.step(sure, None) < sure
    assert model.step(sure, 0.5) == model.step(sure, None)
    assert replace(model, shift=1.0).step(0.0, 0.5) == pytest.approx(0.5)
    assert np.isfinite(model.step(100.0, 1.0)) and np.isfinite(model.step(-100.0, 0.0))


def test_regions_leave_crumbs_out_and_are_matched_to_places() -> None:
    logits = np.full((24, 40), -3, np.float32)
    logits[2:12, 2:12], logits[2:10, 20:28], logits[20, 38] = 3, 3, 3
    evidence = Evidence(logits, 0.9, 0.8)
    assert [np.count_nonzero(r) for r in evidence.regions] == [100, 64]
    place = np.zeros((24, 40), bool)
    place[2:12, 4:14] = True
    assert np.array_equal(touching(place, evidence), evidence.regions[0])
    assert not touching(np.zeros_like(place), evidence).any()
    guess = ObjectGuess(place.astype(np.float32), 1.0, float(place.mean()))
    assert said_of(guess, evidence) == pytest.approx(float(evidence.probs[place].mean()))
    assert said_of(ObjectGuess(np.zeros((24, 40), np.float32), 0.0, 0.0), evidence) == 0
    assert Evidence(np.full((4, 4), -1, np.float32), 0.1, 0.1).regions == []
