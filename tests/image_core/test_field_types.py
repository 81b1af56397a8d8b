"""Values against the types of fields: what fits, and what is told of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from image_core.errors import ConfigError
from image_core.field_types import type_errors
from image_core.models.description import ModelConfig
from image_core.models.table import build_model


@dataclass(frozen=True)
class Fields:
    """One of every kind that configs have."""

    count: int = 1
    share: float = 0.5
    name: str = ""
    on: bool = False
    form: Literal["mass", "margin"] = "mass"
    limit: float | None = None
    pair: tuple[float, float] = (0.0, 1.0)
    steps: tuple[int, ...] = ()
    other: object = None


@pytest.mark.parametrize(
    "values",
    [
        {"count": 3, "share": 2, "name": "a", "on": True, "form": "margin", "limit": None, "pair": [1, 0.5]},
        {"steps": [1, 2, 3], "other": {"any": "thing"}, "limit": 0.1},
        {"steps": (), "pair": (0.0, 1.0)},
        {},
    ],
)
def test_what_fits(values: dict[str, Any]) -> None:
    assert not list(type_errors(Fields, values, "here"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("count", 2.5, "a whole number"),
        ("count", True, "a whole number"),
        ("count", None, "a whole number"),
        ("share", "half", "a number"),
        ("share", float("nan"), "a number"),
        ("share", float("inf"), "a number"),
        ("share", False, "a number"),
        ("name", 5, "a text"),
        ("on", "maybe", "true or false"),
        ("on", 1, "true or false"),
        ("form", "mas", "one of mass, margin"),
        ("limit", "none", "a number or null"),
        ("pair", 0.5, "[number, number]"),
        ("pair", [0.5], "[number, number]"),
        ("pair", [0.5, "x"], "[number, number]"),
        ("steps", [1, 2.5], "a list of whole numbers"),
    ],
)
def test_what_does_not(key: str, value: Any, expected: str) -> None:
    assert list(type_errors(Fields, {key: value}, "here")) == [f"here.{key}: expected {expected}, got {value!r}"]
    plain = expected in ("a whole number", "a number", "a text", "true or false")
    assert bool(list(type_errors(Fields, {key: value}, "here", plain=True))) == plain


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"heads": 0}, "SafariConfig.heads: expected at least 1, got 0"),
        ({"points": 12.5}, "SafariConfig.points: expected a whole number, got 12.5"),
        ({"points": "abc", "amcr_weight": "abc"}, "got 'abc'; SafariConfig.amcr_weight: expected a number, got 'abc'"),
        ({"fused_layers": 2.5}, "SafariConfig.fused_layers: expected a whole number, got 2.5"),
        ({"amcr_margins": 0.5}, "SafariConfig.amcr_margins: expected [number, number], got 0.5"),
        ({"gate_start": None}, "SafariConfig.gate_start: expected a number, got None"),
        ({"position_in_tokens": "maybe"}, "SafariConfig.position_in_tokens: expected true or false, got 'maybe'"),
        ({"label_spread": float("nan")}, "SafariConfig.label_spread: expected a number, got nan"),
    ],
)
def test_fields_of_models(tiny_spec: Callable[..., ModelConfig], values: dict[str, Any], told: str) -> None:
    vision, text = (getattr(tiny_spec(), name) for name in ("vision", "text"))
    with pytest.raises(ConfigError) as caught:
        build_model(ModelConfig("safari", vision, text, values))
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_heads_of_s2rm(tiny_spec: Callable[..., ModelConfig]) -> None:
    spec = tiny_spec()
    with pytest.raises(ConfigError, match="S2RMConfig: expected at least 1 of each, got heads 0"):
        build_model(ModelConfig("s2rm", spec.vision, spec.text, {"heads": 0}))
