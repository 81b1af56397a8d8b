"""A small run with awkward masks, in memory and as the folder that `rvos segment` leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from rvos.export.recorded import Recorded
from rvos.export.records import to_record
from rvos.export.report import Summary, result_document
from rvos.run.finished import FinishedRun
from rvos.run.folder import RunDirectory
from rvos.run.job import source_fingerprint
from rvos.types import VideoInfo, VideoResult, expression_targets
from tests.rvos.export.small_run import INDICES, NAMES, SIZE, results_of


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """Five frames, of which the last but one was not watched."""
    records = tuple(to_record(result) for index in INDICES for result in results_of(index))
    return Recorded.of(VideoResult(VideoInfo("films/a film.mp4", SIZE, 10.0, 6), expression_targets(NAMES), records))


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., FinishedRun]:
    """Makes a run of pictures in `tmp_path/frames` in `tmp_path/run`."""

    def make(*, ends: bool = True) -> FinishedRun:
        pictures = tmp_path / "frames"
        pictures.mkdir()
        for index in range(6):
            picture = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            cv2.imwrite(str(pictures / f"{index}.png"), picture)
        video = {"stream": None, "backend": "av", "damage": "stop", "rate": 10.0}
        settings = {
            "source": str(pictures),
            "source_sha256": source_fingerprint(str(pictures)),
            "expressions": list(NAMES),
            "video": video,
            "sampling": "all",
        }
        targets, summary = expression_targets(NAMES), Summary(expression_targets(NAMES))
        with RunDirectory(tmp_path / "run", settings, targets) as directory:
            for index in range(6):
                summary.add(directory.append(results_of(index)))
            if ends:
                info = VideoInfo(str(pictures), SIZE, 10.0, 6)
                directory.finish(result_document(info, settings, targets, [], summary), {})
        return FinishedRun.read(tmp_path / "run")

    return make
