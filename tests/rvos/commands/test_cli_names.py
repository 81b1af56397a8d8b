"""Names as they come: empty, swapped, too long, with colons, percent signs and bytes that are no UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rvos = Callable[..., Any]
SEEN = "the red thing"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segment", "", SEEN, "--out", "out"], "expected no empty argument, got '' after 'segment'"),
        (["segment", "clip.mp4", "", "--out", "out"], "got '' after 'clip.mp4'"),
        (["segment", "clip.mp4", SEEN, "--out", ""], "got '' after '--out'"),
        (["segment", "clip.mp4", SEEN, "--out="], "got --out="),
        (["evaluate", "mevis", "--root", "", "--out", "out"], "got '' after '--root'"),
        (["segment", SEEN, "clip.mp4", "--out", "out"], "expected SOURCE before the expressions, got 'the red thing'"),
        (["segment", "x" * 300, SEEN, "--out", "out"], "cannot be opened (File name too long)"),
        (["segment", "clip.mp4", SEEN, "--out", "x" * 300], "cannot be written (File name too long)"),
        (["segment", "clip.mp4", "the \udce9 thing", "--out", "out"], "expression 1 holds half a character"),
        (["segment", "nosuch://b/clip.mp4", SEEN, "--out", "out"], "expected a URL that can be read here"),
        (["segment", "clip.mp4", SEEN, "--out", "/dev/null"], "expected a folder, got a file"),
        (["segment", "--list", "gone.csv", "--out", "out"], "cannot be read (No such file"),
    ],
)
def test_an_invalid_name_is_one_line(
    rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path, arguments: list[str], words: str
) -> None:
    make_clip(2)
    outcome = rvos(*arguments)
    assert outcome.code == 2 and len(outcome.err) == 1 and words in outcome.err[0]
    assert not (tmp_path / "out").exists()


def test_a_file_whose_name_begins_like_an_option_is_to_be_written_with_its_folder(
    rvos: Rvos, make_clip: Callable[..., Path]
) -> None:
    make_clip(2, "-o.mp4")
    outcome = rvos("segment", "-o.mp4", SEEN, "--out", "out")
    assert outcome.code == 2 and outcome.err == ["rvos: expected an option, got the file -o.mp4: write ./-o.mp4"]
    assert rvos("segment", "./-o.mp4", SEEN, "--out", "out", "--save", "masks").code == 0


@pytest.mark.parametrize("name", ["a:b", "100%d", "caf\udce9", "with space", "ü", "-o"])
def test_any_other_name_works_for_source_and_out(
    rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    make_clip(3, f"{name}.mp4")
    outcome = rvos(
        "segment", "--out", f"out {name}", "--save", "overlay,contact_sheet,masks", "--", f"{name}.mp4", SEEN
    )
    assert outcome.code == 0 and (tmp_path / f"out {name}/overlay.mp4").is_file()
    result = json.loads((tmp_path / f"out {name}/result.json").read_bytes())
    assert result["video"]["source"] == f"{name}.mp4" and result["summary"]["frames"] == 3


def test_the_current_folder_is_segmented_when_it_is_named(rvos: Rvos, frames: Any, tmp_path: Path) -> None:
    import cv2

    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), frames[i][..., ::-1])
    assert rvos("segment", ".", SEEN, "--out", "out", "--save", "masks").code == 0
    assert len(list((tmp_path / "out/masks/0").iterdir())) == 2


@pytest.mark.parametrize(("arguments", "code"), [("models --json", 0), ("segment nowhere.mp4 dog --out run", 2)])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_the_caller_closed_changes_no_exit_code_and_no_other_stream(
    tmp_path: Path, arguments: str, code: int, closed: str
) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        f"{sys.executable} -m rvos.cli {arguments} {closed}",
        shell=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "rvos:" not in done.stdout


def test_a_closed_pipe_prints_no_traceback(tmp_path: Path) -> None:
    """`rvos models --json | head -c 0`, and stdout on a full disk."""
    command = [sys.executable, "-m", "rvos.cli", "models", "--json"]
    environment = {**os.environ, "RVOS_HOME": str(tmp_path)}
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left on device" in done.stderr
