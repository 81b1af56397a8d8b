"""Synthetic videos on disk: Ref-YouTube-VOS to anybody who reads that, and what was drawn, by `rvos synth`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from image_core.errors import ConfigError
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.fingerprint import generator_sha256
from rvos.synthetic.layouts import LAYOUTS
from rvos.synthetic.layouts.ref_youtube_vos import write_ref_youtube_vos

Rvos = Callable[..., Any]
SIZE = (72, 128)
COUNT = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_ref_youtube_vos(folder, "val", COUNT, 2, SIZE)
    return folder


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_layout_contains_the_rendered_video(root: Path) -> None:
    listed = read(root / "meta_expressions/valid/meta_expressions.json")["videos"]
    truth = read(root / "meta_expressions/valid/synthetic.json")
    assert (truth["split"], truth["seed"], truth["size"]) == ("val", 2, list(SIZE))
    assert truth["generator_sha256"] == generator_sha256()
    videos = SyntheticVideos("val", 2, SIZE)
    assert list(listed) == list(truth["videos"]) == [f"val_2_{i:05d}" for i in range(COUNT)]
    for index, (video_id, rows) in enumerate(listed.items()):
        expressions = videos.describe(index).expressions
        assert {i: row["exp"] for i, row in rows["expressions"].items()} == {
            e.expression_id: e.text for e in expressions
        }
        assert rows["frames"] == [f"{t:05d}" for t in range(36)]
        for expression in expressions:
            row = truth["videos"][video_id]["expressions"][expression.expression_id]
            assert (row["kind"], row["family"]) == (expression.kind, expression.family)
            assert [None if a is None else set(a) for a in row["answers"]] == list(expression.answers)
            assert row["present"] == [bool(a) for a in expression.answers]


def test_pictures_annotations_and_video_files_show_the_same(root: Path) -> None:
    sample = SyntheticVideos("val", 2, SIZE)[1]
    folder = root / "valid"
    for t, (image, ids) in enumerate(zip(sample.frames, sample.tracks, strict=True)):
        jpeg = np.asarray(Image.open(folder / f"JPEGImages/{sample.video_id}/{t:05d}.jpg"))
        assert np.abs(jpeg.astype(int) - image).mean() < 6
        picture = Image.open(folder / f"Annotations/{sample.video_id}/{t:05d}.png")
        assert picture.mode == "P" and np.array_equal(np.asarray(picture), ids)
    decoded = frames_of(root / f"videos/{sample.video_id}.mp4")
    assert len(decoded) == 36
    assert np.abs(np.stack(decoded).astype(int) - sample.frames).mean() < 8


def test_an_object_id_stands_where_the_mask_of_that_object_is_the_answer(root: Path) -> None:
    listed = read(root / LAYOUTS["ref_youtube_vos"].index["val"])["videos"]
    truth = read(root / "meta_expressions/valid/synthetic.json")["videos"]
    with_id, without = 0, 0
    for video_id, rows in listed.items():
        folder = root / "valid/Annotations" / video_id
        tracks = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])
        for i, row in rows["expressions"].items():
            told = truth[video_id]["expressions"][i]
            if "obj_id" in row:
                mask = tracks == int(row["obj_id"])
                assert np.array_equal(mask.any(axis=(1, 2)), told["present"])
                assert told["object_ids"] == [int(row["obj_id"])]
                with_id += 1
            else:
                assert told["kind"] == "stale" or len(told["object_ids"]) != 1
                without += 1
    assert with_id >= 8 and without >= 3


def test_no_video_is_not_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="count: expected 1 video or more, got 0"):
        write_ref_youtube_vos(tmp_path, "val", 0, 0)


def test_synth_writes_videos_and_replaces_them_only_on_request(rvos: Rvos, tmp_path: Path) -> None:
    command = ("synth", "data", "--kind", "videos", "--layout", "ref-youtube-vos", "--count", "1", "--size", "72")
    said = rvos(*command, "--split", "val")
    assert (said.code, said.out, said.err) == (0, ["ref_youtube_vos dataset: data"], [])
    assert len(list((tmp_path / "data/valid/JPEGImages/val_0_00000").glob("*.jpg"))) == 36
    assert frames_of(tmp_path / "data/videos/val_0_00000.mp4")[0].shape == (72, 128, 3)
    assert "--overwrite" in rvos(*command, "--split", "val").err[0]
    again = rvos(*command, "--split", "val", "--overwrite", "--json", "--seed", "3")
    report = {"root": "data", "layout": "ref_youtube_vos", "split": "val", "videos": 1, "seed": 3}
    assert json.loads("\n".join(again.out)) == report


# Each layout -> its last frame of 26, or the film.
WRITTEN = {
    "ref_youtube_vos": "test/JPEGImages/test_0_00000/00025.jpg",
    "ref_davis17": "valid/JPEGImages/test_0_00000/00025.jpg",
    "mevis": "valid_u/JPEGImages/test_0_00000/00031.jpg",
    "a2d_sentences": "Release/clips320H/test_0_00000.mp4",
    "jhmdb_sentences": "Rename_Images/plain/test_0_00000/00026.png",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_synth_writes_every_layout_with_the_requested_length(rvos: Rvos, tmp_path: Path, layout: str) -> None:
    command = ("synth", "data", "--kind", "videos", "--layout", layout.replace("_", "-"), "--count", "1")
    said = rvos(*command, "--size", "60", "--frames", "26")
    assert (said.code, said.out, said.err) == (0, [f"{layout} dataset: data"], [])
    last = tmp_path / "data" / WRITTEN[layout]
    assert last.is_file()
    assert len(frames_of(last) if last.suffix == ".mp4" else list(last.parent.iterdir())) == 26
    assert "--overwrite" in rvos(*command, "--size", "60").err[0]
    # 16/9 of 60 is 106.7; an odd width would be no video file.
    assert np.asarray(frames_of(last)[0] if last.suffix == ".mp4" else Image.open(last)).shape == (60, 106, 3)
    assert set(LAYOUTS[layout].index) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--kind", "video"), "did you mean 'videos'"),
        (("--kind", "videos", "--layout", "refcoco"), "unknown layout of videos 'refcoco'"),
        (("--layout", "ref-youtube-vos"), "unknown layout of images"),
        (("--kind", "videos", "--split", "vla"), "did you mean 'val'"),
        (("--kind", "videos", "--split", "testA"), "unknown split 'testA'"),
        (("--kind", "videos", "--count", "0"), "count: expected 1 video or more, got 0"),
        (("--kind", "videos", "--size", "8"), "--size: expected 32 px or more, got 8"),
        (("--kind", "videos", "--frames", "12"), "expected 24 or more, for a challenge to have time, got 12"),
    ],
)
def test_synth_refuses_videos_that_it_cannot_make(rvos: Rvos, options: tuple[str, ...], words: str) -> None:
    said = rvos("synth", "data", *options)
    assert said.code == 2 and len(said.err) == 1 and words in said.err[0]


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(rvos: Rvos, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said = rvos("synth", "data", "--kind", "videos", "--count", "1", "--size", "72")
    assert said.code == 2 and len(said.err) == 1 and "data" in said.err[0]
