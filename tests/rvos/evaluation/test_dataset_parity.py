"""Whole datasets, read by their adapters and scored from disk, against the figures of the reference's own scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rvos.data import open_dataset
from rvos.evaluation.protocols import score_dataset

pytestmark = pytest.mark.shared


def test_parity_mevis_mini_through_the_adapter(shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "parity/metrics/mevis_mini"
    split = tmp_path / "valid_u"
    split.mkdir()
    for name in ("meta_expressions.json", "mask_dict.json"):
        (split / name).symlink_to(folder / name)
    found = score_dataset(open_dataset("mevis", tmp_path), folder / "pred", workers=1)
    printed = json.loads((folder / "printed.json").read_text())
    for name in ("J", "F", "J&F"):
        assert found.figures[name] == pytest.approx(printed[name], abs=1e-6), name
    wanted = json.loads((folder / "per_expression_JF.json").read_text())
    ours = {f"{row.video_id}_{row.expression_id}": row.means for row in found.rows}
    assert ours == {name: pytest.approx(tuple(value), abs=1e-6) for name, value in wanted.items()}
    assert found.figures["missing"] == ["vidmissing/0"] and found.figures["failures"] == []


def test_parity_davis_mini_as_protocol_a(shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "parity/metrics/davis_mini"
    values = json.loads((folder / "values.json").read_text())["unsupervised"]
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid/Annotations").symlink_to(folder / "Annotations_unsupervised/480p")
    videos = {}
    for name in (folder / "ImageSets/2017/val.txt").read_text().split():
        frames = sorted(path.stem for path in (folder / "Annotations_unsupervised/480p" / name).iterdir())
        objects = sum(each.startswith(f"{name}_") for each in values["per_object_frames"])
        rows = {str(i): {"exp": "a thing", "obj_id": str(i // 4 + 1)} for i in range(4 * objects)}
        videos[name] = {"expressions": rows, "frames": frames}
    index = tmp_path / "meta_expressions/valid/meta_expressions.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps({"videos": videos}))
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for k in range(4):
        (predictions / f"anno_{k}").symlink_to(folder / "results")
    found = score_dataset(open_dataset("ref-davis17", tmp_path), predictions, workers=1).figures
    block = found["protocols"]["A"]
    for name in ("J&F", "J", "F", "J-Recall", "F-Recall"):
        wanted = values["global"][name if "-" in name else f"{name}-Mean"]
        assert block[name] == pytest.approx(wanted, abs=1e-6), name
    assert np.allclose(block["annotators"], values["global"]["J&F-Mean"], atol=1e-6)
    assert found["J&F"] == block["J&F"] and "B" not in found["protocols"]
