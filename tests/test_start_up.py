"""Nothing is imported that a command does not use: which heavy packages each of them may load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

HEAVY = {
    *("accelerate", "av", "cv2", "decord", "h5py", "huggingface_hub", "hydra", "matplotlib", "numpy", "omegaconf"),
    *("onnx", "pandas", "PIL", "pycocotools", "rich", "scipy", "sympy", "timm", "torch", "torch._dynamo"),
    *("torchvision", "transformers", "triton"),
}
"""What takes a tenth of a second or ten megabytes, or more, and what they bring."""

PICTURES = {"numpy", "cv2", "PIL"}
FILMS = PICTURES | {"av", "pycocotools"}
NETWORKS = {"torch", "timm", "torchvision", "huggingface_hub"}

RUN = """
import json, sys
from rvos.cli import main
code = main(sys.argv[1:])
with open("loaded.json", "w") as file:
    json.dump([code, sorted(sys.modules)], file)
"""


@dataclass(frozen=True)
class Command:
    """A command line, what it may load, and how it ends."""

    words: str
    may_load: set[str]
    ends: int = 0


COMMANDS = {
    "help": Command("--help", set()),
    "help of a command": Command("segment --help", set()),
    "usage": Command("segment --out out", FILMS, ends=2),
    "models": Command("models", {"numpy"}),
    "pictures made": Command("synth refcoco --count 1 --size 64", {"numpy", "cv2", "pycocotools"}),
    "films made": Command("synth films --kind videos --count 1 --size 32 --frames 24 --layout mevis", FILMS),
    "data": Command("data check refcoco --root data", PICTURES | {"pycocotools"}, ends=2),
    "score": Command("score masks truth truth --out figures.json --workers 1", PICTURES | {"scipy"}),
    "submit": Command("submit mevis --root data --predictions data --out zip.zip", FILMS, ends=2),
    "masks": Command("segment clip --mask 0=mask.png --out masks", FILMS),
    "no such file": Command("segment gone.mp4 circle --out out", FILMS, ends=2),
    "embedded model": Command("segment clip circle --model s2rm_tiny --out answers", FILMS | NETWORKS),
    "settings": Command("segment clip --set masker=none --mask 0=mask.png --out set", FILMS | {"hydra", "omegaconf"}),
}


def loaded_by(words: Iterable[str], folder: Path, **environment: str) -> tuple[int, set[str]]:
    """The exit code of a command line in a process of its own, and which of the heavy packages it has loaded."""
    command = [sys.executable, "-c", RUN, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    code, modules = json.loads((folder / "loaded.json").read_text())
    return code, HEAVY & set(modules)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of one frame with a mask, the same as truth of one sequence, and an empty folder `data`."""
    folder = tmp_path_factory.mktemp("start_up")
    mask = np.zeros((48, 64), np.uint8)
    mask[16:32, 16:40] = 255
    for path in ("clip/00000.png", "mask.png", "truth/sequence/00000.png"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / path), mask if path != "clip/00000.png" else np.dstack([mask] * 3))
    (folder / "data").mkdir()
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_what_it_uses(name: str, place: Path) -> None:
    command = COMMANDS[name]
    code, loaded = loaded_by(command.words.split(), place)
    assert code == command.ends
    assert loaded <= command.may_load, f"rvos {command.words}: loads {', '.join(sorted(loaded - command.may_load))}"


@pytest.mark.weights
def test_the_default_model_loads_what_it_uses(place: Path) -> None:
    words = ["segment", "clip", "the dog", "--out", "photo"]
    code, loaded = loaded_by(words, place)
    assert code == 0 and loaded <= FILMS | NETWORKS | {"onnx", "scipy"}
