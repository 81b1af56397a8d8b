"""`rvos segment --list`: a strict table; what is wrong with a row is that row's failure, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from image_core.errors import ConfigError
from image_core.segmenter import ImageSegmenter
from image_core.types import TextFeatures
from rvos.run.joblist import Row, read_rows

Rvos = Callable[..., Any]


def rows_of(path: Path, text: str, encoding: str = "utf-8") -> list[Row]:
    (path / "jobs.csv").write_bytes(text.encode(encoding))
    return read_rows(path / "jobs.csv")


@pytest.mark.parametrize(
    "text",
    [
        "source,expression\nclip,the dog\n",
        "\ufeffsource,expression\nclip,the dog\n",
        "expression,note,source\r\nthe dog,,clip\r\n\r\n",
        'source, expression\n"clip", "the dog"\n ,\n',
    ],
    ids=["plain", "BOM", "other columns", "blank lines"],
)
def test_one_row_in_several_forms(text: str, tmp_path: Path) -> None:
    assert rows_of(tmp_path, text) == [Row("clip", "the dog")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("clip,the red circle, on the left", "expected 2 cells, got 3: a cell with a comma needs quotation marks"),
        ("clip", "expected 2 cells, got 1"),
        ("clip,", "expected a text as expression, got an empty cell"),
        (",the dog", "expected a text as source, got an empty cell"),
        ('clip,"the dog\non the left"', "expected one line as expression, got several: close the quotation mark"),
    ],
)
def test_a_row_of_another_form_keeps_its_place(row: str, words: str, tmp_path: Path) -> None:
    first, odd, last = rows_of(tmp_path, f"source,expression\na,b\n{row}\nc,d\n")
    assert first == Row("a", "b") and last == Row("c", "d") and words in (odd.fault or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source,expression\nclip,"the dog\nclip,the cat\n', "close every quotation mark"),
        ('source,expression\nclip,"the" dog\n', "close every quotation mark"),
        ("source,expression,source\nclip,the dog,other\n", "'source' twice in the first line"),
        ("source;expression\nclip;the dog\n", "cells are separated by commas"),
        ("\n\n", "got columns"),
    ],
)
def test_a_table_that_cannot_be_split_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        rows_of(tmp_path, text)


def test_a_table_in_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        rows_of(tmp_path, "source,expression\nclip,the dog\n", "utf-16")


def test_an_error_in_the_program_fails_only_its_row(
    rvos: Rvos,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    colour_segmenter: ImageSegmenter,
) -> None:
    make_clip(3)
    (tmp_path / "jobs.csv").write_text(
        "source,expression\nclip.mp4,the red thing\nclip.mp4,the red, thing\n"
        "clip.mp4,the blue thing\nclip.mp4,the green thing\n"
    )
    decode = colour_segmenter.model.decode

    def failing(image: Any, text: TextFeatures, *rest: Any) -> Any:
        if (text.sentence[:, 2] > 0).any():
            raise ValueError("31 is not a valid Type")
        return decode(image, text, *rest)

    monkeypatch.setattr(colour_segmenter.model, "decode", failing)
    outcome = rvos("segment", "--list", "jobs.csv", "--out", "out", "--save", "masks", "--jobs", "1")
    assert outcome.code == 2 and outcome.out == ["row 0: out/00000", "row 3: out/00003"]
    first, alone, blue = outcome.err
    assert first.startswith("row 1 (clip.mp4): expected 2 cells, got 3")
    assert alone.startswith("clip.mp4: its 3 rows are run one by one, after: an error in rvos or in the model: Val")
    assert blue.startswith("row 2 (clip.mp4): an error in rvos or in the model: ValueError: 31 is not a valid")
