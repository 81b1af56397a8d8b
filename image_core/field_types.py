"""Checks plain values against the field types of a config dataclass, before the dataclass compares and counts them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_PLAIN = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
"""The types of a single value, each with what a message calls it."""

type_hints = cache(get_type_hints)
"""`typing.get_type_hints`, read once per class: it compiles every annotation anew."""


def type_errors(kind: type, values: Mapping[str, Any], where: str, *, plain: bool = False) -> Iterator[str]:
    """One line for each value of another type than the field of that name in `kind`: what was expected, what came.

    Floats must be finite. A whole number is accepted as a float, and a list as a tuple. Types that YAML does not have
    are not checked. plain: check only numbers, texts and booleans, for a `kind` that checks its other fields itself.
    """
    hints = type_hints(kind)
    for key, value in values.items():
        if not (has_type(value, hints[key]) or (plain and hints[key] not in _PLAIN)):
            yield f"{where}.{key}: expected {_describe_type(hints[key])}, got {value!r}"


def check_fields(config: Any) -> None:
    """For `__post_init__`, before anything is compared. Raises `ValueError` for values of other types than declared."""
    kind = type(config)
    if faults := list(type_errors(kind, {f.name: getattr(config, f.name) for f in fields(config)}, kind.__name__)):
        raise ValueError("; ".join(faults))


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as fields are annotated with."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if hint in (*_PLAIN, NoneType):
        return type(value) is hint
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(has_type(value, argument) for argument in arguments)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        each = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return len(each) == len(value) and all(has_type(v, t) for v, t in zip(value, each, strict=True))
    return True


def _describe_type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is NoneType:
        return "null"
    if origin is Literal:
        return f"one of {', '.join(str(argument) for argument in arguments)}"
    if origin in (Union, UnionType):
        return " or ".join(_describe_type(argument) for argument in arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list of {_describe_type(arguments[0]).removeprefix('a ')}s"
        return f"[{', '.join(_describe_type(argument).removeprefix('a ') for argument in arguments)}]"
    return _PLAIN.get(hint) or hint.__name__
