"""Formatting of names and numbers in the reports: fractions in percent with one decimal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

NOTHING = "–"
_LABELS = {
    "words": "expression length in words",
    "frames_per_s": "frames per second",
    "peak_memory_mb": "peak memory, MB",
}


def label(key: str) -> str:
    """A key of `metrics.json` as text."""
    words = _LABELS.get(key, key.replace("_", " "))
    return f"{words[:-2]}, s" if words.endswith(" s") else words


def is_figure(value: Any) -> bool:
    """Whether it is a fraction (a gain may be negative), not a count, a time, a text or a block."""
    return isinstance(value, float) and -1 <= value <= 1


def figures_of(block: Mapping[str, Any]) -> dict[str, float]:
    """The fractions of a block of `metrics.json`, in its order."""
    return {key: value for key, value in block.items() if is_figure(value)}


def percent(value: Any) -> str:
    """0.6413 -> "64.1"; a dash for anything that is not a number."""
    return f"{100 * value:.1f}".replace("-", "−") if _is_number(value) else NOTHING


def signed_percent(value: Any) -> str:
    """0.021 -> "+2.1", -0.021 -> "−2.1"."""
    return f"{100 * value:+.1f}".replace("-", "−") if _is_number(value) else NOTHING


def counted(count: int, noun: str) -> str:
    """1 -> "1 expression", 1200 -> "1,200 expressions"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plain(value: Any) -> str:
    """A value of the settings or of the speed, not in percent."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or NOTHING
    return str(value)


def flat(block: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested blocks, named `outer.inner`."""
    for key, value in block.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
