"""Answers that wait for later frames, and videos that are watched twice: the laws of video systems hold there too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rvos.agreement import agreed_parts, check_mask_settings
from rvos.settings import StreamSettings, parse_settings

import rvos.run.recording
from image_core.errors import ConfigError
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.records import to_record
from rvos.run.job import Job, run
from rvos.system import System
from rvos.types import Frame
from rvos.watch.passes import LOOKAHEAD, look_through, lookahead_of
from rvos.watch.stream import watch

EXPRESSIONS = ("the red thing", "the green thing")
LATE = [
    StreamSettings(tracker_lookahead=3),
    StreamSettings(tracker_both_ways="yes"),
    StreamSettings(tracker_both_ways="yes", tracker_lookahead=2, key_frames="every:3", decode="key"),
]


@pytest.fixture(params=LATE, ids=["lookahead", "both ways", "both ways on key frames"])
def settings(request: pytest.FixtureRequest) -> StreamSettings:
    return request.param


@pytest.fixture
def late(colour_segmenter: ImageSegmenter, settings: StreamSettings) -> VideoSegmenter:
    return VideoSegmenter(colour_segmenter, tracker="memory", settings=settings)


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


def test_a_frame_waits_as_long_as_it_is_said_to(colour_segmenter: ImageSegmenter, frames: np.ndarray) -> None:
    session = VideoSegmenter(colour_segmenter, tracker="memory", settings=StreamSettings(tracker_lookahead=3)).session(
        EXPRESSIONS
    )
    answered = [session.step(Frame(t, t / 25, image)) for t, image in enumerate(frames)]
    assert session.latency == 3 and [len(results) for results in answered] == [0] * 3 + [2] * (len(frames) - 3)
    assert [results[0].frame_index for results in session.finish()] == [len(frames) - 3 + i for i in range(3)]


def test_a_clip_shorter_than_the_look_ahead_is_answered_at_its_end(late: VideoSegmenter, frames: np.ndarray) -> None:
    assert [r.frame_index for r in late.segment(frames[:1], EXPRESSIONS).records] == [0, 0]


def test_the_second_pass_begins_at_the_beginning_and_knows_more(
    colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    settings = StreamSettings(tracker_both_ways="yes")
    segmenter = VideoSegmenter(colour_segmenter, tracker="memory", settings=settings)
    fresh, informed = segmenter.session(EXPRESSIONS), segmenter.session(EXPRESSIONS)
    look_through(informed, frames, settings)
    assert informed.frame_count == 0 and informed.snapshot() != fresh.snapshot()
    results = [results for _, results in watch(informed, [Frame(t, t / 25, i) for t, i in enumerate(frames)])]
    assert len(results) == len(frames)


@pytest.mark.parametrize(
    ("pairs", "lookahead"),
    [([], 0), (["tracker.lookahead=4"], 4), (["tracker.both_ways=yes"], LOOKAHEAD),
     (["tracker.both_ways=yes", "tracker.lookahead=4"], 4)],
)  # fmt: skip
def test_how_long_an_answer_waits(pairs: list[str], lookahead: int) -> None:
    assert lookahead_of(parse_settings(pairs)) == lookahead


def test_what_makes_no_sense_is_refused_in_one_line(colour_segmenter: ImageSegmenter) -> None:
    both = StreamSettings(tracker_both_ways="yes", tracker_lookahead=2)
    with pytest.raises(ConfigError, match=r"lookahead: came 2, but tracker 'none'.*both_ways: came yes, but tracker"):
        agreed_parts("none", "none", both)
    with pytest.raises(ConfigError, match=r"tracker.lookahead: came 2 with masks.*tracker.both_ways: came yes"):
        check_mask_settings(both)
    with pytest.raises(ConfigError, match=r"wanted a whole number"):
        parse_settings(["tracker.lookahead=soon"])
    with pytest.raises(ConfigError, match=r"lookahead: came -1"):
        parse_settings(["tracker.lookahead=-1", "x"])
    session = VideoSegmenter(colour_segmenter, tracker="memory").session(EXPRESSIONS)
    with pytest.raises(ConfigError, match=r"both_ways: came yes for camera:0"):
        look_through(session, "camera:0", both)


@pytest.mark.parametrize("after", [4, 23, 25, 31, 44])
def test_interrupted_and_continued_is_in_one_go(
    after: int,
    colour_segmenter: ImageSegmenter,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frames 1 to 23 are the first pass, 24 to 46 the second; a first pass that was cut short is made anew."""
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)
    clip, file = str(make_clip(23)), tmp_path / "colours.safetensors"
    file.write_bytes(b"stands in for a model file")

    def system() -> System:
        settings = StreamSettings(tracker_both_ways="yes", tracker_lookahead=7)
        made = System(model=str(file), tracker="memory", settings=settings)
        made.__dict__["segmenter"] = VideoSegmenter(colour_segmenter, tracker="memory", settings=settings)
        return made

    def logged(folder: Path) -> bytes:
        return (folder / "frames.jsonl").read_bytes()

    run(Job(clip, EXPRESSIONS, tmp_path / "whole", ("masks",)), system())
    parts = Job(clip, EXPRESSIONS, tmp_path / "parts", ("masks",))
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
        run(parts, system())
    shown = -1000
    report = run(parts, system())
    assert logged(tmp_path / "whole") == logged(parts.out)
    assert (
        report.result["latency"]["frames"] == 7 and report.result["settings"]["tracker_settings"]["both_ways"] is True
    )
