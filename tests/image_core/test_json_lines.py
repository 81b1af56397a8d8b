"""A log of JSON lines: what is appended is read, a torn last line is no line, and any other damage is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from image_core.errors import DamagedError
from image_core.json_lines import append_lines, cut_torn_line, read_lines, write_lines

ROWS: list[dict[str, Any]] = [{"n": 0, "text": "café\nred"}, {"n": 1, "rest": [1.5, None]}, {"n": 2}]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    append_lines(tmp_path / "log.jsonl", ROWS[:1])
    append_lines(tmp_path / "log.jsonl", ROWS[1:])
    return tmp_path / "log.jsonl"


def test_what_is_appended_is_read(log: Path, tmp_path: Path) -> None:
    assert list(read_lines(log, dict, "")) == ROWS
    assert list(read_lines(tmp_path / "none", dict, "")) == []
    write_lines(log, ROWS[:1])
    assert list(read_lines(log, lambda row: row["n"], "")) == [0]


def test_a_log_cut_anywhere_has_its_whole_lines_and_can_be_continued(log: Path) -> None:
    whole = log.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for length in range(len(whole) + 1):
        log.write_bytes(whole[:length])
        kept = sum(end <= length for end in ends)
        assert list(read_lines(log, dict, "")) == ROWS[:kept]  # also while another process writes
        assert log.read_bytes() == whole[:length]
        cut_torn_line(log)
        append_lines(log, ROWS[kept:])
        assert log.read_bytes() == whole


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"5", b'{"m": 1}', b"null"])
def test_a_damaged_line_is_named(log: Path, line: bytes) -> None:
    first, *rest = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([first, line + b"\n", *rest]))
    rows = read_lines(log, lambda row: row["n"], "remove the line")
    assert next(rows) == 0
    with pytest.raises(DamagedError, match=r"log\.jsonl, line 2: cannot be read .*: remove the line$") as caught:
        next(rows)
    assert "\n" not in str(caught.value)


def test_cutting_makes_no_file(tmp_path: Path) -> None:
    cut_torn_line(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
