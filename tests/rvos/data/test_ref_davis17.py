"""Ref-DAVIS17 as the writer of its layout makes it, and what real or broken trees ask of its adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.errors import DataError
from rvos.data import open_dataset
from rvos.data.ref_davis17 import ANNOTATORS, RefDavis17
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.drawing import draw_tracks
from rvos.synthetic.layouts.ref_davis17 import EXPRESSIONS, numbers_of, write_ref_davis17
from rvos.synthetic.layouts.writing import visible_tracks
from rvos.synthetic.phrasing import about_one

SIZE = (72, 128)
VIDEOS = SyntheticVideos("test", 2, SIZE)
WriteJson = Callable[[Path, Any], Path]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("davis")
    write_ref_davis17(folder, "test", 8, 2, SIZE)
    return folder


@pytest.fixture(scope="module")
def dataset(root: Path) -> RefDavis17:
    return RefDavis17.read(root)


def test_the_test_split_of_synth_is_read_by_default(dataset: RefDavis17, root: Path) -> None:
    assert (dataset.split, dataset.notes) == ("valid", ())
    assert [video.video_id for video in dataset.videos] == [f"test_2_{i:05d}" for i in range(8)]
    assert open_dataset("ref-davis17", root) == dataset
    for video in dataset.videos:
        assert video.frame_names == tuple(f"{t:05d}" for t in range(36))
        assert isinstance(video.source, tuple)
        assert all(path.is_file() for path in (*dataset.truth_files(video), *video.source))


def test_each_object_has_an_expression_of_each_annotator(dataset: RefDavis17) -> None:
    assert max(len(video.expressions) for video in dataset.videos) > 10
    for video in dataset.videos:
        ids = [e.expression_id for e in video.expressions]
        assert ids == [str(i) for i in range(len(ids))]
        annotators = dataset.annotators(video)
        for k, expressions in enumerate(annotators):
            assert [int(e.expression_id) for e in expressions] == list(range(k, len(ids), 4))
            assert [e.object_ids for e in expressions] == [(str(i + 1),) for i in range(len(ids) // 4)]
            assert {e.labels["annotator"] for e in expressions} == {ANNOTATORS[k]}
        for said in zip(*annotators, strict=True):
            assert len({e.text for e in said}) == 4


def test_truth_equals_the_rendered_objects(dataset: RefDavis17) -> None:
    gone = 0
    for index, video in enumerate(dataset.videos):
        animation = VIDEOS.describe(index).animation
        tracks = draw_tracks(animation, SIZE)
        drawn = {i: (tracks == i) & animation.visible_of(i)[:, None, None] for i in animation.position}
        numbers = {e.object_ids[0]: e for e in dataset.annotators(video)[0]}
        names = numbers_of(animation, list(about_one(animation, EXPRESSIONS, Random(video.video_id))))
        assert sorted(numbers) == sorted(map(str, names.values()))
        for object_id, number in names.items():
            masks = np.stack(list(dataset.truth(video, numbers[str(number)])))
            assert masks.dtype == np.bool_ and np.array_equal(masks, drawn[object_id])
            gone += not masks.any((1, 2)).all()
    assert gone >= 3


def test_void_is_a_ring_around_objects_and_the_first_frame_counts_them(dataset: RefDavis17) -> None:
    for video in dataset.videos:
        maps = np.stack(list(dataset.id_maps(video)))
        objects = (maps > 0) & (maps < 255)
        assert maps[0][objects[0]].max() == len(video.expressions) // 4
        for ids, shown in zip(maps, objects, strict=True):
            near = cv2.dilate(shown.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            assert np.array_equal(ids == 255, near & ~shown)


def test_what_comes_late_has_a_low_number() -> None:
    animation = VIDEOS.describe(20).animation
    assert [bool(animation.visible_of(i)[0]) for i in range(1, 6)] == [True, True, False, True, False]
    assert numbers_of(animation, [1, 3, 4, 5]) == {3: 1, 5: 2, 1: 3, 4: 4}


def test_objects_with_too_few_visible_pixels_are_not_in_the_truth() -> None:
    animation = VIDEOS.describe(7).animation
    seen = animation.visible_of(1)
    assert seen.any() and not seen.all()
    tracks = visible_tracks(animation, np.ones((36, 2, 3), np.uint8))
    assert tracks.dtype == np.uint8 and np.array_equal(tracks, np.broadcast_to(seen[:, None, None], (36, 2, 3)))


def expressions_of(count: int, order: Callable[[list[str]], list[str]] = list) -> dict[str, Any]:
    """Four expressions for each of `count` objects, as the conversion numbers them, in some order of the file."""
    objects = sorted(str(i) for i in range(1, count + 1))
    rows = {str(4 * i + k): {"exp": f"{o} by {k}", "obj_id": o} for i, o in enumerate(objects) for k in range(4)}
    return {i: rows[i] for i in order(list(rows))}


def listing(root: Path, expressions: dict[str, Any], write_json: WriteJson) -> Path:
    videos = {"a": {"expressions": expressions, "frames": ["00000"]}}
    write_json(root / "meta_expressions/valid/meta_expressions.json", {"videos": videos})
    return root


@pytest.mark.parametrize("order", [list, sorted, lambda ids: ids[::-1]])
def test_eleven_objects_in_any_order_of_the_file(tmp_path: Path, write_json: WriteJson, order: Any) -> None:
    read = RefDavis17.read(listing(tmp_path, expressions_of(11, order), write_json))
    for k, expressions in enumerate(read.annotators(read.videos[0])):
        objects = [e.object_ids[0] for e in expressions]
        assert objects == ["1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]
        assert [e.text for e in expressions] == [f"{o} by {k}" for o in objects]


def test_expressions_that_are_not_four_for_each_object(tmp_path: Path, write_json: WriteJson) -> None:
    read = RefDavis17.read(listing(tmp_path, expressions_of(2, lambda ids: ids[:-1]), write_json))
    with pytest.raises(DataError, match=r"expected the expressions 0, 1, 2, \.\.\., four for each object, got "):
        read.annotators(read.videos[0])
    listing(tmp_path, {"a": {"exp": "it"}}, write_json)
    with pytest.raises(DataError, match="expected a number as expression id, got 'a'"):
        RefDavis17.read(tmp_path)


def test_missing_files_are_reported_in_one_line(tmp_path: Path, write_json: WriteJson) -> None:
    with pytest.raises(DataError, match=r"meta_expressions\.json: no such file"):
        RefDavis17.read(tmp_path)
    (tmp_path / "DAVIS").mkdir()
    with pytest.raises(DataError, match=r"convert it with tools/prepare_ref_davis17\.py"):
        RefDavis17.read(tmp_path)
    read = RefDavis17.read(listing(tmp_path, {"0": {"exp": "it"}, "1": {"exp": "it", "obj_id": "1"}}, write_json))
    first, second = read.videos[0].expressions
    with pytest.raises(DataError, match="expression '0': no obj_id"):
        next(iter(read.truth(read.videos[0], first)))
    with pytest.raises(DataError, match=r"00000\.png: no such annotation"):
        next(iter(read.truth(read.videos[0], second)))
