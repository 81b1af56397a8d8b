"""Random changes of files: of the bytes of any file, and of values in JSON. The same generator gives the same
changes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

_MOST_CHANGES = 6
_MOST_BYTES = 64

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**40, math.nan, math.inf, "", ".", "..", "a/b", "nul\0", "\ud83d", "7" * 300, [], {}),
    *([None], [[]], {"": None}, [-1] * 3, [math.nan] * 8, [1e12] * 8, {"size": [2**31, 2**31], "counts": "1"}),
)
"""Replacements for JSON values."""


def of_bytes(data: bytes, random: Random) -> bytes:
    """A few changes: flipped bits, other bytes, zeros, removed, repeated or inserted parts, a truncated end."""
    changed = bytearray(data)
    for _ in range(random.randint(1, _MOST_CHANGES)):
        random.choice(_CHANGES)(changed, random)
    return bytes(changed)


def _span(data: bytearray, random: Random) -> slice:
    start = random.randrange(len(data) + 1)
    # Headers lie at the beginning and matter most.
    start = start if random.random() < 0.7 else min(start, random.randrange(512))
    return slice(start, start + random.randint(1, _MOST_BYTES))


def _flip(data: bytearray, random: Random) -> None:
    if data:
        data[_span(data, random).start % len(data)] ^= 1 << random.randrange(8)


def _replace(data: bytearray, random: Random) -> None:
    span = _span(data, random)
    data[span] = random.randbytes(len(data[span]))


def _zero(data: bytearray, random: Random) -> None:
    span = _span(data, random)
    data[span] = bytes([random.choice((0, 255))]) * len(data[span])


def _cut_out(data: bytearray, random: Random) -> None:
    del data[_span(data, random)]


def _double(data: bytearray, random: Random) -> None:
    span = _span(data, random)
    data[span.start : span.start] = data[span]


def _put_in(data: bytearray, random: Random) -> None:
    span = _span(data, random)
    data[span.start : span.start] = random.randbytes(random.randint(1, _MOST_BYTES))


def _cut_off(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


_CHANGES: tuple[Callable[[bytearray, Random], None], ...] = (
    *(_flip, _flip, _replace, _zero, _cut_out, _double, _put_in, _cut_off),
)


def of_json(data: bytes, random: Random) -> bytes:
    """A few changed values, keys or elements; sometimes a duplicate key, or a byte order mark at the beginning."""
    document = json.loads(data)
    for _ in range(random.randint(1, 3)):
        document = _changed(document, random)
    text = json.dumps(document)
    if random.random() < 0.1:
        text = text.replace("{", '{"videos": {}, ', 1)
    return (b"\xef\xbb\xbf" if random.random() < 0.1 else b"") + text.encode()


def _changed(value: Any, random: Random) -> Any:
    """`value` with one change somewhere in it."""
    if not isinstance(value, (dict, list)) or not value or random.random() < 0.1:
        return random.choice(ODD_VALUES)
    if isinstance(value, dict):
        key = random.choice(list(value))
        odd = random.random()
        if odd < 0.08:
            return {k: v for k, v in value.items() if k != key}
        if odd < 0.16:
            return {random.choice(("", "..", "a/b", "\ud83d", "7")) if k == key else k: v for k, v in value.items()}
        return {k: _changed(v, random) if k == key else v for k, v in value.items()}
    position = random.randrange(len(value))
    odd = random.random()
    if odd < 0.08:
        return value[:position] + value[position + 1 :]
    if odd < 0.16:
        return [*value[:position], value[position], *value[position:]]
    return [*value[:position], _changed(value[position], random), *value[position + 1 :]]
