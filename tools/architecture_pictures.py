"""The pictures of docs/architecture.md: the rooms of each package, floor above floor, and who imports whom.

python tools/architecture_pictures.py

Rooms, floors and imports are those that tests/test_architecture.py reads and asserts. A test asserts that the pictures
are what this command writes. Lines that follow from others are left out; under the pointer a room shows all of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from marked_tables import ROOT

from tests.test_architecture import IMPORTS, LAYERS, MODULES, PACKAGED, room_of

Edges = Mapping[str, set[str]]

WIDTH_PX = 960
FLOOR_PX = 62
ROOM_PX = 28
LETTER_PX = 7.3
PAD_PX = 12
SWEEPS = 8
SHIFTS = (0.0, -0.3, 0.3, -0.12, 0.45, -0.45, 0.15)
"""Of a floor, as shares of the gap between its rooms."""
STYLE = """
  .floors { --ink: #24242b; --paper: #ffffff; --room: #e8ecf8; --edge: #7a83a8; --line: #e3e5ec; --lit: #c2410c;
    background: var(--paper); font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  @media (prefers-color-scheme: dark) {
    .floors { --ink: #e8e8ee; --paper: #1b1b20; --room: #2f3550; --edge: #8f98c0; --line: #2c2c34; --lit: #fb923c } }
  [data-md-color-scheme=default] .floors { --ink: #24242b; --paper: transparent; --room: #e8ecf8; --edge: #7a83a8;
    --line: #e3e5ec; --lit: #c2410c }
  [data-md-color-scheme=slate] .floors { --ink: #e8e8ee; --paper: transparent; --room: #2f3550; --edge: #8f98c0;
    --line: #2c2c34; --lit: #fb923c }
  .floors text { fill: var(--ink); text-anchor: middle }
  .floors rect { fill: var(--room); stroke: var(--edge) }
  .floors path { fill: none; stroke: var(--edge); opacity: 0.55 }
  .floors line { stroke: var(--line) }
  .floors .all { stroke: var(--lit); stroke-width: 1.6; opacity: 0; pointer-events: none }
  .floors g:hover .all { opacity: 1 }
  .floors g:hover rect { stroke: var(--lit); stroke-width: 2 }
"""


def edges_of(package: str) -> dict[str, set[str]]:
    """Room -> the rooms of its package that it imports."""
    edges: dict[str, set[str]] = {room: set() for floor in LAYERS[package] for room in floor}
    for path in PACKAGED:
        if path.parts[0] == package:
            targets = (MODULES.get(found.module) for found in IMPORTS[path])
            rooms = {room_of(target) for target in targets if target is not None and target.parts[0] == package}
            edges[room_of(path)] |= rooms - {room_of(path)}
    return edges


def reduced(edges: Edges) -> dict[str, set[str]]:
    """The edges that do not follow from the others."""

    def below(room: str) -> set[str]:
        return edges[room].union(*(below(other) for other in edges[room]))

    reached = {room: below(room) for room in edges}
    return {
        room: {b for b in others if not any(b in reached[c] for c in others - {b})} for room, others in edges.items()
    }


@dataclass(frozen=True)
class Box:
    """A room on the picture: its middle, and its width, in pixels."""

    x: float
    y: float
    width: float


def places(floors: Sequence[Sequence[str]], edges: Edges) -> dict[str, Box]:
    """Where each room stands: the ground at the bottom, rooms near those that they have to do with."""
    orders = [list(floor) for floor in floors]
    linked = {room: {*edges[room], *(other for other in edges if room in edges[other])} for room in edges}
    boxes = _in_rows(orders)
    for _ in range(SWEEPS):
        for order in orders:
            order.sort(key=lambda room: sum(boxes[other].x for other in linked[room]) / max(1, len(linked[room])))
            boxes = _in_rows(orders)
    return boxes


def _in_rows(orders: Sequence[Sequence[str]]) -> dict[str, Box]:
    boxes = {}
    for level, order in enumerate(orders):
        widths = [len(room) * LETTER_PX + 2 * PAD_PX for room in order]
        gap = (WIDTH_PX - sum(widths)) / (len(order) + 1)
        # Floors are shifted against each other, so that a long line passes beside the rooms between.
        x = gap * (1 + SHIFTS[level % len(SHIFTS)])
        for room, width in zip(order, widths, strict=True):
            boxes[room] = Box(x + width / 2, (len(orders) - level - 0.5) * FLOOR_PX, width)
            x += width + gap
    return boxes


def picture(package: str) -> str:
    """The picture of a package as SVG."""
    floors, edges = LAYERS[package], edges_of(package)
    boxes, height = places(floors, edges), len(floors) * FLOOR_PX
    told = f"The rooms of {package}: {len(edges)} in {len(floors)} floors. Every line is an import, and goes down."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="floors" viewBox="0 0 {WIDTH_PX} {height}" role="img">',
        f"<title>{told}</title>",
        f"<style>{STYLE}</style>",
    ]
    lines += [f'<line x1="0" x2="{WIDTH_PX}" y1="{y}" y2="{y}"/>' for y in range(FLOOR_PX, height, FLOOR_PX)]
    for room, others in reduced(edges).items():
        lines += [_curve(boxes[room], boxes[other], "") for other in sorted(others)]
    lines += [_room(package if room == "__init__" else room, room, boxes, edges) for room in boxes]
    return "\n".join([*lines, "</svg>\n"])


def _room(name: str, room: str, boxes: Mapping[str, Box], edges: Edges) -> str:
    box = boxes[room]
    curves = "".join(_curve(box, boxes[other], ' class="all"') for other in sorted(edges[room]))
    x, y = box.x - box.width / 2, box.y - ROOM_PX / 2
    return (
        f'<g>{curves}<rect x="{x:.0f}" y="{y:.0f}" width="{box.width:.0f}" height="{ROOM_PX}" rx="6"/>'
        f'<text x="{box.x:.0f}" y="{box.y + 4:.0f}">{escape(name)}</text></g>'
    )


def _curve(upper: Box, lower: Box, kind: str) -> str:
    start, end = upper.y + ROOM_PX / 2, lower.y - ROOM_PX / 2
    bend = (end - start) / 2
    return (
        f'<path{kind} d="M{upper.x:.0f} {start:.0f}C{upper.x:.0f} {start + bend:.0f} '
        f'{lower.x:.0f} {end - bend:.0f} {lower.x:.0f} {end:.0f}"/>'
    )


PICTURES = {package: ROOT / "docs" / f"architecture_{package}.svg" for package in LAYERS}


def main() -> int:
    """Write the pictures, and say so."""
    for package, path in PICTURES.items():
        path.write_text(picture(package), encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
