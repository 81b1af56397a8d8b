"""Ref-YouTube-VOS: frames whose truth is disputable, splits that are there or not, the real list of videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from rvos.data import open_dataset
from rvos.data.ref_youtube_vos import RefYoutubeVos
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.layouts.ref_youtube_vos import write_ref_youtube_vos

SIZE = (72, 128)
REAL = "annotations/ref_youtube_vos_valid_test_meta_expressions.json"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("youtube")
    write_ref_youtube_vos(folder, "test", 8, 2, SIZE)
    return folder


def test_the_first_existing_split_is_the_default(root: Path) -> None:
    dataset = open_dataset("ref-youtube-vos", root)
    assert dataset.split == "test"
    assert dataset.notes == ("there is no split 'valid': 'test' is used instead",)
    assert RefYoutubeVos.read(root, "test").notes == ()
    with pytest.raises(DataError, match=r"valid/meta_expressions\.json: no such file"):
        RefYoutubeVos.read(root, "valid")
    with pytest.raises(DataError, match=r"valid/meta_expressions\.json: no such file"):
        RefYoutubeVos.read(root / "test")


def test_truth_leaves_out_disputable_frames(root: Path) -> None:
    dataset, videos = RefYoutubeVos.read(root), SyntheticVideos("test", 2, SIZE)
    left_out = 0
    for index, video in enumerate(dataset.videos):
        sample = videos[index]
        for i, expression in enumerate(video.expressions):
            judged = sample.judged(i)
            if judged.all():
                assert expression.scored is None
            else:
                assert expression.scored == tuple(np.flatnonzero(judged))
                left_out += 1
            masks = np.stack(list(dataset.truth(video, expression)))
            assert np.array_equal(masks, sample.mask(i)[judged])
            assert expression.labels == {"kind": sample.expressions[i].kind, "family": sample.expressions[i].family}
    assert left_out >= 3


def linked(root: Path, shared_dir: Path) -> Path:
    path = root / "meta_expressions/valid/meta_expressions.json"
    path.parent.mkdir(parents=True)
    path.symlink_to((shared_dir / REAL).resolve())
    return root


@pytest.mark.shared
def test_the_real_list(tmp_path: Path, shared_dir: Path) -> None:
    dataset = RefYoutubeVos.read(linked(tmp_path, shared_dir))
    assert len(dataset.videos) == 507
    assert sum(len(video.expressions) for video in dataset.videos) == 2096
    assert sum(len(video.frame_names) for video in dataset.videos) == 13710
    first = dataset.videos[0]
    assert (first.video_id, first.frame_names[1]) == ("0062f687f1", "00005")
    assert first.expressions[3].text == "a white puppy near the rear end of an adult dog"
    assert dataset.truth_files(first) == ()
    with pytest.raises(DataError, match="expression '0': no obj_id in the metadata of 'valid'"):
        next(iter(dataset.truth(first, first.expressions[0])))


@pytest.mark.shared
def test_the_test_videos_of_the_real_list_are_left_out(
    tmp_path: Path, shared_dir: Path, write_json: Callable[[Path, Any], Path]
) -> None:
    root = linked(tmp_path, shared_dir)
    videos = read_json(shared_dir / REAL)["videos"]
    test = dict(list(videos.items())[:305])
    write_json(root / "meta_expressions/test/meta_expressions.json", {"videos": test})
    dataset = RefYoutubeVos.read(root)
    assert len(dataset.videos) == 202 and not {v.video_id for v in dataset.videos} & set(test)
    assert dataset.notes == ("305 of 507 videos are of the test split and left out",)
