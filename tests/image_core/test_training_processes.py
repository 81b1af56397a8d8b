"""One run in two processes, started as people start it: torchrun, here over gloo on the loopback address."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from image_core.training.config import TrainConfig
from image_core.training.log import read_log

SCRIPT = """
import hashlib, json, pickle, sys, time
from pathlib import Path

import torch

torch.set_num_threads(1)
from image_core.models.table import build_model
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.batches import PseudoPart
from image_core.training.engine import Engine

settings = pickle.loads(Path(sys.argv[1]).read_bytes())
torch.manual_seed(0)
pseudo = PseudoPart(SyntheticImages("val", 0, (32, 32), 2), 0.5, 4) if len(sys.argv) > 2 else None
engine = Engine(build_model(settings.model), SyntheticImages("train", 0, (32, 32), 2), settings, pseudo)
seen = []
item = engine.batches.__class__.__getitem__
engine.batches.__class__.__getitem__ = lambda self, step: (batch := item(self, step), seen.append(batch.expressions))[0]
validated = []


def validate(weights, step):
    time.sleep(0.5)  # the other process must wait
    validated.append(step)
    return {"mIoU": 0.5}


rank, world = engine.accelerator.process_index, engine.accelerator.num_processes
engine.run(validate)
digest = hashlib.sha256()
for state in (engine.plain_model.state_dict(), engine.average.state):
    for key, value in state.items():
        if "running" not in key:  # each process has its own batch norms; those of the main one are saved
            digest.update(value.numpy().tobytes())
told = {"world": world, "seen": seen, "validated": validated, "weights": digest.hexdigest()}
Path(sys.argv[1]).with_suffix(f".{rank}.json").write_text(json.dumps(told))
"""


@pytest.fixture
def loopback() -> None:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"torchrun needs a port on the loopback address: {error}")


def in_two_processes(settings: TrainConfig, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """What each of two processes tells of a run."""
    (folder / "script.py").write_text(SCRIPT)
    (folder / "settings.pkl").write_bytes(pickle.dumps(settings))
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", str(folder / "script.py"), str(folder / "settings.pkl"), *arguments],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"settings.{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.usefixtures("loopback")
def test_two_processes_learn_from_pseudo_labels_as_one(
    tiny_settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """Each has other pictures of both parts; gradients that were not shared would leave them with other weights."""
    settings = tiny_settings(steps=4, batch_images=4, save_every=4, eval_every=4, out=tmp_path / "run")
    first, second = in_two_processes(settings, tmp_path, "pseudo")
    assert len(first["seen"]) == len(second["seen"]) == 2 * 4 and first["seen"] != second["seen"]
    assert first["weights"] == second["weights"]


@pytest.mark.usefixtures("loopback")
def test_two_processes_make_one_run(tiny_settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """Device auto, so that it is also shown that processes without a GPU find each other."""
    settings = tiny_settings(steps=4, batch_images=4, save_every=4, eval_every=2, device="auto", out=tmp_path / "run")
    first, second = in_two_processes(settings, tmp_path)
    assert first["world"] == second["world"] == 2
    assert first["weights"] == second["weights"]
    assert (first["validated"], second["validated"]) == ([2, 4], [])

    from image_core.synthetic.dataset import SyntheticImages
    from image_core.training.batches import TrainingBatches

    alone = TrainingBatches(SyntheticImages("train", 0, (32, 32), 2), settings)
    together = [tuple(a + b) for a, b in zip(first["seen"], second["seen"], strict=True)]
    assert together == [alone[step].expressions for step in range(4)]
    kinds = [(line["step"], line["kind"]) for line in read_log(settings.out / "log.jsonl")]
    assert kinds == [(1, "train"), (2, "train"), (2, "validation"), (3, "train"), (4, "train"), (4, "validation")]
    names = sorted(p.name for p in settings.out.iterdir())
    assert names == ["curves.png", "log.jsonl", "settings.json", "state.pt"]
