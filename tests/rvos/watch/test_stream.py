"""Results that come later than their frame: matched, written and continued as if they came at once."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import rvos.run.recording
from image_core.progress import no_progress
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.frame_pngs import PaletteExporter
from rvos.export.records import to_record
from rvos.export.report import Summary, result_document
from rvos.run.folder import RunDirectory
from rvos.run.job import Job, run
from rvos.run.recording import Recording
from rvos.run.run_writer import RunWriter
from rvos.types import Frame, FrameResult, OutputError, Target, VideoError, VideoInfo, VideoResult, expression_targets
from rvos.watch.stream import Results, Session, Stream, process

TARGETS = expression_targets(["bright", "dark"])
INFO = VideoInfo("numbers", (4, 6), 25.0, 23)


class Delayed:
    """Answers `latency` frames late, in the order of the frames; the score tells how many frames it had seen then."""

    both_ways = False

    def __init__(self, latency: int, chunk: int = 1) -> None:
        self.latency = latency
        self.chunk = chunk
        self.targets: tuple[Target, ...] = TARGETS
        self.frame_count = 0
        self._pending: list[tuple[int, np.ndarray]] = []

    def step(self, frame: Frame) -> Results:
        self.frame_count += 1
        self._pending.append((frame.index, frame.image[..., 0] > 127))
        return self._next() if len(self._pending) > self.latency else ()

    def steps(self, frames: Sequence[Frame]) -> list[Results]:
        return [results for frame in frames if (results := self.step(frame))]

    def finish(self) -> list[Results]:
        return [self._next() for _ in range(len(self._pending))]

    def _next(self) -> Results:
        index, bright = self._pending.pop(0)
        seen = self.frame_count / 100
        return tuple(FrameResult(index, index / 25, e, m, seen, 1.0) for e, m in enumerate((bright, ~bright)))

    def snapshot(self) -> bytes:
        return pickle.dumps((self.frame_count, self._pending))

    def restore(self, data: bytes) -> None:
        self.frame_count, self._pending = pickle.loads(data)


def numbers(count: int, first: int = 0) -> Iterator[Frame]:
    for index in range(first, count):
        image = np.random.default_rng(index).integers(0, 256, (4, 6, 3), dtype=np.uint8)
        yield Frame(index, index / 25, image)


def breaking(frames: Iterable[Frame], at: int, error: BaseException) -> Iterator[Frame]:
    for frame in frames:
        if frame.index == at:
            raise error
        yield frame


@pytest.mark.parametrize("latency", [0, 1, 4, 30])
def test_every_frame_meets_its_own_results_as_soon_as_they_are_there(latency: int) -> None:
    session, seen = Delayed(latency), []
    for frame, results in process(session, numbers(23)):
        assert [result.frame_index for result in results] == [frame.index] * 2
        assert session.frame_count == min(frame.index + 1 + latency, 23)
        np.testing.assert_array_equal(results[0].mask, frame.image[..., 0] > 127)
        seen.append(frame.index)
    assert seen == list(range(23))


def test_no_more_frames_wait_than_the_latency() -> None:
    session = Delayed(3)
    stream = Stream(session)
    waiting = []
    for frame in numbers(8):
        stream.step(frame)
        waiting.append(stream.waiting)
    assert waiting == [1, 2, 3, 3, 3, 3, 3, 3]
    assert [frame.index for frame, _ in stream.finish()] == [5, 6, 7] and stream.waiting == 0


def test_frames_before_an_error_are_returned_first() -> None:
    seen = []
    with pytest.raises(VideoError, match="scratched"):
        for frame, _ in process(Delayed(4), breaking(numbers(23), 9, VideoError("scratched"))):
            seen.append(frame.index)
    assert seen == list(range(9))


def test_a_session_that_loses_or_swaps_frames_is_noticed() -> None:
    class Losing(Delayed):
        def finish(self) -> list[Results]:
            return super().finish()[:-1]

    with pytest.raises(ValueError, match="results of all frames when it finished, got none for 1"):
        list(process(Losing(2), numbers(5)))

    class Swapping(Delayed):
        def finish(self) -> list[Results]:
            return super().finish()[::-1]

    with pytest.raises(ValueError, match="expected results of frame 3, got those of 4"):
        list(process(Swapping(2), numbers(5)))


@pytest.mark.parametrize("at", [3, 7, 8])
def test_a_restored_session_is_given_the_frames_again_that_it_has_not_answered(at: int) -> None:
    whole = [results[0].score for _, results in process(Delayed(3), numbers(12))]
    first, second = Delayed(3), Delayed(3)
    stream = Stream(first)
    answered = sum(len(stream.step(frame)) for frame in numbers(at))
    second.restore(first.snapshot())
    stream, found = Stream(second, answered), []
    assert stream.replay_count == at - answered == min(at, 3)
    for frame in numbers(12, first=answered):
        found += [results[0].score for _, results in stream.step(frame)]
    assert stream.replay_count == 0
    assert found + [results[0].score for _, results in stream.finish()] == whole[answered:]


def test_no_results_while_frames_are_repeated() -> None:
    first, second = Delayed(3), Delayed(3)
    for frame in numbers(5):
        first.step(frame)
    second.restore(first.snapshot())
    stream = Stream(second, answered=2)
    assert stream.step(next(numbers(3, first=2))) == [] and stream.finish() == []


def record(out: Path, session: Session, frames: Iterable[Frame]) -> list[int]:
    """A run of `numbers` into `out`; what its progress said."""
    said: list[int] = []
    with RunDirectory(out, {"sampling": "all"}, TARGETS) as directory:
        writer = RunWriter(directory, TARGETS, ())
        recording = Recording(session, writer)
        recording.run(INFO, frames, lambda done, total: said.append(done))
        document = result_document(INFO, {"sampling": "all"}, TARGETS, (), writer.summary, session.latency)
        directory.finish(document, writer.timing(recording.seconds))
    return said


def left_by(out: Path) -> tuple[bytes, bytes]:
    return (out / "frames.jsonl").read_bytes(), (out / "result.json").read_bytes()


@pytest.mark.parametrize(("latency", "chunk"), [(0, 1), (2, 1), (7, 1), (40, 1), (0, 4), (3, 7), (7, 40)])
@pytest.mark.parametrize("breaks", [(3,), (5,), (13, 14), (22, 9, 17), (10, 11, 12)])
def test_interrupted_and_continued_is_in_one_go(
    breaks: tuple[int, ...], latency: int, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)
    assert record(tmp_path / "whole", Delayed(latency, chunk), numbers(23)) == list(range(1, 24))
    for at in breaks:
        with pytest.raises(KeyboardInterrupt):
            record(tmp_path / "parts", Delayed(latency, chunk), breaking(numbers(23), at, KeyboardInterrupt()))
    record(tmp_path / "parts", Delayed(latency, chunk), numbers(23))
    assert left_by(tmp_path / "parts") == left_by(tmp_path / "whole")


@pytest.mark.parametrize("breaks", [(13,), (13, 11), (13, 6), (8, 20)])
def test_where_a_video_breaks_all_frames_before_are_kept_and_the_mended_one_continues(
    breaks: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)
    record(tmp_path / "whole", Delayed(4), numbers(23))
    for at in breaks:
        with pytest.raises(VideoError, match=rf"scratched; the {at} frames before are kept in"):
            record(tmp_path / "parts", Delayed(4), breaking(numbers(23), at, VideoError("scratched")))
    record(tmp_path / "parts", Delayed(4), numbers(23))
    assert left_by(tmp_path / "parts") == left_by(tmp_path / "whole")


@pytest.mark.parametrize("count", [4, 8, 9])
def test_a_video_that_has_become_shorter_is_not_continued(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 10)
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path, Delayed(3), breaking(numbers(23), 14, KeyboardInterrupt()))
    with pytest.raises(OutputError, match=rf"ends after {count} frames, an earlier run has seen 10.*--overwrite"):
        record(tmp_path, Delayed(3), numbers(count))


def test_a_video_whose_frames_have_moved_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path, Delayed(0), breaking(numbers(23), 8, KeyboardInterrupt()))
    with pytest.raises(OutputError, match=r"expected frame 0, as in the log, got 1.*--overwrite"):
        record(tmp_path, Delayed(0), numbers(23, first=1))


def test_an_output_that_cannot_be_left_readable_does_not_hide_why_the_run_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(PaletteExporter):
        def abort(self) -> None:
            raise OutputError("no room left")

    with RunDirectory(tmp_path / "out", {}, TARGETS) as directory, pytest.raises(VideoError, match="scratched"):
        frames = breaking(numbers(23), 3, VideoError("scratched"))
        writer = RunWriter(directory, TARGETS, [Failing(tmp_path / "out/palette")])
        Recording(Delayed(1), writer).run(INFO, frames, no_progress)
    assert "no room left" in caplog.text and len(list((tmp_path / "out/palette").iterdir())) == 3


def test_the_records_of_a_video_come_in_whole_frames() -> None:
    record_of = to_record(Delayed(0).step(next(numbers(1)))[0])
    assert VideoResult(INFO, TARGETS, [record_of] * 4).frame_count == 2
    with pytest.raises(ValueError, match="expected a multiple of 2 records, got 3"):
        VideoResult(INFO, TARGETS, [record_of] * 3)


@pytest.mark.parametrize(
    ("rate", "sampling", "seconds"), [(25.0, "all", 0.16), (None, "all", None), (25.0, "stride:2", None)]
)
def test_the_latency_is_reported_in_frames_and_where_it_is_known_in_seconds(
    rate: float | None, sampling: str, seconds: float | None
) -> None:
    info, settings = VideoInfo("clip.mp4", (4, 6), rate), {"sampling": sampling}
    late = result_document(info, settings, TARGETS, (), Summary(TARGETS), latency=4)
    assert late["latency"] == {"frames": 4, "seconds": seconds}
    assert "latency" not in result_document(info, settings, TARGETS, (), Summary(TARGETS))


def test_a_run_and_the_python_door_take_a_session_that_looks_ahead(
    colour_segmenter: ImageSegmenter,
    frames: np.ndarray,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VideoSegmenter, "session", lambda *_, candidates=False: Delayed(5))
    segmenter = VideoSegmenter(colour_segmenter)
    assert [frame.index for frame, _ in segmenter.stream(frames, ["bright", "dark"])] == list(range(12))
    collected = segmenter.segment(frames, ["bright", "dark"])
    assert collected.frame_count == 12 and [r.frame_index for r in collected.records[::2]] == list(range(12))
    assert [round(100 * r.score) for r in collected.records[::2]] == [6, 7, 8, 9, 10, 11, 12, 12, 12, 12, 12, 12]
    report = run(Job(str(make_clip(9)), ("bright", "dark"), tmp_path / "out", ("masks", "overlay")), segmenter)
    assert report.result["latency"] == {"frames": 5, "seconds": 0.2}
    assert len(list((tmp_path / "out/masks/1").iterdir())) == 9
    assert json.loads((tmp_path / "out/timing.json").read_text())["frames"] == 9
