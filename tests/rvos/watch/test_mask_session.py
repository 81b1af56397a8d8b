"""Objects followed from masks: when they begin, whose pixels are whose, and that nothing is shared or lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.errors import DataError
from image_core.geometry.rle import decode_rle
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.records import to_record
from rvos.segmenter import stream_masks, track
from rvos.tracking.carrying.object_tracker import ObjectGuess, ObjectTracker, ObjectTrackerConfig
from rvos.types import Frame, FrameResult, OutputError, VideoError
from rvos.view.frame_view import View
from rvos.watch.mask_session import MaskSession
from rvos.watch.prompts import prompts_of, read_prompts

SIZE = (48, 80)
RED, GREEN = 3, 7


def ids_at(index: int, *objects: int) -> np.ndarray:
    """The true ids on frame `index` of the fixture `frames`: the red square is object 3, the green one object 7."""
    ids = np.zeros(SIZE, np.uint8)
    if RED in objects:
        ids[6:22, 2 + index : 18 + index] = RED
    if GREEN in objects:
        ids[28:44, 50:70] = GREEN
    return ids


def frames_of(images: np.ndarray) -> list[Frame]:
    return [Frame(index, index / 25, image) for index, image in enumerate(images)]


@dataclass(frozen=True)
class Still:
    """Where the object was marked last, at frame size, and how often and how it was looked at."""

    probs: np.ndarray
    seen: int = 0


class StillTracker(ObjectTracker):
    """Says that every object stays where it was marked, one pixel larger on each side; the later the less sure."""

    state_type = Still

    def __init__(self) -> None:
        super().__init__()
        self.renewed = 0

    def begin(self, view: View, mask: np.ndarray) -> Any:
        return Still(mask.astype(np.float32))

    def predict(self, view: View, state: Any) -> ObjectGuess:
        grown = cv2.dilate(state.probs, np.ones((3, 3), np.uint8))
        return ObjectGuess(grown, 0.9 - state.seen / 100)

    def update(self, view: View, state: Any, guess: ObjectGuess) -> Any:
        return replace(state, seen=state.seen + 1)

    def renew(self, view: View, state: Any, mask: np.ndarray) -> Any:
        self.renewed += 1
        return Still(mask.astype(np.float32), state.seen)

    def mask(self, view: View, guess: ObjectGuess) -> np.ndarray:
        return guess.probs > 0.4


def same(one: FrameResult, other: FrameResult) -> bool:
    plain = ("frame_index", "time_s", "score", "presence", "object_id", "expression_index")
    return np.array_equal(one.mask, other.mask) and all(getattr(one, k) == getattr(other, k) for k in plain)


def session_of(masks: Mapping[int, np.ndarray], tracker: ObjectTracker | None = None) -> MaskSession:
    return MaskSession(prompts_of(masks), tracker)


def test_an_object_is_absent_until_its_first_mask_and_there_to_the_pixel(frames: np.ndarray) -> None:
    session = session_of({2: ids_at(2, RED), 5: ids_at(5, GREEN)}, StillTracker())
    assert [target.name for target in session.targets] == ["object 3", "object 7"]
    results = [session.step(frame) for frame in frames_of(frames)]
    assert [[r.present for r in both] for both in results] == [[False] * 2] * 2 + [[True, False]] * 3 + [[True] * 2] * 7
    assert [r.object_id for r in results[0]] == [RED, GREEN] and (results[1][0].score, results[1][0].presence) == (0, 0)
    np.testing.assert_array_equal(results[2][0].mask, ids_at(2, RED) == RED)
    np.testing.assert_array_equal(results[5][1].mask, ids_at(5, GREEN) == GREEN)
    assert (results[2][0].score, results[2][0].presence) == (1.0, 1.0) and session.finish() == []
    np.testing.assert_array_equal(results[3][0].mask[5:23, 3:21], True)
    assert results[3][0].mask.sum() == 18 * 18 and results[3][0].score == pytest.approx(0.9)


def test_a_further_mask_of_an_object_is_a_further_anchor(frames: np.ndarray) -> None:
    tracker = StillTracker()
    session = session_of({0: ids_at(0, RED), 6: ids_at(6, RED)}, tracker)
    results = [session.step(frame)[0] for frame in frames_of(frames)]
    assert tracker.renewed == 1
    np.testing.assert_array_equal(results[6].mask, ids_at(6, RED) == RED)
    assert results[7].mask[5:23, 7:25].all() and not results[7].mask[:, :7].any()


def test_no_pixel_belongs_to_two_objects_and_what_is_given_keeps_its_own(frames: np.ndarray) -> None:
    left, right, given = np.zeros((3, *SIZE), np.uint8)
    left[10:20, 10:20], right[10:20, 20:30], given[10:20, 19:23] = 1, 2, 3
    session = session_of({0: left | right, 1: given}, StillTracker())
    one, two, three = (session.step(frame) for frame in frames_of(frames)[:3])
    for results in (one, two, three):
        assert np.sum([r.mask for r in results], axis=0).max() == 1
    np.testing.assert_array_equal(two[2].mask, given == 3)
    assert two[0].mask[10, 18] and not two[0].mask[10, 19] and not two[1].mask[10, 22] and two[1].mask[10, 23]


def test_the_frame_has_the_size_of_the_masks(frames: np.ndarray) -> None:
    session = session_of({0: ids_at(0, RED)[:, :79]}, StillTracker())
    with pytest.raises(DataError, match=r"expected the video's 48 x 80 px.*got 48 x 79 px"):
        session.step(frames_of(frames)[0])


def test_two_sessions_in_turns_share_nothing(frames: np.ndarray) -> None:
    tracker, images = ObjectTracker(), frames_of(frames)
    masks = {0: ids_at(0, RED, GREEN)}, {11: ids_at(11, RED), 9: ids_at(9, RED)}
    orders = images, images[::-1]
    alone = [
        [session.step(frame) for frame in order]
        for session, order in zip([session_of(m, tracker) for m in masks], orders, strict=True)
    ]
    together = [session_of(m, tracker) for m in masks]
    for position in range(len(images)):
        for session, order, wanted in zip(together, orders, alone, strict=True):
            assert all(map(same, session.step(order[position]), wanted[position]))


@pytest.mark.parametrize("kind", [StillTracker, ObjectTracker])
@pytest.mark.parametrize("at", [0, 1, 4, 9])
def test_a_snapshot_continues_where_it_was_taken(at: int, kind: type[ObjectTracker], frames: np.ndarray) -> None:
    def make() -> MaskSession:
        return session_of({0: ids_at(0, RED), 4: ids_at(4, GREEN), 6: ids_at(6, RED)}, kind())

    whole, first, second, images = make(), make(), make(), frames_of(frames)
    wanted = [whole.step(frame) for frame in images]
    for frame in images[:at]:
        first.step(frame)
    second.restore(first.snapshot())
    assert second.frame_count == at and second.snapshot() == first.snapshot()
    for frame, expected in zip(images[at:], wanted[at:], strict=True):
        assert all(map(same, second.step(frame), expected))


def test_a_damaged_or_foreign_snapshot_is_refused_and_changes_nothing(frames: np.ndarray) -> None:
    session = session_of({0: ids_at(0, RED)})
    session.step(frames_of(frames)[0])
    good = session.snapshot()
    other_numbers = session_of({0: ids_at(0, RED)}, ObjectTracker(ObjectTrackerConfig(head_weight=7.0)))
    for data, words in (
        (good[:-1], "damaged"),
        (b"", "damaged"),
        (session_of({0: ids_at(0, GREEN)}).snapshot(), "expected one with prompts"),
        (session_of({1: ids_at(0, RED)}).snapshot(), "expected one with prompts"),
        (other_numbers.snapshot(), "expected one with tracker .*8.0.*, got .*7.0"),
    ):
        with pytest.raises(OutputError, match=words):
            session.restore(data)
    assert session.snapshot() == good


def test_a_frame_that_fails_is_not_remembered(frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    session, images = session_of({0: ids_at(0, RED), 1: ids_at(1, GREEN)}), frames_of(frames)
    session.step(images[0])
    before = session.snapshot()
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(ObjectTracker, "update", lambda *_: (_ for _ in ()).throw(MemoryError()))
        session.step(images[1])
    assert session.snapshot() == before


@pytest.mark.parametrize("fill", ["full", "one pixel", "two objects of one pixel"])
def test_masks_of_any_kind_are_followed(fill: str, frames: np.ndarray) -> None:
    ids = np.zeros(SIZE, np.uint8)
    if fill == "full":
        ids[:] = 254
    ids[10, 10] = 254
    if fill.startswith("two"):
        ids[40, 60] = 1
    for results in map(session_of({0: ids}).step, frames_of(frames)):
        for result in results:
            assert result.mask.shape == SIZE and 0 <= result.score <= 1 and 0 <= result.presence <= 1


def test_the_real_tracker_follows_what_moves_and_what_stays(frames: np.ndarray) -> None:
    session = session_of({0: ids_at(0, RED, GREEN)})
    for index, frame in enumerate(frames_of(frames[:9])):
        for result, name in zip(session.step(frame), (RED, GREEN), strict=True):
            true = ids_at(index, name) == name
            assert (result.mask & true).sum() / (result.mask | true).sum() > 0.6, (index, name)


def test_track_is_stream_masks_is_step_by_step_without_a_model(
    frames: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageSegmenter, "load", lambda *_: pytest.fail("the model was loaded"))
    for index, image in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{index}.png"), image[..., ::-1])
    masks = {0: ids_at(0, RED), 4: ids_at(4, GREEN)}
    tracked = track(tmp_path, masks)
    session = session_of(masks)
    stepped = [to_record(result) for frame in frames_of(frames) for result in session.step(frame)]
    streamed = [to_record(result) for _, results in stream_masks(frames, masks) for result in results]
    assert tracked.records == streamed == stepped
    assert tracked.targets == session.targets and tracked.frame_count == 12
    assert tracked.record(4, 1).object_id == GREEN and not tracked.record(3, 1).present
    np.testing.assert_array_equal(decode_rle(tracked.record(4, 1).rle), masks[4] == GREEN)


def test_a_video_segmenter_tracks_with_its_settings(colour_segmenter: ImageSegmenter, frames: np.ndarray) -> None:
    segmenter = VideoSegmenter(colour_segmenter, sampling="stride:4")
    masks = {0: ids_at(0, RED), 4: ids_at(4, RED)}
    assert [frame.index for frame, _ in segmenter.stream_masks(frames, masks)] == [0, 4, 8]
    result = segmenter.track(frames, masks)
    assert [record.frame_index for record in result.records] == [0, 4, 8]
    assert decode_rle(result.record(1).rle).sum() == 16 * 16 and not colour_segmenter.model.calls  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("masks", "settings", "kind", "words"),
    [
        ({12: ids_at(0, RED)}, {}, VideoError, "frames 0 to 11, the last one, got one for frame 12"),
        (
            {3: ids_at(0, RED)},
            {"sampling": "stride:4"},
            VideoError,
            "frames that the sampling keeps, got one for frame 3",
        ),
        ({0: ids_at(0, RED).T}, {}, DataError, "got 80 x 48 px"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    masks: dict[int, np.ndarray], settings: dict[str, Any], kind: type[Exception], words: str, frames: np.ndarray
) -> None:
    with pytest.raises(kind, match=words):
        track(frames, masks, **settings)


def test_masks_are_checked_before_the_first_frame_is_asked_for(frames: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected a mask with pixels above 0"):
        stream_masks(frames, {0: np.zeros(SIZE, bool)})


@pytest.mark.shared
def test_a_real_dog_is_followed_from_its_first_mask(shared_dir: Path) -> None:
    clip = shared_dir / "clips/masked/dog"
    session = MaskSession(read_prompts([f"0={clip / 'masks/00000.png'}"]))
    for index in range(4):
        image = cv2.imread(str(clip / f"frames/{index:05d}.jpg"))
        assert image is not None
        (result,) = session.step(Frame(index, index / 25, np.ascontiguousarray(image[..., ::-1])))
        true = cv2.imread(str(clip / f"masks/{index:05d}.png"), cv2.IMREAD_GRAYSCALE)
        assert true is not None
        overlap = (result.mask & (true > 0)).sum() / (result.mask | (true > 0)).sum()
        assert overlap == 1.0 if index == 0 else overlap > 0.75, index
