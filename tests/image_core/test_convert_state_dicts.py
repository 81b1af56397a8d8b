"""What all converters share: where the tensors lie in a file, and what else a file may hold."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from image_core.convert.state_dicts import load_weights, read_content, state_dict_of, training_argument
from image_core.errors import CheckpointError

STATE = {"a.weight": torch.ones(2), "b.bias": torch.zeros(1)}
HERE = Path("x.pth")


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"model": STATE, "optimizer": {"state": {}}, "epoch": 3},
        {"ema_state_dict": STATE, "state_dict": {"c": torch.zeros(1)}},
        {"ema_state_dict": {}, "state_dict": STATE},
        {"net": STATE, "epoch": 3},
        {f"module._orig_mod.{key}": value for key, value in STATE.items()},
        {"state_dict": {f"model.network.{key}": value for key, value in STATE.items()}},
    ],
)
def test_a_state_dict_is_found_under_any_name_and_prefix(content: dict[str, Any]) -> None:
    found = state_dict_of(content, HERE)
    assert found.keys() == STATE.keys() and all(torch.equal(found[key], value) for key, value in STATE.items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "got list"),
        ({}, "got dict"),
        ({"epoch": 3, "best": 0.5}, "got dict with epoch, best"),
        ({"net": STATE, "teacher": STATE}, "got dict with net, teacher"),
    ],
)
def test_what_holds_none_or_two_is_refused(content: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"x.pth: expected a state dict of tensors, {message}$"):
        state_dict_of(content, HERE)


def test_plain_values_of_a_training_are_read(tmp_path: Path) -> None:
    args = argparse.Namespace(mha="1-2-4-8", out=Path("runs/x"))
    content = {"model": STATE, "args": args, "best": np.float64(0.7), "curve": np.arange(3.0), "steps": np.arange(2)}
    torch.save(content, tmp_path / "x.pth")
    read = read_content(tmp_path / "x.pth")
    assert read["args"].mha == "1-2-4-8" and read["curve"].tolist() == [0, 1, 2] and read["steps"].tolist() == [0, 1]
    assert isinstance(read["args"].out, PurePath) and str(read["args"].out) == "runs/x"


def test_a_class_that_is_asked_for_is_named(tmp_path: Path) -> None:
    torch.save({"model": STATE, "what": pickle.Pickler}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"got one that asks for pickle\.Pickler; nothing of it was run"):
        read_content(tmp_path / "x.pth")
    (tmp_path / "x.pth").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="check that it is whole and that its suffix is right"):
        read_content(tmp_path / "x.pth")


@pytest.mark.parametrize("args", [{"mha": "8"}, argparse.Namespace(mha="8")])
def test_arguments_may_be_a_namespace_or_a_dict(args: Any) -> None:
    assert training_argument({"args": args}, "mha") == "8" and training_argument({"args": args}, "img_size") is None
    assert training_argument({}, "mha") is None and training_argument(STATE["a.weight"], "mha") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["weight"].fill_(float("nan")), r"1 with numbers that are not finite \(weight\)"),
        (lambda s: s.pop("bias"), r"1 missing \(bias\)"),
        (lambda s: s.update(more=torch.ones(1)), r"1 unexpected \(more\)"),
    ],
)
def test_a_model_is_filled_whole_with_numbers(change: Callable[[dict[str, Tensor]], Any], message: str) -> None:
    state = {key: value.clone() for key, value in nn.Linear(2, 2).state_dict().items()}
    change(state)
    with pytest.raises(CheckpointError, match=message):
        load_weights(nn.Linear(2, 2), state, "x.pth")
