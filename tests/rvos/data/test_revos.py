"""ReVOS on a small tree: types of expressions, videos whose ids are paths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.errors import DataError
from image_core.geometry.rle import encode_rle
from rvos.data import open_dataset
from rvos.data.revos import Revos

TOP, LEFT = np.zeros((2, 3), bool), np.zeros((2, 3), bool)
TOP[0] = LEFT[:, 0] = True


def write(root: Path, rows: dict[str, Any], write_json: Callable[..., Path], video_id: str = "UVO/all/x") -> Path:
    listed = {"videos": {video_id: {"expressions": rows, "frames": ["00000", "00001"]}}}
    write_json(root / "meta_expressions_valid_.json", listed)
    write_json(root / "mask_dict.json", {"3": [encode_rle(TOP), None], "4": [encode_rle(LEFT), encode_rle(LEFT)]})
    return root


def test_truth_by_type(tmp_path: Path, write_json: Callable[..., Path]) -> None:
    rows = {
        "0": {"exp": "the cat", "type_id": 0, "obj_id": [1], "anno_id": [3]},
        "1": {"exp": "which of them purr?", "type_id": 1, "obj_id": [1, 2], "anno_id": [3, 4]},
        "2": {"exp": "the dog", "type_id": 2, "obj_id": [], "anno_id": []},
    }
    dataset = open_dataset("revos", write(tmp_path, rows, write_json))
    video = dataset.videos[0]
    assert [e.labels["type"] for e in video.expressions] == ["referring", "reasoning", "hallucination"]
    nothing = np.zeros((2, 3), bool)
    for expression, wanted in zip(
        video.expressions, ([TOP, nothing], [TOP | LEFT, LEFT], [nothing, nothing]), strict=True
    ):
        assert np.array_equal(list(dataset.truth(video, expression)), wanted)


def test_ids_that_are_paths_become_names(tmp_path: Path, write_json: Callable[..., Path]) -> None:
    dataset = Revos.read(write(tmp_path, {}, write_json))
    assert dataset.videos[0].video_id == "UVO__all__x"
    assert dataset.videos[0].source == tuple(tmp_path / f"JPEGImages/UVO/all/x/0000{i}.jpg" for i in range(2))
    assert dataset.notes == ("1 ids of videos are paths: a slash is written as '__'",)


@pytest.mark.parametrize("video_id", ["../x", "/x", "a//x", "a/./x"])
def test_an_id_cannot_leave_the_folder(tmp_path: Path, write_json: Callable[..., Path], video_id: str) -> None:
    with pytest.raises(DataError, match=r"expected folder names as the id of a video, got "):
        Revos.read(write(tmp_path, {}, write_json, video_id))


@pytest.mark.parametrize("row", [{"type_id": 0}, {"type_id": 3, "anno_id": []}, {"anno_id": []}])
def test_a_row_of_another_dataset(tmp_path: Path, write_json: Callable[..., Path], row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"expression '0': expected a list as anno_id and 0, 1 or 2 as type_id, got "):
        Revos.read(write(tmp_path, {"0": {"exp": "it"} | row}, write_json))
