"""A dataset is one file and one row: with `toy_clips.py` and its row in the table, every command knows it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from rvos.data import DATASETS

REPOSITORY = Path(__file__).resolve().parents[3]
ADAPTER = REPOSITORY / "tests/rvos/data/toy_clips.py"
HEAVY = ("torch", "h5py", "scipy", "matplotlib", "av")


def loaded(path: Path) -> ModuleType:
    """A file as the module of its name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row in the table of datasets."""
    monkeypatch.setitem(DATASETS, "toy_clips", loaded(ADAPTER).ToyClips)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos of three frames: a red square that moves, and a green one."""
    folder, frames = tmp_path / "toys", ["0", "1", "2"]
    said = {"r": "the red thing", "g": "the green thing"}
    for shift, video_id in enumerate(("one", "two")):
        for expression_id in said:
            (folder / video_id / expression_id).mkdir(parents=True)
        for t, name in enumerate(frames):
            masks = np.zeros((2, 48, 80), bool)
            masks[0, 8:24, 4 + shift + 2 * t : 24 + shift + 2 * t] = True
            masks[1, 28:44, 50:66] = True
            image = np.full((48, 80, 3), 120, np.uint8)
            image[masks[0]], image[masks[1]] = (20, 20, 230), (20, 220, 20)
            cv2.imwrite(str(folder / video_id / f"{name}.png"), image)
            for expression_id, mask in zip(said, masks, strict=True):
                cv2.imwrite(str(folder / video_id / expression_id / f"{name}.png"), mask.astype(np.uint8) * 255)
    row = {"frames": frames, "expressions": said}
    (folder / "clips.json").write_text(json.dumps({"one": row, "two": row}))
    return folder


@pytest.mark.usefixtures("row")
def test_it_is_checked_evaluated_and_scored(rvos: Callable[..., Any], root: Path, tmp_path: Path) -> None:
    checked = rvos("data", "check", "toy-clips", "--root", root)
    assert checked.code == 0 and checked.out[-1] == "ready" and "truth: 12 of 12 files" in checked.out
    out, again = tmp_path / "out", tmp_path / "again.json"
    quiet = ("--quiet", "--workers", "1")
    run = ("evaluate", "toy-clips", "--root", root, "--out", out, "--device", "cpu", "--tracker", "none", "--baseline")
    assert rvos(*run, *quiet).code == 0
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["J&F"] > 0.7 and figures["twice"] == 2 * figures["J&F"] and figures["failures"] == []
    assert (figures["protocol"], figures["verified"]) == ("J and F, as a toy has them", False)
    assert sorted(path.name for path in (out / "predictions/toys/one/r").iterdir()) == ["0.png", "1.png", "2.png"]
    assert "<title>Toy Clips</title>" in (out / "report.html").read_text()
    where = ("--root", root, "--predictions", out / "predictions", "--out", again)
    assert rvos("score", "toy-clips", *where, *quiet).code == 0
    scored = json.loads(again.read_text())
    assert scored == {key: figures[key] for key in scored}


@pytest.mark.usefixtures("row")
def test_the_layout_of_a_missing_dataset_is_printed_and_its_name_suggested(
    rvos: Callable[..., Any], root: Path
) -> None:
    (root / "clips.json").unlink()
    outcome = rvos("data", "check", "toy-clips", "--root", root)
    assert outcome.code == 2 and any(line.startswith("ROOT/<video>/<frame>.png") for line in outcome.out)
    assert "did you mean 'toy-clips'?" in rvos("data", "check", "toy-clip", "--root", root).err[0]
    assert "expected a dataset with a server" in rvos(
        "submit", "toy-clips", "--root", root, "--predictions", root, "--out", root / "out.zip"
    ).err[0]  # fmt: skip


@pytest.mark.usefixtures("row")
def test_the_documentation_has_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "tools")
    tables = loaded(REPOSITORY / "tools/dataset_tables.py").video_tables()
    assert [sum("`toy-clips`" in line for line in text.splitlines()) for text in tables.values()] == [1, 1, 1]
    assert "`ROOT/clips.json`" not in tables["folders"] and "`clips.json`" in tables["folders"]


@pytest.mark.parametrize("command", [("evaluate",), ("score",), ("data", "check")])
def test_help_names_it_and_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    code = (
        "import sys, toy_clips; from rvos.data import DATASETS; DATASETS['toy_clips'] = toy_clips.ToyClips; "
        f"from rvos.cli import main; main([*{command!r}, '--help']); "
        "print([f'{name}: {adapter.title}' for name, adapter in DATASETS.items()]); "
        f"print('loaded', *({{*{HEAVY!r}}} & {{name.partition('.')[0] for name in sys.modules}}))"
    )
    paths = [str(REPOSITORY), str(ADAPTER.parent)]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "toy-clips" in done.stdout and "toy_clips: Toy Clips" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded"
