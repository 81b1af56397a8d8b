"""State as data: a frozen dataclass becomes bytes, and an equal one is read back. A component that keeps its state in
such a dataclass can be resumed.

Fields may be numbers, texts, truth values, None, `bytes`, enums of text, NumPy arrays, torch tensors of any dtype,
further dataclasses, tuples of these, and mappings from numbers or texts to them. The bytes are a safetensors file, so
nothing runs when they are read. What they hold is rebuilt by the fields' type hints, which check it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from math import prod
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from image_core.field_types import type_hints

if TYPE_CHECKING:
    import torch

State = TypeVar("State")

_TREE = "tree"
"""The tensor that holds everything but the arrays, as JSON; the arrays are named 0, 1, ... beside it."""


def to_bytes(state: Any) -> bytes:
    """A frozen dataclass as bytes: nothing is rounded, tensors of any device are written alike.

    Raises `TypeError` for a value of a kind that cannot be written.
    """
    if not is_dataclass(state) or isinstance(state, type):
        raise TypeError(f"state: expected a dataclass, got {type(state).__name__}")
    arrays: list[np.ndarray] = []
    tree = json.dumps({"kind": type(state).__name__, "value": _packed(state, arrays)})
    named = {str(i): array for i, array in enumerate(arrays)}
    return safetensors.numpy.save({_TREE: np.frombuffer(tree.encode(), np.uint8), **named})


def from_bytes(kind: type[State], data: bytes, device: torch.device | str = "cpu") -> State:
    """The state of type `kind` that `to_bytes` wrote, its tensors on `device`.

    Raises `ValueError` where the bytes are damaged, or hold something else.
    """
    try:
        arrays = safetensors.numpy.load(data)
        tree = json.loads(arrays.pop(_TREE).tobytes())
        if tree["kind"] != kind.__name__:
            raise ValueError(f"state: expected one of {kind.__name__}, got one of {tree['kind']}")
        return _unpacked(kind, tree["value"], lambda i: arrays[str(i)], device)
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"state of {kind.__name__}: damaged ({error!r})") from error


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """JSON values; the content of arrays goes to `arrays`, as bytes, and their places hold where."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _packed(getattr(value, f.name), arrays) for f in fields(value) if f.init}
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, StrEnum) else value
    if isinstance(value, tuple):
        return [_packed(each, arrays) for each in value]
    if isinstance(value, Mapping):
        return [[key, _packed(each, arrays)] for key, each in value.items()]
    if isinstance(value, bytes):
        return _store_array(np.frombuffer(value, np.uint8), "bytes", (len(value),), arrays)
    if isinstance(value, np.ndarray):
        raw = np.packbits(value) if value.dtype == np.bool_ else np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return _store_array(raw, value.dtype.name, value.shape, arrays)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        tensor: Any = value
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        return _store_array(
            flat.view(torch.uint8).numpy(), str(tensor.dtype).removeprefix("torch."), tensor.shape, arrays
        )
    raise TypeError(f"state: {type(value).__name__} cannot be written; see image_core.state for what can")


def _store_array(raw: np.ndarray, dtype: str, shape: tuple[int, ...], arrays: list[np.ndarray]) -> dict[str, Any]:
    arrays.append(raw)
    return {"array": len(arrays) - 1, "dtype": dtype, "shape": list(shape)}


def _unpacked(hint: Any, value: Any, array: Callable[[int], np.ndarray], device: torch.device | str) -> Any:
    """The inverse of `_packed`, by the type hint of the place where the value stands."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        (hint,) = (argument for argument in arguments if argument is not NoneType)
        return _unpacked(hint, value, array, device)
    if is_dataclass(hint) and isinstance(hint, type):
        hints = type_hints(hint)
        names = [f.name for f in fields(hint) if f.init]
        if value.keys() != set(names):
            raise ValueError(f"state of {hint.__name__}: expected the fields {names}, got {sorted(value)}")
        return hint(**{name: _unpacked(hints[name], value[name], array, device) for name in names})
    if origin is tuple:
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_unpacked(kind, each, array, device) for kind, each in zip(kinds, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {arguments[0](key): _unpacked(arguments[1], each, array, device) for key, each in value}
    if isinstance(value, dict):
        return _restored(hint, value, array(value["array"]), device)
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if type(value) is not hint:
        raise ValueError(f"state: expected {hint}, got {value!r}")
    return value


def _restored(hint: Any, entry: Mapping[str, Any], raw: np.ndarray, device: torch.device | str) -> Any:
    """An array, a tensor or bytes from its bytes."""
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if hint is bytes:
        return raw.tobytes()
    if hint is np.ndarray:
        if dtype == "bool":
            return np.unpackbits(raw, count=prod(shape)).astype(bool).reshape(shape)
        return raw.view(dtype).reshape(shape).copy()
    import torch

    if hint is not torch.Tensor:
        raise ValueError(f"state: expected {hint}, got an array of {dtype}")
    kind = getattr(torch, dtype)
    if not shape or prod(shape):
        return torch.from_numpy(raw.copy()).view(kind).reshape(shape).to(device)
    return torch.empty(shape, dtype=kind, device=device)
