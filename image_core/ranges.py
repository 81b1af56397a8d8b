"""Ranges of numbers, declared where they are fields: `candidate: Share = 0.4`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_args

from image_core.errors import ConfigError
from image_core.field_types import type_errors, type_hints


@dataclass(frozen=True)
class Range:
    """The numbers from `minimum` to `maximum`, both included; None where there is no bound."""

    minimum: float | None = None
    maximum: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    def __str__(self) -> str:
        if self.maximum is None:
            return f"{self.minimum:g} or more"
        return f"{self.maximum:g} or less" if self.minimum is None else f"{self.minimum:g} to {self.maximum:g}"


Share = Annotated[float, Range(0, 1)]
PositiveShare = Annotated[float, Range(1e-6, 1)]
Weight = Annotated[float, Range(0, 100)]
"""The most log-odds that one kind of evidence adds."""
LogOdds = Annotated[float, Range(-20, 20)]
Count = Annotated[int, Range(1)]


def range_of(kind: type, name: str) -> Range | None:
    """The range that a dataclass declares for its field, which may also be left open (`Share | None`); None where it
    declares none."""
    hint = type_hints(kind, include_extras=True)[name]
    annotations = (each for part in (hint, *get_args(hint)) for each in get_args(part)[1:])
    return next((each for each in annotations if isinstance(each, Range)), None)


def out_of_range(kind: type, values: Mapping[str, Any], where: str) -> Iterator[str]:
    """One line for each value outside the range of its field in `kind`. The values have the types of their fields."""
    for name, value in values.items():
        declared = range_of(kind, name)
        if declared is not None and value is not None and value not in declared:
            yield f"{where}.{name}: expected {declared}, got {value}"


def check_ranges(config: Any) -> None:
    """For `__post_init__`: check that numbers are numbers, and in their ranges. Raises one `ConfigError` with all
    faults."""
    kind = type(config)
    values = {each.name: getattr(config, each.name) for each in fields(config)}
    faults = list(type_errors(kind, values, kind.__name__)) or list(out_of_range(kind, values, kind.__name__))
    if faults:
        raise ConfigError("; ".join(faults))
