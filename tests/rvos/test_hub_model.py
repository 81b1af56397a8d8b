"""`--model hub:...` end to end: from a folder, and from the cache of the hub as a machine has it that was online."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from image_core.hub.catalogue import CLIPSEG
from tests.tiny_networks import WRITERS

ROOT = Path(__file__).resolve().parents[2]
EXPRESSIONS = ("the red circle", "a blue star")


def run(*arguments: str | Path, home: Path) -> subprocess.Popen[str]:
    """`rvos ARGUMENTS` in a process of its own that has no network and its own cache of the hub."""
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "rvos.cli", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stderr=subprocess.PIPE, text=True)


def test_clipseg_out_of_the_cache_is_killed_and_continued_to_the_same_bytes(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Callable[..., Any]
) -> None:
    cache = tmp_path / "hub" / "models--CIDAS--clipseg-rd64-refined" / "snapshots" / CLIPSEG.revision
    shutil.copytree(WRITERS["clipseg"](tmp_path / "written"), cache)
    frames = 24
    clip = make_clip(frames)
    options = ("--model", "hub:clipseg", "--device", "cpu", "--save", "masks", "--quiet", "--out")
    common = ("segment", clip, *EXPRESSIONS, *options)
    whole = offline(*common, tmp_path / "whole")
    assert whole.err == [] and whole.code == 0, "and --quiet says nothing"
    killed = run(*common, tmp_path / "killed", home=tmp_path)
    log = tmp_path / "killed" / "frames.jsonl"
    while killed.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") > frames // 2):
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "result.json").exists(), "it was killed before its end"
    assert offline(*common, tmp_path / "killed").code == 0
    assert log.read_bytes() == (tmp_path / "whole" / "frames.jsonl").read_bytes()
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole" / "masks").rglob("*.png"))
    assert files and all((tmp_path / "whole" / f).read_bytes() == (tmp_path / "killed" / f).read_bytes() for f in files)
    result = json.dumps(json.loads((tmp_path / "whole" / "result.json").read_text()))
    assert '"hub:clipseg"' in result and CLIPSEG.revision in result and "Apache-2.0" in result


def test_a_pair_of_folders_segments_a_clip(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Callable[..., Any]
) -> None:
    name = "hub:" + "+".join(str(WRITERS[part](tmp_path / part)) for part in ("owlv2", "sam2"))
    done = offline("segment", make_clip(4), *EXPRESSIONS, "--model", name, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "frames.jsonl").read_bytes().count(b"\n") == 4 * len(EXPRESSIONS)
    assert f'"{name}"' in json.dumps(json.loads((tmp_path / "out" / "result.json").read_text()))


def test_what_cannot_be_had_is_one_line_and_exit_2(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Callable[..., Any]
) -> None:
    told = offline("segment", make_clip(2), "the dog", "--model", "hub:clipseg", "--out", tmp_path / "out")
    assert told.code == 2 and len(told.err) == 1, told.err
    assert "is not downloaded, and the hub cannot be reached: connect to the network once" in told.err[0]
