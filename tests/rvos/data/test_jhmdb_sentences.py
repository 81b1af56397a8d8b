"""JHMDB-Sentences: what we write is what is read, what is refused, and the real list of samples at full size."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from image_core.errors import DataError, UnknownNameError
from rvos.data.jhmdb_sentences import JhmdbSentences
from rvos.data.protocol import ResultsFile
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.layouts.jhmdb_sentences import WITHOUT_MASK, write_jhmdb_sentences
from rvos.synthetic.layouts.writing import visible_tracks
from rvos.synthetic.phrasing import about_one

SIZE = (72, 128)
FRAMES = 24
COUNT = 3
LIST = "jhmdb_sentences_samples_metadata.json"


def image_id(*sample: Any) -> str:
    """The name of (video, expression, position) in the file of predictions."""
    layout = JhmdbSentences.protocols[0].layout
    assert isinstance(layout, ResultsFile)
    return layout.image_id(*sample)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jhmdb")
    write_jhmdb_sentences(folder, "test", COUNT, 3, SIZE, FRAMES)
    return folder


def entry(frame: int, expression: str = "a man", length: int = 20) -> list[Any]:
    home = "./jhmdb_sentences"
    return [
        "one",
        f"{home}/Rename_Images/run/one/{frame:05d}.png",
        f"{home}/puppet_mask/run/one/puppet_mask.mat",
        length,
        expression,
    ]


def read(root: Path, entries: Any) -> JhmdbSentences:
    (root / LIST).write_text(json.dumps(entries))
    return JhmdbSentences.read(root)


def write_mat(root: Path, masks: np.ndarray, key: str = "part_mask") -> Path:
    path = root / "puppet_mask/run/one/puppet_mask.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(str(path), {key: masks})
    return path


def test_the_rendered_objects_are_read_back(root: Path) -> None:
    videos = SyntheticVideos("test", 3, SIZE, length=COUNT, frames=FRAMES)
    dataset = JhmdbSentences.read(root)
    assert dataset.split == "test" and len(dataset.videos) == COUNT
    for index, video in enumerate(dataset.videos):
        sample, animation = videos[index], videos.describe(index).animation
        tracks = visible_tracks(animation, sample.tracks)
        said = {expressions[0]: i for i, expressions in about_one(animation, 1, Random(video.video_id)).items()}
        (expression,) = video.expressions
        scored = expression.scored or ()
        assert video.video_id == sample.video_id and len(scored) == 3
        for position, mask in zip(scored, dataset.truth(video, expression), strict=True):
            assert mask.dtype == np.bool_ and mask.any()
            assert (mask == (tracks[position] == said[expression.text])).all()
        assert isinstance(video.source, tuple)
        shown = [np.asarray(Image.open(path)) for path in video.source]
        assert (np.stack(shown) == sample.frames[:-WITHOUT_MASK]).all()


def test_the_tree_has_the_quirks_of_the_real_one(root: Path) -> None:
    entries = json.loads((root / LIST).read_text())
    assert len(entries) == 3 * COUNT and {len(row) for row in entries} == {5}
    assert all(path.startswith("./jhmdb_sentences/") for row in entries for path in row[1:3])
    video = JhmdbSentences.read(root).videos[0]
    (mat,) = JhmdbSentences.read(root).truth_files(video)
    assert scipy.io.loadmat(str(mat))["part_mask"].shape == (*SIZE, FRAMES - WITHOUT_MASK)
    assert isinstance(video.source, tuple) and len(video.source) == FRAMES - WITHOUT_MASK
    assert len(list(video.source[0].parent.iterdir())) == FRAMES
    with pytest.raises(UnknownNameError):
        JhmdbSentences.read(root, "train")


def test_a_frame_is_found_by_the_name_of_its_image(tmp_path: Path) -> None:
    masks = np.zeros((2, 3, 20), np.uint8)
    masks[1, 2, 7] = 1
    masks[0, 0, 9] = 1
    path = write_mat(tmp_path, masks)
    dataset = read(tmp_path, [entry(10), entry(8)])
    (video,) = dataset.videos
    (expression,) = video.expressions
    assert expression.scored == (7, 9) and dataset.truth_files(video) == (path,)
    truth = list(dataset.truth(video, expression))
    assert [np.argwhere(mask).tolist() for mask in truth] == [[[1, 2]], [[0, 0]]]
    assert image_id(video, expression, 7) == "v_one_f_8"
    assert video.frame_names[:2] == ("00001", "00002") and video.frame_names[-1] == "00020"
    assert isinstance(video.source, tuple)
    assert video.source[7] == tmp_path / "Rename_Images/run/one/00008.png"


def test_one_expression_for_each_distinct_expression(tmp_path: Path) -> None:
    rows = [entry(1, "a man"), entry(2, "the  runner "), entry(3, "a man"), entry(2, "the runner")]
    (video,) = read(tmp_path, rows).videos
    assert [(e.expression_id, e.text, e.scored) for e in video.expressions] == [
        ("0", "a man", (0, 2)),
        ("1", "the runner", (1,)),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "got no list"),
        ([["one", "a.png", "b.mat", 3]], r"entry 0: expected \[video, image, mat, frames, text\], got \['one'"),
        ([entry(1), entry(21)], "entry 1: expected an image from 00001.png to 00020.png, got '00021.png'"),
        ([["one", "./jhmdb_sentences/../../00001.png", "b.mat", 3, "a man"]], "expected a path inside"),
        ([["one", "/data/00001.png", "b.mat", 3, "a man"]], "expected a path inside"),
    ],
)
def test_a_list_that_is_broken_is_one_line(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, document)


def test_truth_that_is_missing_or_broken_is_one_line(tmp_path: Path) -> None:
    dataset = read(tmp_path, [entry(20)])
    (video,) = dataset.videos

    def truth() -> list[np.ndarray]:
        return list(dataset.truth(video, video.expressions[0]))

    with pytest.raises(DataError, match=r"puppet_mask\.mat: no such annotation"):
        truth()
    path = write_mat(tmp_path, np.zeros((2, 3, 19), np.uint8))
    with pytest.raises(DataError, match="expected a mask of frame 20, got 19 masks"):
        truth()
    write_mat(tmp_path, np.zeros((2, 3, 20), np.uint8), "masks")
    with pytest.raises(DataError, match=r"expected 'part_mask' .*, got none"):
        truth()
    whole = path.read_bytes()
    for broken in (b"", b"not a mat file", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="expected a mat file"):
            truth()


@pytest.mark.shared
def test_the_real_list_at_full_size(shared_dir: Path, tmp_path: Path) -> None:
    (tmp_path / LIST).symlink_to((shared_dir / "annotations" / LIST).resolve())
    dataset = JhmdbSentences.read(tmp_path)
    assert len(dataset.videos) == 928
    assert all(len(v.expressions) == 1 and len(v.expressions[0].scored or ()) == 3 for v in dataset.videos)
    samples = [(v, e, p) for v in dataset.videos for e in v.expressions for p in e.scored or ()]
    assert len({image_id(*sample) for sample in samples}) == 2_784
    assert {len(video.frame_names) for video in dataset.videos} <= {*range(15, 41)}
    video, expression, position = samples[0]
    name = "100_pullups_pullup_f_nm_np1_fr_med_1"
    assert image_id(video, expression, position) == f"v_{name}_f_2"
    assert dataset.truth_files(video) == (tmp_path / "puppet_mask/pullup" / name / "puppet_mask.mat",)
    assert isinstance(video.source, tuple)
    assert video.source[position] == tmp_path / "Rename_Images/pullup" / name / "00002.png"
