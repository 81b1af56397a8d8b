"""`result.json`: the summary of expressions and of objects, without a figure that a rerun would change."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvos.export.report import Summary, result_document
from rvos.run.folder import RunDirectory
from rvos.types import FrameResult, VideoInfo, expression_targets, object_targets

SETTINGS: dict[str, Any] = {"expressions": ["the dog", "the cat"], "model": "s2rm", "sampling": "all"}
TARGETS = expression_targets(SETTINGS["expressions"])


def results_at(index: int) -> list[FrameResult]:
    """On even frames half of the pixels, on odd frames none."""
    rng = np.random.default_rng(index)
    masks = rng.random((2, 20, 30)) > (0.5, 2.0)[index % 2]
    return [FrameResult(index, index / 25, e, masks[e], rng.random(), rng.random()) for e in range(2)]


def append(run: RunDirectory, first: int, stop: int) -> None:
    for t in range(first, stop):
        run.append(results_at(t))


def test_the_result_has_no_figure_that_a_rerun_would_change(tmp_path: Path) -> None:
    info = VideoInfo("clip.mp4", (20, 30), rate=25.0, frame_count=4)
    documents = []
    for name in ("one", "two"):
        summary = Summary(TARGETS)
        with RunDirectory(tmp_path / name, SETTINGS, TARGETS) as run:
            for t in range(2):
                summary.add(run.append(results_at(t)))
            if name == "two":  # what was logged is added up from the log
                run.save_snapshot(2, b"")
        if name == "two":
            summary = Summary(TARGETS)
        with RunDirectory(tmp_path / name, SETTINGS, TARGETS) as run:
            if name == "two":
                for records in run.frames():
                    summary.add(records)
            else:
                append(run, 0, 2)
            for t in range(2, 4):
                summary.add(run.append(results_at(t)))
            run.finish(result_document(info, SETTINGS, TARGETS, ["dog"], summary), {"total_s": time.time()})
        documents.append((tmp_path / name / "result.json").read_bytes())
    assert documents[0] == documents[1]
    document = json.loads(documents[0])
    keys = ["format_version", "video", "settings", "expressions", "unseen_words", "summary"]
    assert list(document) == keys
    assert document["video"] == {**asdict(info), "size": [20, 30]}
    areas = [results_at(t)[0].mask.sum() for t in (0, 2)]
    assert document["summary"]["frames"] == 4
    assert document["summary"]["per_expression"][0]["frames_present"] == 2
    assert document["summary"]["per_expression"][0]["mean_area_px"] == pytest.approx(np.mean(areas))


def test_the_result_of_objects_lists_them_by_id(tmp_path: Path) -> None:
    targets, info = object_targets([3, 7]), VideoInfo("clip.mp4", (20, 30))
    settings: dict[str, Any] = {"prompts": [{"frame_index": 0, "object_ids": [3, 7]}], "sampling": "all"}
    summary = Summary(targets)
    with RunDirectory(tmp_path, settings, targets) as run:
        for t in range(2):
            both = [replace(r, object_id=i) for r, i in zip(results_at(t), (3, 7), strict=True)]
            summary.add(run.append(both))
        with pytest.raises(ValueError, match=r"expected .*\[\(2, 0, 3\), \(2, 1, 7\)\]"):
            run.append(results_at(2))
        run.finish(result_document(info, settings, targets, (), summary), {})
    document = json.loads((tmp_path / "result.json").read_bytes())
    keys = ["format_version", "video", "settings", "expressions", "objects", "unseen_words", "summary"]
    assert list(document) == keys and document["objects"] == [3, 7] and document["expressions"] == []
    (one, two), frames = document["summary"]["per_object"], document["summary"]["frames"]
    assert (one["object_id"], one["frames_present"], two["object_id"], two["frames_present"], frames) == (3, 1, 7, 1, 2)


def test_an_expression_that_is_never_present_has_no_means() -> None:
    (figures,) = Summary(TARGETS[:1]).document()["per_expression"]
    assert figures == {"frames_present": 0, "mean_score": None, "mean_area_px": None}
