"""The law of states: what goes into bytes comes out equal, and nothing else is taken for a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import pytest
import torch
from torch import Tensor

from image_core.state import from_bytes, to_bytes


class Mood(StrEnum):
    CALM = "calm"
    WILD = "wild"


@dataclass(frozen=True)
class Part:
    look: np.ndarray
    mood: Mood = Mood.CALM


@dataclass(frozen=True)
class Whole:
    count: int
    share: float
    name: str
    on: bool
    size: tuple[int, int]
    parts: tuple[Part, ...]
    by_stride: Mapping[int, Tensor]
    inner: bytes = b""
    mask: np.ndarray | None = None
    tensor: Tensor | None = None
    part: Part | None = None
    texts: dict[str, str] = field(default_factory=dict)


WHOLE = Whole(
    count=3,
    share=0.1 + 0.2,
    name='a "name", ü',
    on=True,
    size=(4, 5),
    parts=(Part(np.arange(3, dtype=np.float32), Mood.WILD), Part(np.zeros((0, 2), np.int64))),
    by_stride={16: torch.ones(2, 3, dtype=torch.bfloat16) / 3, 4: torch.zeros(0, 7)},
    inner=b"\x00\xff",
    mask=np.arange(35).reshape(5, 7) % 3 == 0,
    tensor=torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    part=Part(np.array(2.5)),
    texts={"a": "b"},
)


def equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and list(one) == list(other) and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, Part | Whole):
        return type(one) is type(other) and all(equal(v, getattr(other, k)) for k, v in vars(one).items())
    return type(one) is type(other) and one == other


def test_what_is_written_comes_back_equal() -> None:
    assert equal(from_bytes(Whole, to_bytes(WHOLE)), WHOLE)
    bare = replace(WHOLE, mask=None, tensor=None, part=None, parts=())
    assert equal(from_bytes(Whole, to_bytes(bare)), bare) and not equal(bare, WHOLE)


def test_equal_states_are_equal_bytes_whatever_their_memory_looks_like() -> None:
    assert WHOLE.tensor is not None and WHOLE.mask is not None
    other = replace(WHOLE, tensor=WHOLE.tensor.contiguous(), mask=np.asfortranarray(WHOLE.mask))
    assert to_bytes(other) == to_bytes(WHOLE)


def test_arrays_that_come_back_can_be_written_to() -> None:
    part = from_bytes(Part, to_bytes(WHOLE.parts[0]))
    part.look[0] = 7
    assert part.look[0] == 7


def test_masks_take_a_bit_a_pixel() -> None:
    assert len(to_bytes(Part(np.zeros((480, 854), bool)))) < 480 * 854 / 8 + 500


@pytest.mark.parametrize("data", [b"", b"nothing", to_bytes(WHOLE)[:-1], to_bytes(WHOLE.parts[0])])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        from_bytes(Whole, data)


def test_a_state_of_other_fields_is_refused() -> None:
    data = to_bytes(Part(np.zeros(2)))

    @dataclass(frozen=True)
    class Part2:
        look: np.ndarray
        more: int = 0

    Part2.__name__ = "Part"
    with pytest.raises(ValueError, match=r"expected the fields \['look', 'more'\], got \['look', 'mood'\]"):
        from_bytes(Part2, data)


@dataclass(frozen=True)
class Renamed:
    trajectory: int = field(metadata={"key": "way"})


def test_a_field_with_a_key_is_stored_under_the_key() -> None:
    data = to_bytes(Renamed(7))
    assert b'"way": 7' in data and b"trajectory" not in data
    assert from_bytes(Renamed, data) == Renamed(7)


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Anything:
    value: object


def test_a_value_of_another_type_than_declared_is_refused() -> None:
    data = to_bytes(Number("three"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="expected <class 'int'>, got 'three'"):
        from_bytes(Number, data)


@pytest.mark.parametrize("value", [object(), [1], {1, 2}])
def test_what_cannot_be_written_is_named(value: object) -> None:
    with pytest.raises(TypeError, match=f"{type(value).__name__} cannot be written"):
        to_bytes(Anything(value))
    with pytest.raises(TypeError, match="expected a dataclass, got int"):
        to_bytes(3)
