"""Long-RVOS on a small tree: objects that have no image where they are absent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.errors import DataError
from rvos.data import open_dataset
from rvos.data.long_rvos import LongRvos

NAMES = ("00000", "00012", "00024")
MASK = np.array([[0, 255, 255], [0, 255, 0]], np.uint8)


@pytest.fixture
def dataset(tmp_path: Path, write_json: Callable[..., Path], write_image: Callable[..., Path]) -> LongRvos:
    """Object 1 is there on the frame in the middle, object 2 never, object 10 was not unpacked."""
    rows: dict[str, Any] = {
        "0": {"exp": "a dog", "type": "static", "obj_id": "1"},
        "1": {"exp": "a dog that runs", "type": "hybrid", "obj_id": 2},
        "2": {"exp": "running", "type": "dynamic", "obj_id": "10"},
        "3": {"exp": "who knows", "type": "dynamic"},
    }
    listed = {"videos": {"a": {"expressions": rows, "frames": NAMES}}}
    write_json(tmp_path / "valid/meta_expressions.json", listed)
    write_image(tmp_path / "valid/JPEGImages/a/00000.jpg", np.zeros((2, 3, 3), np.uint8))
    write_image(tmp_path / "valid/Annotations/a/1/00012.png", MASK)
    (tmp_path / "valid/Annotations/a/2").mkdir()
    return LongRvos.read(tmp_path)


def test_a_missing_image_means_absent(dataset: LongRvos) -> None:
    video = dataset.videos[0]
    once, never = ([m.tolist() for m in dataset.truth(video, e)] for e in video.expressions[:2])
    nothing = [[False] * 3] * 2
    assert once == [nothing, [[False, True, True], [False, True, False]], nothing]
    assert never == [nothing] * 3


def test_expressions_have_their_type(dataset: LongRvos) -> None:
    assert open_dataset("long-rvos", dataset.root) == dataset
    video = dataset.videos[0]
    assert [e.labels["type"] for e in video.expressions] == ["static", "hybrid", "dynamic", "dynamic"]
    assert [path.name for path in dataset.truth_files(video)] == ["1", "2", "10"]


def test_no_truth_is_reported_in_one_line(dataset: LongRvos) -> None:
    video = dataset.videos[0]
    assert LongRvos(dataset.root / "elsewhere", dataset.split, dataset.videos).truth_files(video) == ()
    for expression, words in zip(
        video.expressions[2:], ("10: no such folder of annotations", "no obj_id"), strict=True
    ):
        with pytest.raises(DataError, match=words):
            next(iter(dataset.truth(video, expression)))


def test_an_object_cannot_leave_its_folder(tmp_path: Path, write_json: Callable[..., Path]) -> None:
    rows = {"0": {"exp": "a dog", "obj_id": "../b"}}
    write_json(tmp_path / "test/meta_expressions.json", {"videos": {"a": {"expressions": rows, "frames": ["0"]}}})
    with pytest.raises(DataError, match=r"object: expected an id that can be a file name, got '\.\./b'"):
        LongRvos.read(tmp_path, "test")
