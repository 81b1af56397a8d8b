"""`rvos synth`, then `rvos evaluate`, then `rvos score`, for every dataset that synthetic videos are written like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rvos.data import DATASETS
from rvos.synthetic.layouts import LAYOUTS

QUIET = ("--quiet", "--workers", "1")
PUBLISHED = {
    "ref_youtube_vos": ("J&F", "J", "F"),
    "ref_davis17": ("J&F", "J", "F"),
    "mevis": ("J&F", "J", "F", "T-acc"),
    "a2d_sentences": ("P@0.5", "oIoU", "mIoU", "mAP"),
    "jhmdb_sentences": ("P@0.9", "oIoU", "mIoU", "mAP"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_synthetic_dataset_has_a_default_split(rvos: Callable, tmp_path: Path, name: str) -> None:
    root, out, again = tmp_path / "data", tmp_path / "out", tmp_path / "again.json"
    written = rvos(
        "synth", root, "--kind", "videos", "--layout", name, "--count", "2", "--size", "48", "--frames", "24"
    )
    assert written.code == 0
    evaluate = ("evaluate", name, "--root", root, "--out", out, "--tracker", "none", "--device", "cpu", *QUIET)
    assert rvos(*evaluate).code == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["videos"] == 2 and found["failures"] == found["missing"] == []
    assert all(0 <= found[figure] <= 1 for figure in PUBLISHED[name])
    assert (out / "report.html").stat().st_size > 10_000
    where = ("--root", root, "--predictions", out / "predictions", "--out", again)
    assert rvos("score", name, *where, *QUIET).code == 0
    scored = json.loads(again.read_text())
    assert scored == {key: found[key] for key in scored}


def test_every_dataset_has_a_protocol_and_every_figure_a_mark() -> None:
    assert all(adapter.protocols for adapter in DATASETS.values())
    assert set(LAYOUTS) <= set(DATASETS) and set(PUBLISHED) == set(LAYOUTS)
    unverified = [name for name, adapter in DATASETS.items() if not adapter.protocols[0].verified]
    assert unverified == ["ref_youtube_vos", "revos"]


def test_both_davis_protocols_stand_apart(rvos: Callable, tmp_path: Path) -> None:
    root, out, again = tmp_path / "data", tmp_path / "out", tmp_path / "again.json"
    rvos("synth", root, "--kind", "videos", "--layout", "ref-davis17", "--count", "1", "--size", "48", "--frames", "24")
    rvos("evaluate", "ref-davis17", "--root", root, "--out", out, "--tracker", "none", "--device", "cpu", *QUIET)
    blocks = json.loads((out / "metrics.json").read_text())["protocols"]
    assert blocks["A"]["protocol"].startswith("A: ") and blocks["B"]["protocol"].startswith("B: ")
    assert len(blocks["A"]["annotators"]) == 4
    for path in out.glob("predictions/anno_2/*/*.png"):
        path.unlink()
    for folder in out.glob("predictions/anno_2/*"):
        folder.rmdir()
    where = ("--root", root, "--predictions", out / "predictions", "--out", again)
    assert rvos("score", "ref-davis17", *where, *QUIET).code == 0
    found = json.loads(again.read_text())
    assert found["protocols"]["B"] == blocks["B"] and found["protocols"]["A"]["annotators"][2] == 0.0
    assert [row["expression"] for row in found["failures"]] == ["anno_2"]
