"""Loads published checkpoints without running code from them, and renames their tensors to ours.

A file is a state dict, or contains one under a known name; averaged weights are preferred. Every tensor must match one
pattern of the project's table, and every tensor of the model that the shapes describe must be loaded.
"""

from __future__ import annotations

import argparse
import inspect
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from image_core.convert.options import check_source
from image_core.errors import CheckpointError

Rule = tuple[str, str]
"""A pattern of a whole published key, and our key. `{q,k,v}` in ours splits a stacked tensor into equal rows;
`<linear>` at its end removes trailing axes of length 1, since a 1x1 convolution is a linear layer here."""

_NUMPY_CONSTRUCTORS: tuple[Any, ...] = (np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0])
"""The functions that a pickle calls to make a number and an array of NumPy."""

SAFE_GLOBALS: tuple[Any, ...] = (
    argparse.Namespace,  # LAVT keeps the arguments of its training beside the weights
    # Scores, as NumPy numbers and arrays; NumPy before 2 wrote another name.
    *(each for made in _NUMPY_CONSTRUCTORS for each in (made, (made, f"numpy.core.multiarray.{made.__name__}"))),
    np.ndarray,
    np.dtype,
    *(getattr(np.dtypes, f"{kind}DType") for kind in ("Float32", "Float64", "Int32", "Int64", "Bool")),
    *(
        (path, f"pathlib{module}.{name}")
        for path, name in ((PurePosixPath, "PosixPath"), (PureWindowsPath, "WindowsPath"))
        for module in ("", "._local")  # from Python 3.13 on
    ),
)
"""Globals that a checkpoint may use besides tensors and Python's plain values. None of them runs code."""

_WRAPPER_PREFIXES = r"^(?:module\.|_orig_mod\.)+"
"""Prefixes of keys from wrappers for several processes and for compilation."""

_STATE_DICT_NAMES = ("ema_state_dict", "model_ema", "state_dict", "model_state_dict", "model")
"""Names of a state dict inside a file, averaged weights first."""


def rename_keys(
    state: Mapping[str, Tensor],
    rules: Sequence[Rule],
    source: str = "checkpoint",
    resolve_path: Callable[[str], str] = str,
) -> dict[str, Tensor]:
    """Published keys -> our keys. `resolve_path` is applied to ours at the end, where they depend on a number in
    theirs.

    Raises `CheckpointError` for keys that no rule, or more than one, knows.
    """
    ours: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        names = [match.expand(target) for pattern, target in rules if (match := re.fullmatch(pattern, key))]
        if len(names) != 1:
            unknown.append(key)
            continue
        name = resolve_path(names[0])
        if name.endswith("<linear>"):
            name, value = name.removesuffix("<linear>"), value.flatten(1) if value.ndim > 1 else value
        if "{q,k,v}" in name:
            parts = {name.replace("{q,k,v}", part): rows for part, rows in zip("qkv", value.chunk(3), strict=True)}
        else:
            parts = {name: value}
        ours |= parts
    if unknown:
        raise CheckpointError(f"{source}: {format_keys(unknown, 'not of this project as it is known')}")
    return ours


@dataclass(frozen=True)
class KeyTable:
    """The tensor names of a project."""

    #: Exactly one must match each published key.
    rules: tuple[Rule, ...]
    #: Patterns of tensors in its files that its code does not use, or computes again.
    unused: tuple[str, ...] = ()
    #: See `rename_keys`.
    resolve_path: Callable[[str], str] = str

    def rename_keys(self, state: Mapping[str, Tensor], source: str = "checkpoint") -> dict[str, Tensor]:
        """Published keys -> our keys, what is unused left out. Raises `CheckpointError`."""
        used = {k: v for k, v in state.items() if not any(re.fullmatch(pattern, k) for pattern in self.unused)}
        return rename_keys(used, self.rules, source, self.resolve_path)


def load_weights(model: torch.nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load strictly, except presence calibration, which is ours and stays. Raises `CheckpointError` for any other
    difference, and for numbers that are not finite."""
    own_state = model.state_dict()
    expected = {key for key in own_state if key not in ("presence_scale", "presence_offset")}
    mismatched = sorted(k for k in expected & state.keys() if own_state[k].shape != state[k].shape)
    faults = [
        format_keys(sorted(keys), label)
        for label, keys in (
            (
                "with numbers that are not finite",
                {k for k, v in state.items() if not v.is_meta and not v.isfinite().all()},
            ),
            ("missing", expected - state.keys()),
            ("unexpected", state.keys() - expected),
            ("of another shape", mismatched),
        )
        if keys
    ]
    if faults:
        raise CheckpointError(f"{source}: tensors do not fit the model they describe: {'; '.join(faults)}")
    model.load_state_dict({**own_state, **state}, strict=True)


def read_content(source: Path) -> Any:
    """The content of a .safetensors or a torch file: tensors, plain values, and objects of `SAFE_GLOBALS`.

    Raises `CheckpointError` for a file that is missing, broken, or asks for anything else.
    """
    check_source(source)
    try:
        if source.suffix == ".safetensors":
            return load_file(source)
        with torch.serialization.safe_globals(list(SAFE_GLOBALS)):
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        match = re.search(r"GLOBAL (\S+)", str(error))
        if match is None:
            raise _unreadable(source, error) from error
        raise CheckpointError(
            f"{source}: expected a file of tensors and plain values, got one that asks for {match[1]}; nothing of it "
            "was run: save its state dict by itself"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{source}: expected a file of tensors and plain values, got one that cannot be read "
        f"({type(error).__name__}): check that it is whole and that its suffix is right"
    )


def state_dict_of(content: Any, source: Path) -> dict[str, Tensor]:
    """The state dict in what was read: averaged weights before plain ones, else the only one under any name; without
    the prefixes of wrappers, and without one that all keys share.

    Raises `CheckpointError` where there is none.
    """
    state_dict = content
    if isinstance(content, dict) and not _is_state(content):
        candidates = [
            content[name] for name in _STATE_DICT_NAMES if isinstance(content.get(name), dict) and content[name]
        ]
        others = [value for value in content.values() if _is_state(value)]
        state_dict = candidates[0] if candidates else others[0] if len(others) == 1 else content
    if not _is_state(state_dict):
        raise CheckpointError(
            f"{source}: expected a state dict of tensors, got {type(state_dict).__name__}{_keys(state_dict)}"
        )
    state = {re.sub(_WRAPPER_PREFIXES, "", str(key)): value for key, value in state_dict.items()}
    while len(state) > 1 and len({key.partition(".")[0] for key in state}) == 1:
        state = {key.partition(".")[2]: value for key, value in state.items()}  # a network inside another
    return state


def _is_state(content: Any) -> bool:
    return isinstance(content, dict) and bool(content) and all(isinstance(v, Tensor) for v in content.values())


def _keys(content: Any) -> str:
    return f" with {', '.join(map(str, list(content)[:5]))}" if isinstance(content, dict) and content else ""


def training_argument(content: Any, name: str) -> Any:
    """The value of a training argument that is stored beside the weights, or None."""
    arguments = content.get("args") if isinstance(content, dict) else None
    return arguments.get(name) if isinstance(arguments, dict) else getattr(arguments, name, None)


def read_state_dict(source: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or a torch file. Raises `CheckpointError`."""
    return state_dict_of(read_content(source), source)


@dataclass(frozen=True)
class Shapes:
    """The shapes of a project's tensors, by published key."""

    state: Mapping[str, Tensor]
    #: Beginning of error messages: which checkpoint was expected.
    expected: str

    def of(self, key: str) -> Sequence[int]:
        """The shape of a tensor. Raises `CheckpointError` if there is no such tensor."""
        if key not in self.state:
            raise CheckpointError(f"{self.expected}, got none with a tensor '{key}'")
        return self.state[key].shape

    def count(self, pattern: str) -> int:
        """The number of different values of a pattern's first group, over all keys that begin with a match."""
        return len({match[1] for key in self.state if (match := re.match(pattern, key))})


def non_defaults(values: Mapping[str, Any], constructor: Callable[..., Any]) -> dict[str, Any]:
    """The values that differ from the defaults of the function or class they are passed to."""
    defaults = inspect.signature(constructor).parameters
    return {name: value for name, value in values.items() if value != defaults[name].default}


def format_keys(keys: Sequence[str], label: str) -> str:
    """The number of keys, the label, and the first three keys."""
    return f"{len(keys)} {label} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
