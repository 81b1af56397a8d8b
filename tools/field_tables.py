"""The settings of a video system as rows: every field of its description, with its default and what it means."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from marked_comments import marked_comment

from rvos.parts import PartConfig
from rvos.reading import PROPAGATORS
from rvos.system import SystemConfig
from rvos.tracking import TRACKERS
from rvos.tracking.hub.objects import NetworkConfig
from rvos.tracking.hub.tracks import HubTracks

Row = tuple[str, str, str]
BY_OPTIONS = {"model", "device", "precision"}


def system_rows() -> list[Row]:
    """What `--set` takes beside the numbers of propagators and trackers."""
    return [row for row in rows_of(SystemConfig(), "") if row[0].strip("`") not in BY_OPTIONS]


def part_rows() -> Iterator[tuple[str, Row]]:
    """Every number of every propagator and tracker, with the name of the part; of a tracker of the hub those that
    `tracks` has not."""
    for group, parts in (("propagation", PROPAGATORS), ("tracker", TRACKERS)):
        for name in parts:
            yield from ((name, row) for row in rows_of(parts[name].config_type(), f"{group}."))
    yield from (("hub:NAME", row) for row in rows_of(NetworkConfig(), f"tracker.{HubTracks.of_masks}."))


def rows_of(config: Any, prefix: str) -> Iterator[Row]:
    """Key, default and meaning of each field of a dataclass, those of its dataclasses after its own name and a dot."""
    meanings = meanings_of(type(config))
    for field in fields(config):
        value, key = getattr(config, field.name), prefix + field.name
        if is_dataclass(value) and not isinstance(value, PartConfig):
            yield from rows_of(value, f"{key}.")
        elif not isinstance(value, PartConfig):
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            yield f"`{key}`", f"`{shown}`" if shown else "", meanings[field.name]


def meanings_of(kind: type) -> dict[str, str]:
    """What the comment of each field says: the text below it, or the `#:` lines above or behind it; "" without one."""
    meanings = dict.fromkeys((field.name for field in fields(kind)), "")
    for base in reversed([c for c in kind.__mro__ if is_dataclass(c)]):
        source = textwrap.dedent(inspect.getsource(base))
        lines, body = source.splitlines(), ast.parse(source).body[0].body  # type: ignore[attr-defined]
        for node, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                meanings[node.target.id] = _text_below(after) or marked_comment(lines, node)
    return {name: " ".join(text.split()) for name, text in meanings.items()}


def _text_below(node: ast.stmt | None) -> str:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return node.value.value if is_text else ""  # type: ignore[union-attr]
