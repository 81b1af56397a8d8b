"""Units shared out to processes: outcomes come back, and a process that dies takes nothing along."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from image_core.answer import MaskAnswer
from image_core.errors import CheckpointError, ConfigError
from rvos import VideoSegmenter
from rvos.run import rows
from rvos.run.job import Job, Report
from rvos.run.processes import run_in_processes
from rvos.run.rows import Unit
from rvos.types import VideoError


class Nothing:
    """A model that finds nothing, and needs no torch."""

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> Sequence[MaskAnswer]:
        return []


def stand_in(job: Job, segmenter: VideoSegmenter, progress: object) -> Report:
    """What a job does in these tests: it leaves a file, fails or takes its process down."""
    if job.source == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.source == "broken":
        raise VideoError("scratched")
    with (job.out / "runs").open("a") as file:
        file.write("one\n")
    return Report(job.out, {"process": os.getpid()}, {})


def build() -> VideoSegmenter:
    rows.run = stand_in  # in a process of its own
    rows.run_in_one_pass = lambda jobs, segmenter, progress: {0: stand_in(jobs[0], segmenter, progress)}
    return VideoSegmenter(Nothing(), tracker="none")


def unloadable(reason: str) -> VideoSegmenter:
    segmenter = build()

    def load() -> None:
        raise CheckpointError(reason)

    segmenter.system.load = load
    return segmenter


def units_of(tmp_path: Path, *sources: tuple[str, ...]) -> list[Unit]:
    units = []
    for i, each in enumerate(sources):
        jobs = {10 * i + j: Job(source, ("the dog",), tmp_path / f"{i}{j}") for j, source in enumerate(each)}
        units.append(Unit(jobs))
        for job in jobs.values():
            job.out.mkdir()
    return units


def test_a_process_that_dies_takes_nothing_along(tmp_path: Path) -> None:
    units, said = units_of(tmp_path, ("a",), ("b", "killed", "b"), ("broken",), ("c",)), []
    outcomes = list(run_in_processes(units, build, 2, lambda done, what: said.append(done)))
    assert sorted(outcome.row for outcome in outcomes) == [0, 10, 11, 12, 20, 30]
    errors = {outcome.row: outcome.error for outcome in outcomes if outcome.error}
    assert errors == {11: "its process died (signal 9): is there enough memory?", 20: "scratched"}
    assert said == sorted(said) and said[-1] == 6
    # The row that the dying process had told of by then is not run again.
    assert {out.parent.name: out.read_text() for out in tmp_path.glob("*/runs")} == dict.fromkeys(
        ("00", "10", "12", "30"), "one\n"
    )
    assert len({outcome.report.result["process"] for outcome in outcomes if outcome.report}) > 1


def test_a_model_that_cannot_be_loaded_is_reported_once(tmp_path: Path) -> None:
    make = partial(unloadable, "weights: not there")
    with pytest.raises(ConfigError, match=r"^weights: not there$"):
        list(run_in_processes(units_of(tmp_path, ("a",)), make, 1, lambda done, what: None))
