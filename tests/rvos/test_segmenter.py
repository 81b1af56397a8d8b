"""The Python door: segment collects stream, stream loops over step, whatever the source is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.errors import ConfigError, RvosError, UnknownNameError
from image_core.geometry.rle import decode_rle
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.records import to_record
from rvos.parts import tracker_config
from rvos.reading.flow import FlowConfig, FlowPropagation
from rvos.reading.key_frames import KeyFrames
from rvos.tracking.tracker import Tracker
from rvos.types import VideoError
from rvos.video.config import VideoConfig
from rvos.video.reader import open_video

EXPRESSIONS = ["the red thing", "the green thing"]


def test_segment_is_stream_is_step_by_step(colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path]) -> None:
    clip, segmenter = make_clip(20), VideoSegmenter(colour_segmenter)
    collected = segmenter.segment(clip, EXPRESSIONS)
    streamed = [to_record(result) for _, results in segmenter.stream(clip, EXPRESSIONS) for result in results]
    session = segmenter.session(EXPRESSIONS)
    with open_video(clip) as video:
        stepped = [to_record(result) for frame in video for result in session.step(frame)]
    assert collected.records == streamed == stepped
    assert collected.frame_count == 20 and collected.info.size == (48, 80)
    assert collected.record(9, 1).present is False and collected.record(8, 1).present is True


def test_an_array_is_a_video_and_a_record_holds_the_mask(colour_segmenter: ImageSegmenter, frames: np.ndarray) -> None:
    result = VideoSegmenter(colour_segmenter, tracker="none").segment(frames, ["the red thing"])
    alone = colour_segmenter.segment(frames[3], ["the red thing"])[0].mask((48, 80))
    np.testing.assert_array_equal(decode_rle(result.record(3).rle), alone)
    assert alone[14, 13] and not alone[40, 13]


@pytest.mark.filterwarnings("error")
def test_writing_into_returned_arrays_raises(colour_segmenter: ImageSegmenter, frames: np.ndarray) -> None:
    masks = {0: np.pad(np.ones((10, 10), bool), ((5, 33), (5, 65)))}
    segmenter = VideoSegmenter(colour_segmenter)
    for stream in (segmenter.stream(frames, EXPRESSIONS), segmenter.stream_masks(frames, masks)):
        for frame, results in stream:
            kept = [result.mask for result in results]
            kept += [mask for result in results for mask in result.track_masks.values()]
            for array in (frame.image, *kept):
                with pytest.raises(ValueError, match="read-only"):
                    array[:5] = 0
            frame.image.copy()[results[0].mask] = 255
    assert frames.flags.writeable and masks[0].flags.writeable


def test_a_folder_is_the_array_of_its_images(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, tmp_path: Path
) -> None:
    for index, image in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{index}.png"), image[..., ::-1])
    segmenter = VideoSegmenter(colour_segmenter)
    assert segmenter.segment(tmp_path, EXPRESSIONS).records == segmenter.segment(frames, EXPRESSIONS).records


def test_a_folder_of_images_has_the_given_rate(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    for index, image in enumerate(frames[:3]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), image[..., ::-1])
    for rate, step_s in ((10.0, 0.1), (None, 0.04)):
        segmenter = VideoSegmenter(colour_segmenter, video=VideoConfig(rate=rate))
        result = segmenter.segment(tmp_path, ["the red thing"])
        assert [record.time_s for record in result.records] == pytest.approx([0, step_s, 2 * step_s])
        assert result.info.rate == rate
    with pytest.raises(VideoError, match=r"clip.mp4': it has its own time stamps, got rate 10.0: leave the rate out"):
        VideoSegmenter(colour_segmenter, video=VideoConfig(rate=10.0)).segment(make_clip(2), ["the red thing"])
    for wrong in (0, -1.0):
        with pytest.raises(ConfigError, match=r"video.rate: expected more than 0 frames per second, got"):
            VideoConfig(rate=wrong)


@pytest.mark.parametrize(
    ("sampling", "indices"), [("all", list(range(12))), ("stride:5", [0, 5, 10]), ("uniform:3", None)]
)
def test_sampling_names_the_frames_that_are_looked_at(
    sampling: str, indices: list[int] | None, colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    segmenter = VideoSegmenter(colour_segmenter, tracker="none", sampling=sampling)
    everything = VideoSegmenter(colour_segmenter, tracker="none").segment(frames, EXPRESSIONS)
    result = segmenter.segment(frames, EXPRESSIONS)
    found = [record.frame_index for record in result.records[::2]]
    assert found == (indices or sorted(set(found))) and len(found) == len(indices or (1, 2, 3))
    assert all(record == everything.record(record.frame_index, record.expression_index) for record in result.records)


def test_a_wrong_name_does_not_wait_for_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageSegmenter, "load", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(UnknownNameError, match="unknown propagation 'nonne': did you mean 'none'"):
        VideoSegmenter(propagation="nonne")
    with pytest.raises(UnknownNameError, match="unknown tracker 'kalman': known are none, tracks"):
        VideoSegmenter(tracker="kalman")


def test_words_the_model_has_never_seen_are_named_once(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    segmenter = VideoSegmenter(colour_segmenter)
    for _ in range(2):
        segmenter.segment(frames[:2], ["the red dog", "a dog"])
    segmenter.segment(frames[:2], ["the red cat and a dog"])
    assert [record.getMessage() for record in caplog.records] == [
        "dog, a: unknown to this model; another may know it: see --model",
        "cat, and: unknown to this model; another may know it: see --model",
    ]


@pytest.mark.parametrize(("expressions", "words"), [([], "no expression"), ([""], "blank"), ("the dog", r"one string")])
def test_expressions_are_checked_before_the_first_frame_is_asked_for(
    expressions: list[str], words: str, colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    with pytest.raises(RvosError, match=words):
        VideoSegmenter(colour_segmenter).stream(frames, expressions)


def test_frames_before_an_error_of_the_source_are_returned_first(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, breaking_folder: Callable[[np.ndarray, int], Path]
) -> None:
    seen = []
    with pytest.raises(VideoError, match=r"007\.png"):
        for frame, _ in VideoSegmenter(colour_segmenter).stream(breaking_folder(frames, 7), EXPRESSIONS):
            seen.append(frame.index)
    assert seen == list(range(7))


def test_a_stream_that_is_left_early_ends_its_threads(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path]
) -> None:
    before = threading.active_count()
    stream = VideoSegmenter(colour_segmenter).stream(make_clip(40), EXPRESSIONS)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)  # nobody waits for the thread that prepares frames
    assert threading.active_count() == before


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"video\.stream: expected 0 or more, got -1"):
        VideoConfig(stream=-1)
    with pytest.raises(UnknownNameError, match="did you mean 'av'"):
        VideoConfig(backend="avi")
    with pytest.raises(ConfigError, match=r"'some'.*; decode: expected every with tracker 'none'"):
        VideoSegmenter(tracker="none", sampling="some", key_frames="every:4", decode="key")


def test_the_model_is_loaded_when_it_is_first_needed_and_once(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    monkeypatch.setattr(ImageSegmenter, "load", lambda name, *_: loads.append(name) or colour_segmenter)
    segmenter = VideoSegmenter("some/model")
    assert segmenter.track(frames, {0: frames[0, ..., 0] > 200}).frame_count == 12 and not loads
    for _ in range(2):
        segmenter.segment(frames[:1], EXPRESSIONS)
    assert loads == ["some/model"]


def test_parts_are_taken_by_name_described_and_as_objects(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, counter: Tracker[Any]
) -> None:
    described = tracker_config("tracks", lookahead=2, meaning={"switch": 2.0})
    late = VideoSegmenter(colour_segmenter, tracker=described)
    assert late.session(EXPRESSIONS).latency == 2
    assert late.document()["tracker"]["name"] == "tracks" and late.document()["tracker"]["meaning"]["switch"] == 2.0
    own = VideoSegmenter(colour_segmenter, FlowPropagation(FlowConfig(32)), counter, key_frames=KeyFrames(3))
    assert own.segment(frames, EXPRESSIONS).record(5).score == 6
    document = own.document()
    assert (document["key_frames"], document["propagation"]) == ("every:3", {"name": "flow", "small_px": 32})
    assert document["tracker"]["name"].endswith("conftest:CountingTracker")


def test_objects_that_cannot_serve_a_video_together_are_refused(
    colour_segmenter: ImageSegmenter, counter: Tracker[Any]
) -> None:
    with pytest.raises(ConfigError, match=r"decode: expected every with tracker '.*CountingTracker'"):
        VideoSegmenter(colour_segmenter, tracker=counter, key_frames="every:4", decode="key")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("key_frames", 4, r"key_frames: expected auto, all, every:K or adaptive:K \(.*\), got 4"),
        ("sampling", 3, "sampling: expected all, stride:K or uniform:N, got 3"),
        ("decode", None, "unknown decode 'None': known are auto, every, key"),
        ("tracker", None, r"tracker: expected a name \(tracks, none\), rvos.parts.tracker_config.*, got NoneType"),
        ("propagation", FlowPropagation, "propagation: expected a name .*, got FlowPropagation"),
        ("video", {"stream": 1}, r"video: expected rvos.video.config.VideoConfig\(\.\.\.\), got dict"),
        ("object_tracker", "memory", r"object_tracker: expected .*ObjectTrackerConfig\(\.\.\.\), got str"),
    ],
)
def test_what_python_hands_in_is_checked(key: str, value: Any, message: str) -> None:
    with pytest.raises(RvosError, match=message):
        VideoSegmenter("s2rm_tiny", **{key: value})
