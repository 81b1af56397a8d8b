"""The wheel, built from this tree and installed into an empty folder: it must work where no source tree is in reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from image_core.weights import embedded_models

ROOT = Path(__file__).resolve().parents[1]
CARRIED = {"image_core": "image_core", "rvos": "rvos", "configs": "rvos/configs"}
"""Folder of the source tree -> where its files lie in the wheel."""

# What the console script of an installed wheel does.
COMMAND = """
import sys
from importlib.metadata import distribution
(script,) = distribution("rvos").entry_points.select(group="console_scripts", name="rvos")
sys.exit(script.load()())
"""
LOOK_AROUND = """
import json, sys
from transformers import AutoTokenizer
from image_core.encoders.text import SMALL_VOCABULARY
from rvos.configuration import config_folder, experiments, train_config
tokenizer = AutoTokenizer.from_pretrained(str(SMALL_VOCABULARY))
print(json.dumps({
    "configs": str(config_folder()),
    "experiments": experiments(),
    "model": train_config(["experiment=synthetic_s2rm_tiny"]).model.name,
    "vocabulary": str(SMALL_VOCABULARY),
    "pieces": tokenizer.tokenize("the red circle"),
    "sources": [sys.modules[name].__file__ for name in ("rvos", "image_core")],
    "path": sys.path,
}))
"""


def run(command: Sequence[str], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built with what is installed: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    run([*pip, "--target", str(target), str(wheel)])
    return target


@pytest.fixture
def python(installed: Path, tmp_path: Path) -> Callable[..., str]:
    """Python code with arguments, run in an empty folder, where the wheel and what it depends on can be imported.

    Without `site` (-S) no .pth file is read, so the editable installation of this tree is out of reach.
    """

    def call(code: str, *arguments: str) -> str:
        path = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}
        return run([sys.executable, "-S", "-P", "-c", code, *arguments], cwd=tmp_path, env=environment)

    return call


def test_the_wheel_carries_every_file_of_both_packages_and_the_configs(wheel: Path) -> None:
    wanted = {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, place in CARRIED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    described = {name for name in names if ".dist-info/" in name}
    assert names - described == wanted
    assert {"image_core/py.typed", "rvos/py.typed", "image_core/encoders/small_vocabulary/tokenizer.json"} <= wanted
    assert any(name.endswith("licenses/LICENSE") for name in described)


def test_the_installed_package_finds_its_own_files_and_not_the_source_tree(
    installed: Path, python: Callable[..., str]
) -> None:
    found = json.loads(python(LOOK_AROUND))
    assert [entry for entry in found["path"] if (Path(entry) / "rvos" / "__init__.py").exists()] == [str(installed)]
    assert all(Path(file).is_relative_to(installed) for file in (*found["sources"], found["vocabulary"]))
    assert Path(found["configs"]) == installed / "rvos" / "configs"
    assert found["experiments"] == sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml"))
    assert found["model"] == "s2rm" and found["pieces"] == ["the", "red", "circle"]


def test_the_installed_command_shows_its_help_and_its_models(python: Callable[..., str]) -> None:
    assert "segment" in python(COMMAND, "--help")
    known = json.loads(python(COMMAND, "models", "--json"))
    assert "s2rm" in {kind["name"] for kind in known["kinds"]}
    assert [model["name"] for model in known["embedded"]] == list(embedded_models())


def test_the_installed_command_segments_with_the_embedded_model(tmp_path: Path, python: Callable[..., str]) -> None:
    picture = np.full((96, 128, 3), 200, np.uint8)
    cv2.circle(picture, (64, 48), 24, (0, 0, 220), -1)
    (tmp_path / "clip").mkdir()
    for index in range(2):
        cv2.imwrite(str(tmp_path / "clip" / f"{index:05d}.png"), picture)
    python(COMMAND, "segment", "clip", "the red circle", "--model", "s2rm_tiny", "--out", "out", "--save", "masks")
    masks = sorted((tmp_path / "out" / "masks").rglob("*.png"))
    assert len(masks) == 2 and (tmp_path / "out" / "result.json").is_file()
