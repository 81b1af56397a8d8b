"""Answers that wait for later frames, and videos that are watched twice: the laws of video systems hold there too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rvos.run.recording
from image_core.errors import ConfigError
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.configuration import system_config
from rvos.export.records import to_record
from rvos.parts import tracker_config
from rvos.run.job import Job, run
from rvos.types import Frame
from rvos.watch.stream import process

EXPRESSIONS = ("the red thing", "the green thing")
LATE: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"lookahead": 3}, {}),
    ({"both_ways": True}, {}),
    ({"both_ways": True, "lookahead": 2}, {"key_frames": "every:3", "decode": "key"}),
]


@pytest.fixture(params=LATE, ids=["lookahead", "both ways", "both ways on key frames"])
def late(colour_segmenter: ImageSegmenter, request: pytest.FixtureRequest) -> VideoSegmenter:
    numbers, reading = request.param
    return VideoSegmenter(colour_segmenter, tracker=tracker_config("tracks", **numbers), **reading)


def test_segment_is_stream_and_every_frame_is_answered_once(late: VideoSegmenter, frames: np.ndarray) -> None:
    collected = late.segment(frames, EXPRESSIONS).records
    streamed = [to_record(result) for _, results in late.stream(frames, EXPRESSIONS) for result in results]
    assert collected == streamed
    assert [r.frame_index for r in collected] == [t for t in range(len(frames)) for _ in EXPRESSIONS]
    assert any(record.present for record in collected)


def test_expressions_together_are_expressions_apart(late: VideoSegmenter, frames: np.ndarray) -> None:
    together = late.segment(frames, EXPRESSIONS).records
    for index, expression in enumerate(EXPRESSIONS):
        apart = late.segment(frames, [expression]).records
        assert [replace(record, expression_index=0) for record in together[index::2]] == list(apart)


def test_a_frame_waits_for_the_lookahead(colour_segmenter: ImageSegmenter, frames: np.ndarray) -> None:
    session = VideoSegmenter(colour_segmenter, tracker=tracker_config("tracks", lookahead=3)).session(EXPRESSIONS)
    answered = [session.step(Frame(t, t / 25, image)) for t, image in enumerate(frames)]
    assert session.latency == 3 and [len(results) for results in answered] == [0] * 3 + [2] * (len(frames) - 3)
    assert [results[0].frame_index for results in session.finish()] == [len(frames) - 3 + i for i in range(3)]


def test_a_clip_shorter_than_the_look_ahead_is_answered_at_its_end(late: VideoSegmenter, frames: np.ndarray) -> None:
    assert [r.frame_index for r in late.segment(frames[:1], EXPRESSIONS).records] == [0, 0]


def test_the_second_pass_begins_at_the_beginning_and_knows_more(
    colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    segmenter = VideoSegmenter(colour_segmenter, tracker=tracker_config("tracks", both_ways=True))
    fresh, informed = segmenter.session(EXPRESSIONS), segmenter.session(EXPRESSIONS)
    assert segmenter.first_pass(informed, frames)
    assert informed.frame_count == 0 and informed.snapshot() != fresh.snapshot()
    results = [results for _, results in process(informed, [Frame(t, t / 25, i) for t, i in enumerate(frames)])]
    assert len(results) == len(frames)


@pytest.mark.parametrize(
    ("pairs", "lookahead"),
    [([], 0), (["tracker.lookahead=4"], 4), (["tracker.both_ways=true"], 0),
     (["tracker.both_ways=true", "tracker.lookahead=4"], 4)],
)  # fmt: skip
def test_how_long_an_answer_waits(pairs: list[str], lookahead: int, colour_segmenter: ImageSegmenter) -> None:
    segmenter = VideoSegmenter(colour_segmenter, tracker=system_config(pairs).tracker)
    assert segmenter.session(EXPRESSIONS).latency == lookahead


def test_what_makes_no_sense_is_refused_in_one_line(colour_segmenter: ImageSegmenter) -> None:
    both = ["tracker.both_ways=true", "tracker.lookahead=2"]
    with pytest.raises(ConfigError, match=r"setting of tracker 'lookahead': known.*; unknown setting of tracker 'both"):
        system_config(both[::-1], tracker="none")
    with pytest.raises(ConfigError, match=r"tracker.both_ways: got True with masks.*tracker.lookahead: got 2"):
        system_config(both).check_for_masks()
    with pytest.raises(ConfigError, match=r"tracker.lookahead: expected a whole number, got 'soon'"):
        system_config(["tracker.lookahead=soon"])
    with pytest.raises(ConfigError, match=r"got 'x'.*lookahead: expected 0 or more, got -1"):
        system_config(["tracker.lookahead=-1", "x"])
    segmenter = VideoSegmenter(colour_segmenter, tracker=system_config(both).tracker)
    with pytest.raises(ConfigError, match=r"both_ways: expected false for camera:0"):
        segmenter.first_pass(segmenter.session(EXPRESSIONS), "camera:0")


def both_ways(image: ImageSegmenter) -> VideoSegmenter:
    return VideoSegmenter(image, tracker=tracker_config("tracks", both_ways=True, lookahead=7))


@pytest.fixture
def in_one_go(colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path) -> bytes:
    """The log of a run of 23 frames, made once for all tests."""
    if not _IN_ONE_GO:
        job = Job(str(make_clip(23)), EXPRESSIONS, tmp_path / "whole", ("masks",))
        run(job, both_ways(colour_segmenter))
        _IN_ONE_GO.append((job.out / "frames.jsonl").read_bytes())
    return _IN_ONE_GO[0]


_IN_ONE_GO: list[bytes] = []


@pytest.mark.parametrize("after", [4, 23, 25, 31, 44])
def test_interrupted_and_continued_is_in_one_go(
    after: int,
    in_one_go: bytes,
    colour_segmenter: ImageSegmenter,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frames 1 to 23 are the first pass, 24 to 46 the second; a first pass that was cut short is made anew."""
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)
    parts = Job(str(make_clip(23)), EXPRESSIONS, tmp_path / "parts", ("masks",))
    model, shown = colour_segmenter.model, 0
    original = model.encode_stem

    def encode_stem(images: object) -> object:
        nonlocal shown
        shown += 1
        if shown > after:
            raise KeyboardInterrupt
        return original(images)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(model, "encode_stem", encode_stem)
        run(parts, both_ways(colour_segmenter))
    report = run(parts, both_ways(colour_segmenter))
    assert (parts.out / "frames.jsonl").read_bytes() == in_one_go
    assert report.result["latency"]["frames"] == 7 and report.result["settings"]["tracker"]["both_ways"] is True
