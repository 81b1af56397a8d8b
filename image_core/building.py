"""From plain values (YAML, JSON, keywords) to frozen config dataclasses, nested ones included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, TypeVar

from image_core.errors import ConfigError, UnknownNameError
from image_core.faults import Faults
from image_core.field_types import type_errors, type_hints
from image_core.ranges import out_of_range

T = TypeVar("T")


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """A frozen dataclass from plain values: lists become tuples, mappings the dataclasses that their fields are.

    Raises, all in one, `UnknownNameError` for keys that the dataclass does not have (the nearest is named) and
    `ConfigError` for values that it cannot take, or that the declared ranges do not have.
    """
    hints, faults, accepted = type_hints(kind), Faults(), {}
    for key, value in values.items():
        with faults.gathered():
            if key not in hints:
                names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
                raise UnknownNameError(f"setting of {where}", key, names)
            converted = _value(hints[key], value, f"{where}.{key}")
            for check in (partial(type_errors, plain=True), out_of_range):
                for fault in check(kind, {key: converted}, where):
                    raise ConfigError(fault)
            accepted[key] = converted
    built: Any = None
    with faults.gathered():
        try:
            built = kind(**accepted)
        except TypeError as error:
            # After a fault its field is missing, and the constructor would only complain about that.
            if not faults:
                raise ConfigError(f"{where}: {error}") from error
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
    faults.raise_all()
    return built


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint) and not isinstance(value, hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected settings ({where}.KEY=VALUE), got {value!r}")
        return build(hint, value, where)
    return as_tuples(value)


def as_tuples(value: Any) -> Any:
    """Lists as tuples, at every depth; everything else as it is."""
    return tuple(as_tuples(v) for v in value) if isinstance(value, list) else value
