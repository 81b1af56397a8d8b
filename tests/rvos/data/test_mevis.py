"""MeViS as the writer of its layout makes it: many targets or none, names with gaps, nulls; and small broken trees."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from image_core.geometry.rle import encode_rle
from rvos.data.mevis import Mevis
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.drawing import draw_tracks
from rvos.synthetic.layouts.mevis import expressions_of, write_mevis

SIZE = (72, 128)
VIDEOS = SyntheticVideos("val", 2, SIZE)
WriteJson = Callable[[Path, Any], Path]
WriteImage = Callable[[Path, np.ndarray], Path]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mevis")
    write_mevis(folder, "val", 8, 2, SIZE)
    return folder


def test_truth_is_the_union_of_the_rendered_objects(root: Path) -> None:
    dataset = Mevis.read(root)
    assert (dataset.split, dataset.version, dataset.notes) == (
        "valid_u",
        2,
        ("sentences of version 2, from meta_expressions_v2.json",),
    )
    targets = []
    for index, video in enumerate(dataset.videos):
        described = VIDEOS.describe(index)
        animation, tracks = described.animation, draw_tracks(described.animation, SIZE)
        ids_of = dict(expressions_of(described))
        assert [e.text for e in video.expressions] == list(ids_of)
        for expression in video.expressions[:: 1 if index < 2 else 4]:
            ids = ids_of[expression.text]
            drawn = np.zeros(tracks.shape, bool)
            for object_id in ids:
                drawn |= (tracks == object_id) & animation.visible_of(object_id)[:, None, None]
            assert np.array_equal(np.stack(list(dataset.truth(video, expression))), drawn)
            assert expression.has_target == bool(ids)
        targets += [e.labels["target"] for e in video.expressions]
    assert min(targets.count(name) for name in ("none", "one", "many")) >= 8
    assert max(len(video.expressions) for video in dataset.videos) > 10


def test_frame_names_have_gaps_and_absent_objects_are_null(root: Path) -> None:
    dataset = Mevis.read(root)
    masks = read_json(root / "valid_u/mask_dict.json")
    for video in dataset.videos:
        assert video.frame_names[:6] == ("00000", "00001", "00002", "00003", "00005", "00006")
        assert isinstance(video.source, tuple) and all(path.is_file() for path in video.source)
        assert dataset.truth_files(video) == (root / "valid_u/mask_dict.json",)
        for e in video.expressions:
            assert all(len(masks[i]) == len(video.frame_names) for i in e.object_ids)
    assert sum(None in row for row in masks.values()) >= 3
    assert len({i for v in dataset.videos for e in v.expressions for i in e.object_ids}) == len(masks)


def test_the_first_version_has_the_same_expressions_but_those_about_nothing(root: Path, tmp_path: Path) -> None:
    second = Mevis.read(root)
    shutil.copytree(root / "valid_u", tmp_path / "valid_u", ignore=shutil.ignore_patterns("*_v2.json", "JPEGImages"))
    first = Mevis.read(tmp_path)
    assert (first.version, first.notes) == (1, ())
    for old, new in zip(first.videos, second.videos, strict=True):
        assert list(old.expressions) == [e for e in new.expressions if e.has_target]


FULL = encode_rle(np.ones((4, 6), bool))
LEFT = encode_rle(np.arange(24).reshape(4, 6) % 6 < 2)


def tree(root: Path, masks: Any, write_json: WriteJson, split: str = "valid_u") -> Mevis:
    """A video of two frames: expression 0 about annotations 7 and 8, expression 1 about nothing."""
    rows = {
        "0": {"exp": "both", "obj_id": [0, 1], "anno_id": [7, 8]},
        "1": {"exp": "none", "obj_id": [], "anno_id": []},
    }
    videos = {"a": {"expressions": rows, "frames": ["00000", "00007"]}}
    write_json(root / split / "meta_expressions.json", {"videos": videos})
    write_json(root / split / "mask_dict.json", masks)
    return Mevis.read(root, split)


def masks_of(dataset: Mevis, expression: int) -> list[list[list[bool]]]:
    video = dataset.videos[0]
    return [mask.tolist() for mask in dataset.truth(video, video.expressions[expression])]


def test_no_target_is_empty_masks_of_the_known_size(
    tmp_path: Path, write_json: WriteJson, write_image: WriteImage
) -> None:
    left, nothing = [[True, True, *[False] * 4]] * 4, [[False] * 6] * 4
    dataset = tree(tmp_path, {"7": [None, LEFT], "8": [None, None]}, write_json)
    assert masks_of(dataset, 0) == [nothing, left]
    assert masks_of(dataset, 1) == [nothing, nothing]
    silent = tree(tmp_path, {"7": [None, None], "8": [None, None]}, write_json)
    with pytest.raises(DataError, match=r"00000\.jpg: no such file"):
        masks_of(silent, 1)
    write_image(tmp_path / "valid_u/JPEGImages/a/00000.jpg", np.zeros((4, 6, 3), np.uint8))
    assert masks_of(silent, 0) == masks_of(silent, 1) == [nothing, nothing]


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"7": [None, LEFT]}, "expected 2 masks for the annotation '8' of the video 'a', got none"),
        ({"7": [None, LEFT], "8": [None]}, "expected 2 masks for the annotation '8' of the video 'a', got 1"),
        (
            {"7": [None, LEFT], "8": [None, encode_rle(np.ones((6, 4), bool))]},
            r"one size, got \(4, 6\) and",
        ),
        ({"7": [None, LEFT | {"counts": "04"}], "8": [None, None]}, "expected runs that cover 4 x 6 pixels"),
        ({"7": [None, "LEFT"], "8": [None, None]}, "video 'a'"),
        ([FULL], "expected lists of masks by annotation"),
    ],
)
def test_broken_masks_are_reported_in_one_line(tmp_path: Path, write_json: WriteJson, masks: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        masks_of(tree(tmp_path, masks, write_json), 0)
    assert "\n" not in str(caught.value)


def test_the_server_split_has_expressions_and_no_truth(tmp_path: Path, write_json: WriteJson) -> None:
    videos = {"a": {"expressions": {"0": {"exp": "it"}}, "frames": ["00000"]}}
    write_json(tmp_path / "valid/meta_expressions.json", {"videos": videos})
    dataset = Mevis.read(tmp_path, "valid")
    assert dataset.truth_files(dataset.videos[0]) == ()
    assert dataset.videos[0].expressions[0].labels == {}
    with pytest.raises(DataError, match=r"no anno_id in the metadata of 'valid': score .* such as valid_u"):
        masks_of(dataset, 0)
    assert tree(tmp_path, {}, write_json).truth_files(dataset.videos[0])
