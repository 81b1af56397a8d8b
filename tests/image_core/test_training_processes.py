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
import hashlib, json, os, pickle, sys, time
from pathlib import Path

import torch
from accelerate import Accelerator

torch.set_num_threads(1)
from image_core.models.table import build_model
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.batches import PseudoPart, TrainingBatches
from image_core.training.engine import Engine

seen, validated = [], []
item = TrainingBatches.__getitem__
TrainingBatches.__getitem__ = lambda self, step: (batch := item(self, step), seen.append(batch.expressions))[0]


def validate(weights, step):
    time.sleep(0.5)  # the other process must wait
    validated.append(step)
    return {"mIoU": 0.5}


def told(settings, pseudo):
    seen.clear(), validated.clear()
    torch.manual_seed(0)
    engine = Engine(build_model(settings.model), SyntheticImages("train", 0, (32, 32), 2), settings, pseudo)
    engine.run(validate)
    digest = hashlib.sha256()
    for state in (engine.plain_model.state_dict(), engine.average.state):
        for key, value in state.items():
            if "running" not in key:  # each process has its own batch norms; those of the main one are saved
                digest.update(value.numpy().tobytes())
    world = engine.accelerator.num_processes
    return {"world": world, "seen": [*seen], "validated": [*validated], "weights": digest.hexdigest()}


folder = Path(sys.argv[1])
plain, with_pseudo = pickle.loads((folder / "settings.pkl").read_bytes())
pseudo = PseudoPart(SyntheticImages("val", 0, (32, 32), 2), 0.5, 4)
end_training = Accelerator.end_training
Accelerator.end_training = lambda self: None  # it ends the process group, which the second run needs
runs = {"plain": told(plain, None)}
Accelerator.end_training = end_training
runs["pseudo"] = told(with_pseudo, pseudo)
(folder / f"{os.environ['RANK']}.json").write_text(json.dumps(runs))
"""


@pytest.fixture(scope="module")
def in_two_processes(
    tiny_settings: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainConfig, dict[str, list[dict[str, Any]]]]:
    """The settings of the plain run; and of each run what each of two processes tells of it. torchrun is started once:
    every process of it loads torch.

    The plain run has device auto, so that it is also shown that processes without a GPU find each other.
    """
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"torchrun needs a port on the loopback address: {error}")
    folder = tmp_path_factory.mktemp("processes")
    common: dict[str, Any] = {"steps": 4, "batch_images": 4, "save_every": 4}
    plain = tiny_settings(**common, eval_every=2, device="auto", out=folder / "plain")
    pseudo = tiny_settings(**common, eval_every=4, out=folder / "pseudo")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "settings.pkl").write_bytes(pickle.dumps((plain, pseudo)))
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", str(folder / "script.py"), str(folder)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    return plain, {name: [each[name] for each in told] for name in ("plain", "pseudo")}


def test_two_processes_learn_from_pseudo_labels_as_one(
    in_two_processes: tuple[TrainConfig, dict[str, list[dict[str, Any]]]],
) -> None:
    """Each has other pictures of both parts; gradients that were not shared would leave them with other weights."""
    first, second = in_two_processes[1]["pseudo"]
    assert len(first["seen"]) == len(second["seen"]) == 2 * 4 and first["seen"] != second["seen"]
    assert first["weights"] == second["weights"]


def test_two_processes_make_one_run(
    in_two_processes: tuple[TrainConfig, dict[str, list[dict[str, Any]]]],
) -> None:
    settings, (first, second) = in_two_processes[0], in_two_processes[1]["plain"]
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
