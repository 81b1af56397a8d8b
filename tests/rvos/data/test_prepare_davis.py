"""DAVIS' text files as they are: Latin-1, misspelt videos, objects as strings; and the real objects of val."""

from __future__ import annotations

import csv
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from image_core.errors import DataError
from rvos.data.prepare_davis import convert, expression_rows
from rvos.data.ref_davis17 import ANNOTATORS, RefDavis17

TOOL = Path(__file__).resolve().parents[3] / "tools" / "prepare_ref_davis17.py"
Lines = dict[str, list[bytes]]


def write_raw(root: Path, sets: dict[str, list[str]], lines: Lines) -> Path:
    """Two frames of 2 x 3 px a video; lines: annotator -> the lines of the file."""
    for split in ("train", "val"):
        path = root / "DAVIS/ImageSets/2017" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{video}\n" for video in sets.get(split, [])))
        for video in sets.get(split, []):
            for folder, suffix in (("JPEGImages", "jpg"), ("Annotations_unsupervised", "png")):
                pictures = root / "DAVIS" / folder / "480p" / video
                pictures.mkdir(parents=True)
                for t in range(2):
                    Image.fromarray(np.full((2, 3), t, np.uint8)).save(pictures / f"{t:05d}.{suffix}")
    (root / "davis_text_annotations").mkdir()
    for who in ANNOTATORS:
        (root / f"davis_text_annotations/Davis17_{who}.txt").write_bytes(b"\n".join(lines[who]) + b"\n")
    return root


SETS = {"train": ["classic-car", "dog"], "val": ["dogs-scale"]}
LINES: Lines = {
    "annot1": [b'clasic-car 1 "a car"', b'dog 2 "a tail"', b'dog 10 "a dog"', b'dog-scale 1 "a scale"'],
    "annot1_full_video": [b'classic-car 1 "the car"', b'dog 10 "the  dog"', b'dog 2 "the tail"', b'dogs-scale 1 "s"'],
    "annot2": [b'classic-car 1 "a \xe9l\xe9gant car"', b'dog 2 "t"', b'dog 10 "d"', b'dogs-scale 1 "s 2"', b""],
    "annot2_full_video": [b'classic-car 1 "a car\'s car"', b'dog 2 "t"', b'dog 10 "d\x85or so"', b'dogs-scale 1 "s 3"'],
}


def test_text_files_become_expressions(tmp_path: Path) -> None:
    notes = convert(write_raw(tmp_path / "raw", SETS, LINES), tmp_path / "out")
    assert notes == [
        "Davis17_annot1.txt, line 1: 'clasic-car' is taken for 'classic-car'",
        "Davis17_annot1.txt, line 4: 'dog-scale' is taken for 'dogs-scale'",
    ]
    train = RefDavis17.read(tmp_path / "out", "train")
    car, dog = train.videos
    assert [e.text for e in car.expressions] == ["a car", "the car", "a \u00e9l\u00e9gant car", "a car's car"]
    # As strings, 10 comes before 2.
    assert [e.object_ids[0] for e in dog.expressions] == ["10"] * 4 + ["2"] * 4
    assert [[e.text for e in said] for said in train.annotators(dog)] == [
        ["a dog", "a tail"],
        ["the dog", "the tail"],
        ["d", "t"],
        ["d or so", "t"],
    ]
    valid = RefDavis17.read(tmp_path / "out")
    assert [e.text for e in valid.videos[0].expressions] == ["a scale", "s", "s 2", "s 3"]
    assert valid.videos[0].frame_names == ("00000", "00001")
    assert [ids.tolist() for ids in valid.id_maps(valid.videos[0])] == [[[0] * 3] * 2, [[1] * 3] * 2]
    source = valid.videos[0].source
    assert isinstance(source, tuple) and all(path.is_file() for path in source)


def test_objects_are_in_the_order_of_their_ids_as_strings() -> None:
    said = [{"a": {str(i): f"{i} by {who}" for i in range(12, 0, -1)}} for who in ANNOTATORS]
    rows = expression_rows("a", said, [])
    objects = ["1", "10", "11", "12", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert list(rows) == [str(i) for i in range(48)]
    assert [row["exp"] for row in rows.values()] == [f"{i} by {who}" for i in objects for who in ANNOTATORS]


def test_an_object_that_one_annotator_forgot_is_left_out(tmp_path: Path) -> None:
    lines = LINES | {"annot2": LINES["annot2"][:2] + LINES["annot2"][3:]}
    notes = convert(write_raw(tmp_path / "raw", SETS, lines), tmp_path / "out")
    assert notes[2:] == ["dog, object 10: left out, because not all four annotators describe it"]
    dog = RefDavis17.read(tmp_path / "out", "train").videos[1]
    assert [e.object_ids for e in dog.expressions] == [("2",)] * 4


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'swan 1 "a swan"', "line 5: expected a video of ImageSets/2017, got 'swan'"),
        (b'dog one "a dog"', "line 5: expected a video, a number and a text, got 'dog one \"a dog\"'"),
        (b'dog 1 "\xe9"', r"Davis17_annot1\.txt: cannot be read"),
    ],
)
def test_broken_lines_are_reported_in_one_line(tmp_path: Path, line: bytes, words: str) -> None:
    raw = write_raw(tmp_path / "raw", SETS, LINES | {"annot1": [*LINES["annot1"], line]})
    with pytest.raises(DataError, match=words):
        convert(raw, tmp_path / "out")


def test_the_tool_reports_repairs_and_missing_files(tmp_path: Path, capsys: Any) -> None:
    main: Callable[[list[str]], int] = runpy.run_path(str(TOOL))["main"]
    raw = write_raw(tmp_path / "raw", SETS, LINES)
    assert main([str(raw), str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(tmp_path / "out")] and said.err.count("note: ") == 2
    (raw / "DAVIS/ImageSets/2017/val.txt").unlink()
    assert main([str(raw), str(tmp_path / "again")]) == 2
    assert "val.txt: no such file" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


@pytest.mark.shared
def test_the_real_objects_of_the_val_split(tmp_path: Path, shared_dir: Path) -> None:
    with (shared_dir / "annotations/ref_davis17_val_expressions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    lines = [f'{row["video_id"]} {row["instance_id"]} "{row["ref_exp"]}"' for row in rows]
    encoded = {who: [line.encode("latin-1" if "2" in who else "utf-8") for line in lines] for who in ANNOTATORS}
    videos = sorted({row["video_id"] for row in rows})
    assert convert(write_raw(tmp_path / "raw", {"val": videos}, encoded), tmp_path / "out") == []
    dataset = RefDavis17.read(tmp_path / "out")
    assert (len(dataset.videos), sum(len(v.expressions) for v in dataset.videos)) == (30, 61 * 4)
    said = {(v.video_id, *e.object_ids, e.text) for v in dataset.videos for e in dataset.annotators(v)[0]}
    assert said == {(row["video_id"], row["instance_id"], row["ref_exp"]) for row in rows}
