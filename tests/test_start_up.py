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

from rvos.cli import app

HEAVY = {
    *("accelerate", "av", "cv2", "decord", "gradio", "h5py", "huggingface_hub", "hydra", "matplotlib", "numpy"),
    *("omegaconf", "onnx", "pandas", "PIL", "pycocotools", "ray", "rich", "scipy", "sympy", "timm", "torch"),
    *("torch._dynamo", "torchvision", "transformers", "triton"),
}
"""What takes a tenth of a second or ten megabytes, or more, and what they bring."""

PICTURES = {"numpy", "cv2", "PIL"}
FILMS = PICTURES | {"av", "pycocotools"}
NETWORKS = {"torch", "timm", "torchvision", "huggingface_hub"}
SETTINGS = FILMS | {"hydra", "omegaconf"}
TRAINING = PICTURES | NETWORKS | {"accelerate", "hydra", "omegaconf", "pycocotools"}

RUN = """
import json, shlex, sys
from rvos.cli import main
after = []
for words in sys.argv[1:]:
    code = main(shlex.split(words))
    after.append([code, sorted(sys.modules)])
with open("loaded.json", "w") as file:
    json.dump(after, file)
"""


@dataclass(frozen=True)
class Command:
    """A command line, what it may load, and how it ends."""

    words: str
    may_load: set[str]
    ends: int = 0


CHAINS = {
    # One process each, for its time: from a command to the next it may load more, never less.
    "from nothing on": (
        Command("--help", set()),
        Command("segment --help", set()),
        Command("models", {"numpy"}),
        Command("synth refcoco --count 1 --size 64", {"numpy", "cv2", "pycocotools"}),
        Command("data check refcoco --root data", PICTURES | {"pycocotools"}, ends=2),
        Command("segment --out out", FILMS, ends=2),
        Command("segment gone.mp4 circle --out out", FILMS, ends=2),
        Command("synth films --kind videos --count 1 --size 32 --frames 24 --layout mevis", FILMS),
        Command("submit mevis --root data --predictions data --out zip.zip", FILMS, ends=2),
        Command("segment clip circle --model s2rm_tiny --out answers", FILMS | NETWORKS),
    ),
    "score": (Command("score masks truth truth --out figures.json --workers 1", PICTURES | {"scipy"}),),
    "masks": (
        Command("segment clip --mask 0=mask.png --out masks", FILMS),
        Command("segment clip --set masker=none --mask 0=mask.png --out set", SETTINGS),
    ),
    "from masks on": (
        Command("app --port 0", set(), ends=2),
        Command("segment clip --mask 0=mask.png --out run", FILMS),
        Command("export run --format coco --out coco.json", FILMS),
        Command("draw run --out drawn.png", FILMS),
        Command("import coco.json --format coco --source clip --out imported", FILMS),
        Command("demo --video gone.mp4 --text circle --model s2rm_tiny --out demo", FILMS, ends=2),
        Command("evaluate mevis --root data --out evaluated", FILMS | NETWORKS | {"scipy"}, ends=2),
    ),
    "networks": (
        Command("convert lavt gone.pth converted.safetensors", PICTURES | NETWORKS, ends=2),
        Command("train experiment=safari_refcoco data.root=data", TRAINING, ends=2),
        Command("bootstrap experiment=safari_refcoco data.root=data", TRAINING, ends=2),
        Command("doctor", FILMS | TRAINING | {"onnx", "scipy"}),
    ),
}

REFUSED = (
    # What is named and is nowhere is refused before torch loads, which takes seconds. One process, as above.
    Command("convert seqt in.pth out.safetensors", set(), ends=2),
    Command("convert seqtr gone.pth out.safetensors", set(), ends=2),
    Command("convert lavt gone.pth out.safetensors --heads 4", set(), ends=2),
    Command("convert seqtr mask.png out.safetensors --vocabulary gone.json", set(), ends=2),
    Command("evaluate mevs --root gone --out out", set(), ends=2),
    Command("models fetch phot", set(), ends=2),
    Command("train", SETTINGS, ends=2),
    Command("train experiment=safari_refcco", SETTINGS, ends=2),
    Command("train experiment=safari_refcoco stps=5", SETTINGS, ends=2),
    Command("train experiment=safari_refcoco data.root=gone", SETTINGS, ends=2),
    Command("train experiment=safari_refcoco data.root=data", SETTINGS, ends=2),
    Command("train experiment=synthetic_safari_tiny data.name=refcco data.root=data", SETTINGS, ends=2),
    Command("train experiment=synthetic_safari_tiny init=gone.safetensors", SETTINGS, ends=2),
    Command("train experiment=synthetic_safari_tiny model.name=safri", SETTINGS, ends=2),
    Command("bootstrap experiment=safari_refcco", SETTINGS, ends=2),
    Command("bootstrap experiment=safari_refcoco data.root=gone", SETTINGS, ends=2),
    Command("evaluate mevis --root gone --out out", SETTINGS, ends=2),
    Command("evaluate mevis --root data --out out", SETTINGS, ends=2),
    Command("evaluate refcoco --root data --out out", SETTINGS, ends=2),
    Command("evaluate mevis --root data --out out --model s2rm_tny", SETTINGS, ends=2),
    Command("evaluate mevis --root data --out out --tracker trcks", SETTINGS, ends=2),
    Command("score mevis --root gone --predictions data --out figures.json", SETTINGS | {"scipy"}, ends=2),
    *(
        Command(f"segment clip circle --model {name} --out out", SETTINGS | {"scipy"}, ends=2)
        for name in ("s2rm_tny", "gone.safetensors", "hub:clipsg", "gone:build")
    ),
    Command("segment gone.mp4 circle --model s2rm_tiny --out out", SETTINGS | {"scipy"}, ends=2),
    Command("segment --list gone.csv --out out", SETTINGS | {"scipy"}, ends=2),
    Command("demo --video gone.mp4 --text circle --model s2rm_tiny --out demo", SETTINGS | {"scipy"}, ends=2),
    Command("models export s2rm_tny --out model.onnx", SETTINGS | {"scipy"}, ends=2),
)


def loaded_by(lines: Iterable[str], folder: Path, **environment: str | None) -> list[tuple[int, set[str]]]:
    """Command lines one after the other in a process of their own: of each its exit code, and which of the heavy
    packages are loaded after it. environment: variables to set, or, None, to take away."""
    command = [sys.executable, "-c", RUN, *lines]
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    return [(code, HEAVY & set(modules)) for code, modules in json.loads((folder / "loaded.json").read_text())]


def check(command: Command, code: int, loaded: set[str]) -> None:
    assert code == command.ends, command.words
    assert loaded <= command.may_load, f"rvos {command.words}: loads {', '.join(sorted(loaded - command.may_load))}"


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


@pytest.mark.parametrize("name", CHAINS)
def test_a_command_after_another_loads_what_it_uses(name: str, place: Path) -> None:
    """Without weights, which `doctor` would hash and load."""
    after = loaded_by([command.words for command in CHAINS[name]], place, RVOS_HOME="no_weights")
    for command, (code, loaded) in zip(CHAINS[name], after, strict=True):
        check(command, code, loaded)


def test_what_is_nowhere_is_refused_without_torch(place: Path) -> None:
    """Without the tests' own OMP_NUM_THREADS: whoever does not set it has torch's threads set by us."""
    after = loaded_by([command.words for command in REFUSED], place, OMP_NUM_THREADS=None)
    for command, (code, loaded) in zip(REFUSED, after, strict=True):
        check(command, code, loaded)


def test_every_command_has_a_row() -> None:
    rows = [command for chain in CHAINS.values() for command in chain]
    commands, groups = app.registered_commands, app.registered_groups
    named = {each.name or each.callback.__name__ for each in commands if each.callback} | {g.name for g in groups}
    assert named == {row.words.split()[0] for row in rows} - {"--help"}


@pytest.mark.weights
def test_the_default_model_loads_what_it_uses(place: Path) -> None:
    ((code, loaded),) = loaded_by(["segment clip 'the dog' --out photo"], place)
    assert code == 0 and loaded <= FILMS | NETWORKS | {"onnx", "scipy"}
