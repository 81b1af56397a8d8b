"""Rows of a list: those of one video are watched together, and each leaves what it leaves by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rvos.run.recording
from image_core.progress import no_progress
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.frame_pngs import MaskExporter
from rvos.run.job import Job, run
from rvos.run.joblist import Row, jobs_of
from rvos.run.rows import Outcome, run_units, split_into_units
from rvos.run.shared_pass import run_in_one_pass
from rvos.types import Frame, OutputError
from rvos.watch.session import StreamSession

EXPRESSIONS = ("the red thing", "the green thing", "the blue thing")
SAVE = ("masks", "contact_sheet", "report")


@pytest.fixture(autouse=True)
def _snapshots_every_five_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)


@pytest.fixture(params=["late, flow", "early, flow", "late, both ways"])
def segmenter(
    request: pytest.FixtureRequest, colour_segmenter: ImageSegmenter, early_segmenter: ImageSegmenter
) -> VideoSegmenter:
    """Systems whose sessions remember much: features of a row for all or a row each, tracks, a first pass."""
    from rvos.parts import tracker_config

    model = early_segmenter if "early" in request.param else colour_segmenter
    if "flow" in request.param:
        return VideoSegmenter(model, "flow", "tracks", key_frames="every:4")
    return VideoSegmenter(model, tracker=tracker_config("tracks", both_ways=True))


def left_by(out: Path) -> dict[str, bytes]:
    """What must be the same to the byte."""
    names = ("frames.jsonl", "result.json", "settings.json", "contact_sheet.png", "report.html", "masks/0/*.png")
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in sorted(out.glob(name))}


def jobs_for(source: Path, out: Path, expressions: Iterable[str] = EXPRESSIONS) -> tuple[list[Row], list[Job]]:
    rows = [Row(str(source), expression) for expression in expressions]
    return rows, jobs_of(rows, out, SAVE, None, False)


def run_all(source: Path, out: Path, segmenter: VideoSegmenter) -> list[Outcome]:
    broken, units = split_into_units(*jobs_for(source, out))
    return [*broken, *run_units(units, segmenter, lambda done, what: None)]


def breaking(session: type[StreamSession], at: int, error: BaseException) -> Callable[..., Any]:
    """Its `steps`, which raise on frame `at`."""
    steps = session.steps

    def broken(self: StreamSession, frames: Sequence[Frame], *given: Any) -> Any:
        if at in [frame.index for frame in frames] and len(self.expressions) > 1:
            raise error
        return steps(self, frames, *given)

    return broken


def alone(source: Path, out: Path, segmenter: VideoSegmenter) -> Iterator[dict[str, bytes]]:
    for job in jobs_for(source, out)[1]:
        run(job, segmenter)
        yield left_by(job.out)


def test_rows_of_one_video_leave_what_each_leaves_by_itself(
    segmenter: VideoSegmenter, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, wanted = make_clip(13), []
    wanted = list(alone(clip, tmp_path / "alone", segmenter))
    assert all(len(left) == 5 + 13 for left in wanted) and len({left["frames.jsonl"] for left in wanted}) == 3

    together = run_all(clip, tmp_path / "together", segmenter)
    assert [outcome.row for outcome in together] == [0, 1, 2] and not any(outcome.error for outcome in together)
    assert [left_by(outcome.job.out) for outcome in together] == wanted

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(StreamSession, "steps", breaking(StreamSession, 8, KeyboardInterrupt()))
        run_all(clip, tmp_path / "stopped", segmenter)
    assert {o.job.out.name: left_by(o.job.out) for o in run_all(clip, tmp_path / "stopped", segmenter)} == {
        f"{row:05d}": left for row, left in enumerate(wanted)
    }


def test_a_snapshot_of_one_of_several_is_that_of_a_session_of_it(segmenter: VideoSegmenter, frames: np.ndarray) -> None:
    together = segmenter.system.session(EXPRESSIONS, apart=True, candidates_of=[1])
    apart = [segmenter.session([expression], candidates=i == 1) for i, expression in enumerate(EXPRESSIONS)]
    for index in range(6):
        frame = Frame(index, index / 25, frames[index])
        for session in (together, *apart):
            session.step(frame)
    assert [together.snapshot_of(i) for i in range(3)] == [session.snapshot() for session in apart]


def test_a_row_whose_disk_fails_takes_nothing_along(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, clip, write = VideoSegmenter(colour_segmenter), make_clip(9), MaskExporter.write
    wanted = list(alone(clip, tmp_path / "alone", segmenter))

    def failing(self: MaskExporter, frame: Frame, results: Any) -> None:
        if frame.index == 4 and "00001" in str(self._folders[0]):
            raise OutputError("no room left")
        write(self, frame, results)

    monkeypatch.setattr(MaskExporter, "write", failing)
    first, second, third = run_all(clip, tmp_path / "out", segmenter)
    assert second.error == "no room left" and not (second.job.out / "result.json").exists()
    assert [left_by(first.job.out), left_by(third.job.out)] == [wanted[0], wanted[2]]


def test_rows_run_separately_if_the_shared_session_fails(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, clip = VideoSegmenter(colour_segmenter), make_clip(9)
    wanted = list(alone(clip, tmp_path / "alone", segmenter))
    monkeypatch.setattr(StreamSession, "steps", breaking(StreamSession, 7, ValueError("31 is not a valid Type")))
    outcomes = run_all(clip, tmp_path / "out", segmenter)
    assert [left_by(outcome.job.out) for outcome in outcomes] == wanted


def test_a_broken_video_breaks_for_every_row_with_its_frames_kept(
    colour_segmenter: ImageSegmenter, breaking_folder: Callable[..., Path], frames: np.ndarray, tmp_path: Path
) -> None:
    folder = breaking_folder(frames, 6)
    for outcome in run_all(folder, tmp_path / "out", VideoSegmenter(colour_segmenter)):
        assert outcome.error and outcome.error.endswith(f"the 6 frames before are kept in {outcome.job.out}")
        assert len((outcome.job.out / "frames.jsonl").read_bytes().splitlines()) == 6


def test_a_row_that_is_in_use_is_refused_alone(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    segmenter, (_, jobs) = VideoSegmenter(colour_segmenter), jobs_for(make_clip(5), tmp_path / "out")
    other = VideoSegmenter(colour_segmenter, sampling="stride:2")
    run(jobs[1], other)
    (tmp_path / "out/00001/result.json").unlink()
    endings = run_in_one_pass(jobs, segmenter, no_progress)
    assert "holds another run" in str(endings[1]) and not isinstance(endings[0], Exception) and len(endings) == 3


def test_how_rows_are_split() -> None:
    rows = [Row("a", "x"), Row("b", "x"), Row("a", "", "an empty cell"), *[Row("a", str(i)) for i in range(8)]]
    rows += [Row("camera:0", "x"), Row("camera:0", "y")]
    broken, units = split_into_units(rows, jobs_of(rows, Path(), SAVE, None, False))
    assert [(outcome.row, outcome.error) for outcome in broken] == [(2, "an empty cell")]
    assert [list(unit.jobs) for unit in units] == [[0, 3, 4, 5, 6, 7, 8, 9], [10], [1], [11], [12]]
