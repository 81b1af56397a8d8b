"""The rules of the datasets, on predictions that are made wrong in one place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from image_core.geometry.mask_files import read_mask
from image_core.geometry.rle import encode_rle
from rvos.data import open_dataset
from rvos.data.protocol import ResultsFile
from rvos.evaluation.id_maps import merge_masks
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.protocols import layout_of, score_dataset
from rvos.synthetic.layouts import LAYOUTS

SIZE = (48, 86)


def written(tmp_path: Path, name: str, videos: int = 2) -> Path:
    root = tmp_path / "data"
    LAYOUTS[name].write(root, "val", videos, 0, SIZE, 24)
    return root


def perfect(root: Path, name: str, predictions: Path) -> Path:
    """True masks as predictions, in the layout of the dataset."""
    dataset = open_dataset(name, root)
    layout = layout_of(dataset.rules)
    assert isinstance(layout, MaskTree)
    for video in dataset.videos:
        for expression in video.expressions:
            layout.start(predictions, video, expression)
            for index, mask in enumerate(dataset.truth(video, expression)):
                layout.write(predictions, video, expression, index, mask)
    return predictions


def figures(root: Path, name: str, predictions: Path) -> dict[str, Any]:
    return score_dataset(open_dataset(name, root), predictions, workers=1).figures


def test_mevis_counts_what_is_missing_as_wrong(tmp_path: Path) -> None:
    root = written(tmp_path, "mevis")
    predictions = perfect(root, "mevis", tmp_path / "predictions")
    whole = figures(root, "mevis", predictions)
    assert whole["J&F"] == whole["N-acc"] == whole["T-acc"] == 1.0 and whole["verified"] is False
    dataset = open_dataset("mevis", root)
    pairs = [(video, e) for video in dataset.videos for e in video.expressions]
    meant, absent = ([pair for pair in pairs if pair[1].has_target is kind] for kind in (True, False))
    for video, expression in (meant[0], absent[0]):
        shutil.rmtree(predictions / video.video_id / expression.expression_id)
    found = figures(root, "mevis", predictions)
    assert found["expressions"] == len(meant) and found["J"] == pytest.approx(1 - 1 / len(meant))
    assert found["T-acc"] == pytest.approx(1 - 1 / len(meant))
    assert found["N-acc"] == pytest.approx(1 - 1 / len(absent))


def test_the_first_version_of_mevis_counts_every_expression(tmp_path: Path) -> None:
    root = written(tmp_path, "mevis")
    masks = root / "valid_u/mask_dict.json"
    rows = json.loads(masks.read_text())
    dataset = open_dataset("mevis-v1", root)
    silent = dataset.videos[0].expressions[0].object_ids[0]
    rows[silent] = [None] * len(rows[silent])
    masks.write_text(json.dumps(rows))
    predictions = perfect(root, "mevis-v1", tmp_path / "predictions")
    found = figures(root, "mevis-v1", predictions)
    assert found["verified"] is True and "N-acc" not in found
    # An annotation of nulls is broken truth, not absence: what means it alone is a failure, and counts 0.
    silenced = [e for v in dataset.videos for e in v.expressions if e.object_ids == (silent,)]
    assert silenced and len(found["failures"]) == len(silenced)
    assert all("on some frame of the truth, got it on none" in failure["error"] for failure in found["failures"])
    count = found["expressions"]
    assert count == sum(len(each.expressions) for each in dataset.videos)
    assert found["J"] == pytest.approx(1 - len(silenced) / count)


def test_masks_of_several_objects_in_one_id_map() -> None:
    first = np.array([[1, 1, 0, 0]], bool)
    second = np.array([[0, 1, 1, 0]], bool)
    assert merge_masks([first, second], [0.9, 0.8]).tolist() == [[1, 1, 2, 0]]
    assert merge_masks([first, second], [0.8, 0.9]).tolist() == [[1, 2, 2, 0]]
    assert merge_masks([first, second], [0.5, 0.5]).tolist() == [[1, 1, 2, 0]]
    assert merge_masks([first, second], [0.0, 0.0]).tolist() == [[1, 1, 2, 0]]


def test_davis_breakdowns_stand_under_the_protocol_they_are_of(tmp_path: Path) -> None:
    root = written(tmp_path, "ref_davis17", videos=1)
    found = figures(root, "ref_davis17", perfect(root, "ref_davis17", tmp_path / "predictions"))
    assert "by" not in found and list(found["protocols"]) == ["B"] and found["protocols"]["B"]["by"]["annotator"]


def test_a_video_that_breaks_leaves_no_old_id_map_of_protocol_a(rvos: Callable[..., Any], tmp_path: Path) -> None:
    root, out = written(tmp_path, "ref_davis17", videos=1), tmp_path / "out"
    run = ("evaluate", "ref-davis17", "--root", root, "--out", out, "--tracker", "none", "--device", "cpu", "--quiet")
    assert rvos(*run, "--workers", "1").code == 0 and list((out / "predictions/anno_0").iterdir())
    dataset = open_dataset("ref_davis17", root)
    source = dataset.videos[0].source
    assert isinstance(source, tuple)
    source[3].write_bytes(b"no picture")
    assert rvos(*run, "--workers", "1", "--overwrite").code == 0
    assert not list((out / "predictions/anno_0").iterdir())
    assert json.loads((out / "metrics.json").read_text())["protocols"]["A"]["J&F"] == 0.0


def test_long_rvos_takes_a_missing_expression_for_empty_and_a_missing_video_for_nothing(tmp_path: Path) -> None:
    rows = {}
    for video_id in ("a", "b"):
        for index in range(2):
            for folder in (f"JPEGImages/{video_id}", f"Annotations/{video_id}/1"):
                (tmp_path / "valid" / folder).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(tmp_path / f"valid/JPEGImages/{video_id}/{index}.jpg")
            ids = np.zeros((8, 8), np.uint8)
            ids[2:6, 2:6] = 255 * index  # there on the second frame alone
            Image.fromarray(ids).save(tmp_path / f"valid/Annotations/{video_id}/1/{index}.png")
        said = {str(i): {"exp": "a thing", "obj_id": "1", "type": "static"} for i in range(2)}
        rows[video_id] = {"expressions": said, "frames": ["0", "1"]}
    (tmp_path / "valid/meta_expressions.json").write_text(json.dumps({"videos": rows}))
    predictions = perfect(tmp_path, "long_rvos", tmp_path / "predictions")
    assert figures(tmp_path, "long_rvos", predictions)["tIoU"] == 1.0
    shutil.rmtree(predictions / "a/1")
    found = figures(tmp_path, "long_rvos", predictions)
    assert found["J"] == pytest.approx((1 + 0.5 + 1 + 1) / 4) and found["tIoU"] == pytest.approx(3 / 4)
    shutil.rmtree(predictions / "a/0")
    found = figures(tmp_path, "long_rvos", predictions)
    assert found["J"] == found["tIoU"] == found["vIoU"] == pytest.approx(2 / 4)


def test_one_broken_file_costs_a2d_its_own_samples_alone(tmp_path: Path) -> None:
    root, predictions = written(tmp_path, "a2d_sentences"), tmp_path / "predictions"
    dataset = open_dataset("a2d_sentences", root)
    file = dataset.rules.layout
    assert isinstance(file, ResultsFile)
    rows = []
    for video in dataset.videos:
        for expression in video.expressions:
            for position, mask in zip(expression.scored or (), dataset.truth(video, expression), strict=True):
                name = file.image_id(video, expression, position)
                rows.append({"image_id": name, "category_id": 1, "segmentation": encode_rle(mask), "score": 0.9})
    predictions.mkdir()
    (predictions / "predictions.json").write_text(json.dumps(rows))
    whole = figures(root, "a2d_sentences", predictions)
    assert whole["P@0.9"] == whole["mIoU"] == 1.0 and set(whole["by"]["words"].popitem()[1]) == {
        "IoU", "T-acc_frames", "expressions"
    }  # fmt: skip
    broken = dataset.truth_files(dataset.videos[0])[0]
    touched = sum(f"v_{dataset.videos[0].video_id}_f_{int(broken.stem)}_" in row["image_id"] for row in rows)
    broken.write_bytes(broken.read_bytes()[:100])
    found = figures(root, "a2d_sentences", predictions)
    assert 0 < touched < len(rows) and found["mIoU"] >= 1 - (touched + 3) / len(rows)
    assert found["mIoU"] < 1 and broken.name in found["failures"][0]["error"]


def test_a_true_mask_is_decoded_once_for_all_expressions(
    dataset: Path, truth_tree: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []
    monkeypatch.setattr("rvos.data.base.read_mask", lambda path: decoded.append(path) or read_mask(path))
    found = score_dataset(open_dataset("ref_youtube_vos", dataset), truth_tree(), workers=1)
    assert found.figures["J&F"] == 1.0 and len(found.rows) == 6
    assert len(set(decoded)) == 12 and len(decoded) <= 12 + 1  # one more: whether there is truth at all is asked first
