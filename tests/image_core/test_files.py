"""Files in one step: whole or not there, whatever ends the writer."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from image_core.errors import DamagedError, OutputError
from image_core.files import (
    make_folder,
    output_errors,
    read_json,
    remove,
    replacing,
    write_atomic,
    write_json,
    write_whole,
)
from image_core.json_lines import append_lines, cut_torn_line, read_lines

_WRITER = """
import itertools, sys
from pathlib import Path
from image_core.files import write_atomic, write_json
from image_core.json_lines import append_lines
folder = Path(sys.argv[1])
print("in", flush=True)
for i in itertools.count():
    write_json(folder / "document.json", {"number": i, "text": str(i) * 9999})
    write_atomic(folder / "data", bytes([i % 256]) * 300_000)
    append_lines(folder / "log.jsonl", [{"number": i, "half": h, "text": "x" * 5000} for h in (0, 1)])
"""


def test_a_process_killed_at_any_moment_leaves_whole_files(tmp_path: Path) -> None:
    rng = random.Random(0)
    count = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"in\n"
            time.sleep(rng.uniform(0.0, 0.15))
            process.kill()
        document, data, log = (tmp_path / name for name in ("document.json", "data", "log.jsonl"))
        if document.exists():
            read = read_json(document, "")
            assert read["text"] == str(read["number"]) * 9999
        if data.exists():
            content = data.read_bytes()
            assert len(content) == 300_000 and len(set(content)) == 1
        cut_torn_line(log)
        rows = list(read_lines(log, dict, ""))
        assert all(len(row["text"]) == 5000 for row in rows) and len(rows) >= count
        assert not log.exists() or log.read_bytes()[-1:] in (b"", b"\n")
        count = len(rows)
        append_lines(log, [{"number": -1, "half": 0, "text": "x" * 5000}])
        assert [row["number"] for row in read_lines(log, dict, "")][-1] == -1
    assert count > 0 and document.exists() and data.exists()


def test_a_block_that_raises_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_bytes(b"new")
        _ = 1 / 0
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and path.read_bytes() == b"old"
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and path.read_bytes() == b"new"


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "a", b"old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match=r"a cannot be written \(No space left on device\): check"):
        write_atomic(tmp_path / "a", b"new")
    with pytest.raises(OutputError, match=r"log cannot be written \(No space left on device\)"):
        append_lines(tmp_path / "log", [{}])
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_image_that_does_not_fit_on_the_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.png", b"old")
    (tmp_path / "b.png").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"b.png cannot be written \(No space left on device\): check"):
        write_whole(tmp_path / "b.png", b"new")
    with pytest.raises(OutputError, match=r"c/d.png cannot be written \(No such file or directory\): check"):
        write_whole(tmp_path / "c/d.png", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_json_comes_back_and_its_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": "café", "a": [1, None]})
    assert read_json(path, "") == {"b": "café", "a": [1, None]} and list(json.loads(path.read_text())) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    for content in (b"", b"\xff", b"[]"):
        path.write_bytes(content)
        with pytest.raises(DamagedError, match=r"a\.json: .*: make it again$"):
            read_json(path, "make it again")
    path.unlink()
    with pytest.raises(DamagedError, match=r"a\.json: cannot be read \(No such file or directory\): make it again$"):
        read_json(path, "make it again")


def test_a_folder_is_made_or_refused_in_one_line(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: expected a folder, got a file: go away"):
        make_folder(tmp_path / "file", "go away")
    with pytest.raises(OutputError, match=r"cannot be written \(Not a directory\): .*, or go away"):
        make_folder(tmp_path / "file" / "b", "go away")
    with pytest.raises(OutputError, match="choose another folder"), output_errors(tmp_path):
        raise OSError("no strerror")


def test_removing_takes_the_files_named_and_the_folders_left_empty(tmp_path: Path) -> None:
    for name in ("a/1", "b/1", "b/mine", "elsewhere/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "1")
    files = [tmp_path / name for name in ("a/1", "b/1", "link", "missing")]
    remove(files, [tmp_path / "a", tmp_path / "b"])
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == ["b/mine", "elsewhere/1"]
    assert not (tmp_path / "a").exists()
    with pytest.raises(OutputError, match="b cannot be written"):
        remove([tmp_path / "b"])
