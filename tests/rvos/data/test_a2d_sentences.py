"""A2D-Sentences: what we write is what is read, the quirks of the real files, and the real expressions at full size."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random
from typing import Any

import av
import h5py
import numpy as np
import pytest

from image_core.errors import ConfigError, DataError, UnknownNameError
from rvos.data.a2d_sentences import A2dSentences
from rvos.data.protocol import ResultsFile
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.drawing import draw_tracks
from rvos.synthetic.layouts.a2d_sentences import write_a2d_sentences
from rvos.synthetic.layouts.writing import visible_tracks
from rvos.synthetic.phrasing import about_one

SIZE = (72, 128)
FRAMES = 24
COUNT = 3


def image_id(*sample: Any) -> str:
    """The name of (video, expression, position) in the file of predictions."""
    layout = A2dSentences.protocols[0].layout
    assert isinstance(layout, ResultsFile)
    return layout.image_id(*sample)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a2d")
    write_a2d_sentences(folder, "val", COUNT, 3, SIZE, FRAMES)
    return folder


def annotation(root: Path, video_id: str, number: int) -> Path:
    return root / "text_annotations/a2d_annotation_with_instances" / video_id / f"{number:05d}.h5"


def write_h5(path: Path, instances: list[int], masks: np.ndarray) -> None:
    """masks: as the file has them, (N, W, H) or (W, H)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["instance"], file["reMask"] = instances, masks


def tree(root: Path, queries: str, videos: str = "one", subset: int = 1) -> Path:
    """The text files of a dataset; videos: their ids, separated by spaces."""
    (root / "Release").mkdir(parents=True)
    (root / "text_annotations").mkdir()
    rows = [f"{video_id},62,0:00,0:03,72,128,24,3,{subset}\n" for video_id in videos.split()]
    (root / "Release/videoset.csv").write_text("".join(rows))
    (root / "text_annotations/a2d_annotation.txt").write_text("video_id,instance_id,query\n" + queries)
    (root / "text_annotations/a2d_missed_videos.txt").write_text("")
    return root


def test_the_rendered_objects_are_read_back(root: Path) -> None:
    videos = SyntheticVideos("val", 3, SIZE, length=COUNT, frames=FRAMES)
    dataset = A2dSentences.read(root)
    assert dataset.split == "test" and [v.video_id for v in dataset.videos] == [f"val_3_0000{i}" for i in range(COUNT)]
    for index, video in enumerate(dataset.videos):
        animation = videos.describe(index).animation
        tracks = visible_tracks(animation, draw_tracks(animation, SIZE))
        expressions = {str(i - 1): said[0] for i, said in about_one(animation, 1, Random(video.video_id)).items()}
        assert video.expressions and all(e.text == expressions[e.expression_id] for e in video.expressions)
        for expression in video.expressions:
            scored = expression.scored or ()
            truth = list(dataset.truth(video, expression))
            assert len(truth) == len(scored) > 0
            for position, mask in zip(scored, truth, strict=True):
                assert mask.dtype == np.bool_ and mask.shape == SIZE
                assert mask.any() and (mask == (tracks[position] == int(expression.expression_id) + 1)).all()


def test_the_source_is_a_clip_with_all_frames(root: Path) -> None:
    video = A2dSentences.read(root).videos[0]
    assert isinstance(video.source, Path) and video.source.parent.name == "clips320H" and video.frame_names == ()
    with av.open(str(video.source)) as container:
        assert len(list(container.decode(video=0))) == FRAMES


def test_the_tree_has_the_quirks_of_the_real_one(root: Path) -> None:
    rows = list(csv.reader((root / "Release/videoset.csv").open()))
    assert len(rows) == COUNT + 1 and {len(row) for row in rows} == {9} and {row[8] for row in rows} == {"1"}
    dataset = A2dSentences.read(root)
    full, alone = dataset.videos[0], dataset.videos[1]
    frames = [len(dataset.truth_files(video)) for video in dataset.videos]
    assert frames == [3, 4, 5]
    with h5py.File(dataset.truth_files(full)[0]) as file:
        instances, masks = np.array(file["instance"]), np.array(file["reMask"])
        assert masks.shape == (len(instances), SIZE[1], SIZE[0]) and instances.tolist() != sorted(instances)
    with h5py.File(dataset.truth_files(alone)[0]) as file:
        assert np.array(file["instance"]).shape == (1,) and np.array(file["reMask"]).shape == SIZE[::-1]
    # The second file of the first video lacks an instance that is in the others.
    scored = {e.expression_id: e.scored for e in full.expressions}
    assert len(scored["0"] or ()) == 2 and any(len(positions or ()) == 3 for positions in scored.values())
    notes = "\n".join(dataset.notes)
    assert "rows left out: 1, their video is in a2d_missed_videos.txt" in notes
    assert "rows left out: 1, no sentence, or no number as instance ('1 (copy)' of val_3_00000)" in notes


def test_train_is_the_other_subset(root: Path, tmp_path: Path) -> None:
    assert A2dSentences.read(root, "train").videos == ()
    write_a2d_sentences(tmp_path, "train", 1, 3, SIZE, FRAMES)
    assert len(A2dSentences.read(tmp_path, "train").videos) == 1 and A2dSentences.read(tmp_path).videos == ()
    with pytest.raises(UnknownNameError):
        A2dSentences.read(root, "val")


def test_clips_have_even_sizes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="even"):
        write_a2d_sentences(tmp_path, "val", 1, 3, (71, 128), FRAMES)


def test_frames_count_from_1_and_masks_lie_transposed(tmp_path: Path) -> None:
    tree(tmp_path, "one,7,the cat\none,2, the  dog \n")
    (tmp_path / "Release/CLIPS320").mkdir()
    masks = np.zeros((2, 5, 3), np.uint8)  # 3 px high, 5 px wide
    masks[0, 4, 0] = 1
    masks[1, :, 2] = 1
    write_h5(annotation(tmp_path, "one", 10), [7, 2], masks)
    write_h5(annotation(tmp_path, "one", 2), [2], masks[1])
    dataset = A2dSentences.read(tmp_path)
    (video,) = dataset.videos
    cat, dog = video.expressions
    assert (cat.text, cat.scored, dog.text, dog.scored) == ("the cat", (9,), "the dog", (1, 9))
    assert np.argwhere(next(dataset.truth(video, cat))).tolist() == [[0, 4]]
    assert all(np.argwhere(m).tolist() == [[2, x] for x in range(5)] for m in dataset.truth(video, dog))
    assert [path.name for path in dataset.truth_files(video)] == ["00002.h5", "00010.h5"]
    assert image_id(video, dog, 9) == "v_one_f_10_i_2"
    assert video.source == tmp_path / "Release/CLIPS320/one.mp4"
    assert dataset.notes == ()


def test_two_expressions_about_one_instance_have_ids_of_their_own(tmp_path: Path) -> None:
    tree(tmp_path, "one,0,the cat\none,1,the dog\none,0,that cat\n")
    dataset = A2dSentences.read(tmp_path)
    (video,) = dataset.videos
    assert [(e.expression_id, e.object_ids) for e in video.expressions] == [
        ("0", ("0",)),
        ("1", ("1",)),
        ("0_2", ("0",)),
    ]


def test_videos_without_annotation_are_reported_and_the_rest_continues(tmp_path: Path) -> None:
    tree(tmp_path, "bare,0,the cat\none,0,the dog\none,5,the bird\nother,0,the fish\n", "bare one")
    (tmp_path / "text_annotations/a2d_missed_videos.txt").unlink()
    write_h5(annotation(tmp_path, "one", 1), [0], np.ones((4, 4), np.uint8))
    dataset = A2dSentences.read(tmp_path)
    bare, one = dataset.videos
    assert [e.text for e in one.expressions] == ["the dog"] and bare.expressions[0].scored is None
    assert dataset.notes == (
        "a2d_annotation.txt, rows left out: 1, their video is not in videoset.csv",
        "a2d_missed_videos.txt is missing: no video is left out because of it",
        "sentences left out: 1, no annotated frame holds their target",
        "videos without an annotated frame, which cannot be scored: 1 of 2",
    )
    assert dataset.truth_files(bare) == ()
    with pytest.raises(DataError, match="expected annotated frames, got none"):
        next(dataset.truth(bare, bare.expressions[0]))


@pytest.mark.parametrize("content", [b"", b"not h5"])
def test_a_broken_file_is_reported_when_its_truth_is_read(tmp_path: Path, content: bytes) -> None:
    tree(tmp_path, "one,0,the cat\n")
    write_h5(annotation(tmp_path, "one", 1), [0], np.ones((4, 4), np.uint8))
    annotation(tmp_path, "one", 3).write_bytes(content)
    dataset = A2dSentences.read(tmp_path)
    (video,) = dataset.videos
    masks = dataset.truth(video, video.expressions[0])
    assert next(masks).all()
    with pytest.raises(DataError, match=r"00003\.h5: expected an h5 file"):
        next(masks)


def test_masks_that_do_not_fit_their_instances_are_reported(tmp_path: Path) -> None:
    tree(tmp_path, "one,0,the cat\n")
    write_h5(annotation(tmp_path, "one", 1), [0, 1], np.ones((4, 4), np.uint8))
    dataset = A2dSentences.read(tmp_path)
    with pytest.raises(DataError, match=r"expected reMask of 2 instances, got \(4, 4\)"):
        next(dataset.truth(dataset.videos[0], dataset.videos[0].expressions[0]))


def test_a_file_that_is_damaged_inside_is_reported(tmp_path: Path) -> None:
    tree(tmp_path, "one,0,the cat\n")
    path = annotation(tmp_path, "one", 1)
    path.parent.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 2, (64, 64), np.uint8)
    with h5py.File(path, "w") as file:
        file["instance"] = [0]
        file.create_dataset("reMask", data=noise, compression="gzip", fletcher32=True)
        place, length = file["reMask"].id.get_chunk_info(0).byte_offset, 8
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * length)
    dataset = A2dSentences.read(tmp_path)
    with pytest.raises(DataError, match="'/reMask' cannot be read"):
        next(dataset.truth(dataset.videos[0], dataset.videos[0].expressions[0]))


def test_metadata_that_is_missing_or_broken_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"videoset\.csv: no such file"):
        A2dSentences.read(tmp_path)
    tree(tmp_path, "one,0,the cat\n")
    (tmp_path / "text_annotations/a2d_annotation.txt").write_text("one,0,the cat\n")
    with pytest.raises(DataError, match="no column 'video_id'"):
        A2dSentences.read(tmp_path)
    (tmp_path / "text_annotations/a2d_annotation.txt").write_text('video_id,instance_id,query\none,0,"' + "x" * 200_000)
    with pytest.raises(DataError, match="expected a CSV file, got another"):
        A2dSentences.read(tmp_path)
    (tmp_path / "Release/videoset.csv").write_text("one,1\n")
    with pytest.raises(DataError, match=r"expected the 9 columns of videoset\.csv, got shorter rows"):
        A2dSentences.read(tmp_path)


@pytest.mark.shared
def test_the_real_expressions_at_full_size(shared_dir: Path, tmp_path: Path) -> None:
    """The file has one column more than the official one, and there is neither videoset.csv nor a mask."""
    real = shared_dir / "annotations/a2d_annotation_with_short_query.txt"
    rows = list(csv.DictReader(real.open(encoding="utf-8")))
    assert len(rows) == 6_655
    tree(tmp_path, "", " ".join(dict.fromkeys(row["video_id"] for row in rows)))
    (tmp_path / "text_annotations/a2d_annotation.txt").unlink()
    (tmp_path / "text_annotations/a2d_annotation.txt").symlink_to(real.resolve())
    dataset = A2dSentences.read(tmp_path)
    assert sum(len(video.expressions) for video in dataset.videos) == 6_654
    assert dataset.notes[0].endswith("('1 (copy)' of T6bNPuKV-wY)")
    # No two expressions of the real file mean the same instance: each is named by its instance alone.
    assert all(e.object_ids == (e.expression_id,) for video in dataset.videos for e in video.expressions)
    first = dataset.videos[0]
    assert (first.video_id, first.expressions[0].text) == ("--h5fAKYurM", "the pigeon is limping")
