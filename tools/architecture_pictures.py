"""The diagrams of docs/architecture.md: the modules of each package in their layers, and the imports between them.

python tools/architecture_pictures.py

A module is a file or a folder directly inside a package. Modules, layers and imports are those that
tests/test_architecture.py reads and checks. A test checks that the diagrams are what this command writes. Imports that
follow from others are left out; a module under the pointer shows all of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from itertools import combinations

from marked_tables import ROOT

from tests.test_architecture import IMPORTS, LAYERS, MODULES, PACKAGED, module_of

Edges = Mapping[str, set[str]]

WIDTH_PX = 960
LAYER_PX = 62
BOX_PX = 28
LETTER_PX = 7.3
PAD_PX = 12
SWEEPS = 8
TRIES = 10
CLEAR_PX = 5
"""Least distance between a line and a module that it passes."""
HIDDEN_PX = 4000
"""Sideways distance of lines that costs as much as one line behind a module."""
SHIFTS = tuple(i / 8 for i in range(-7, 8))
"""Possible shifts of a layer, as shares of the gap between its modules."""
STYLE = """
  .layers { --ink: #24242b; --paper: #ffffff; --module: #e8ecf8; --edge: #7a83a8; --line: #e3e5ec; --lit: #c2410c;
    background: var(--paper); font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  @media (prefers-color-scheme: dark) {
    .layers { --ink: #e8e8ee; --paper: #1b1b20; --module: #2f3550; --edge: #8f98c0; --line: #2c2c34; --lit: #fb923c } }
  [data-md-color-scheme=default] .layers { --ink: #24242b; --paper: transparent; --module: #e8ecf8; --edge: #7a83a8;
    --line: #e3e5ec; --lit: #c2410c }
  [data-md-color-scheme=slate] .layers { --ink: #e8e8ee; --paper: transparent; --module: #2f3550; --edge: #8f98c0;
    --line: #2c2c34; --lit: #fb923c }
  .layers text { fill: var(--ink); text-anchor: middle }
  .layers rect { fill: var(--module); stroke: var(--edge) }
  .layers path { fill: none; stroke: var(--edge); opacity: 0.55 }
  .layers line { stroke: var(--line) }
  .layers .all { stroke: var(--lit); stroke-width: 1.6; opacity: 0; pointer-events: none }
  .layers g:hover .all { opacity: 1 }
  .layers g:hover rect { stroke: var(--lit); stroke-width: 2 }
"""


def edges_of(package: str) -> dict[str, set[str]]:
    """Module -> the modules of its package that it imports."""
    edges: dict[str, set[str]] = {module: set() for layer in LAYERS[package] for module in layer}
    for path in PACKAGED:
        if path.parts[0] == package:
            targets = (MODULES.get(found.module) for found in IMPORTS[path])
            modules = {module_of(target) for target in targets if target is not None and target.parts[0] == package}
            edges[module_of(path)] |= modules - {module_of(path)}
    return edges


def reduced(edges: Edges) -> dict[str, set[str]]:
    """The edges that do not follow from others (transitive reduction)."""

    def below(module: str) -> set[str]:
        return edges[module].union(*(below(other) for other in edges[module]))

    reached = {module: below(module) for module in edges}
    return {
        module: {b for b in others if not any(b in reached[c] for c in others - {b})}
        for module, others in edges.items()
    }


@dataclass(frozen=True)
class Box:
    """A module in the diagram: its centre, and its width, in pixels."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Row:
    """A layer in the diagram: its modules from left to right, and its shift to the right, in gaps."""

    modules: tuple[str, ...]
    shift: float = 0.0

    def others(self) -> Iterator[Row]:
        """This row moved, and with two of its modules exchanged."""
        yield from (replace(self, shift=shift) for shift in SHIFTS)
        for i, j in combinations(range(len(self.modules)), 2):
            swapped = list(self.modules)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield replace(self, modules=tuple(swapped))


def places(layers: Sequence[Sequence[str]], edges: Edges) -> dict[str, Box]:
    """The position of each module: the lowest layer at the bottom, modules near those that they are linked to, and as
    few lines as possible behind modules that they do not link."""
    linked = {m: sorted({*edges[m], *(other for other in edges if m in edges[other])}) for m in edges}
    rows = [Row(tuple(layer)) for layer in layers]
    for _ in range(SWEEPS):
        for level, row in enumerate(rows):
            boxes = _in_rows(rows)
            middle = {m: sum(boxes[other].x for other in linked[m]) / max(1, len(linked[m])) for m in row.modules}
            rows[level] = Row(tuple(sorted(row.modules, key=middle.__getitem__)))
    levels = {module: level for level, row in enumerate(rows) for module in row.modules}
    lines = [(upper, lower) for upper, others in reduced(edges).items() for lower in sorted(others)]
    least = _cost(rows, lines, levels)
    for _ in range(TRIES):
        for level in range(len(rows)):
            for row in rows[level].others():
                changed = [*rows[:level], row, *rows[level + 1 :]]
                if (cost := _cost(changed, lines, levels)) < least:
                    rows, least = changed, cost
    return _in_rows(rows)


def _in_rows(rows: Sequence[Row]) -> dict[str, Box]:
    boxes = {}
    for level, row in enumerate(rows):
        widths = [len(module) * LETTER_PX + 2 * PAD_PX for module in row.modules]
        gap = (WIDTH_PX - sum(widths)) / (len(row.modules) + 1)
        x = gap * (1 + row.shift)
        for module, width in zip(row.modules, widths, strict=True):
            boxes[module] = Box(x + width / 2, (len(rows) - level - 0.5) * LAYER_PX, width)
            x += width + gap
    return boxes


def _cost(rows: Sequence[Row], lines: Sequence[tuple[str, str]], levels: Mapping[str, int]) -> float:
    """The number of lines behind modules, plus a small weight times their sideways distance."""
    boxes = _in_rows(rows)
    sides = [[(boxes[m].x - boxes[m].width / 2, boxes[m].x + boxes[m].width / 2) for m in row.modules] for row in rows]
    cost = 0.0
    for upper, lower in lines:
        start, end = boxes[upper].x, boxes[lower].x
        cost += abs(start - end) / HIDDEN_PX
        for level in range(levels[lower] + 1, levels[upper]):
            shares = _shares(levels[upper] - level, levels[upper] - levels[lower])
            first, last = sorted(start + (end - start) * share for share in shares)
            for left, right in sides[level]:
                cost += first - CLEAR_PX < right and last + CLEAR_PX > left
    return cost


@cache
def _shares(down: int, of: int) -> tuple[float, float]:
    """How much of its way sideways a curve over `of` layers has gone at the top and at the bottom of a module `down`
    layers below its start."""
    start, height = BOX_PX / 2, of * LAYER_PX - BOX_PX
    return _share((down * LAYER_PX - BOX_PX / 2 - start) / height), _share(
        (down * LAYER_PX + BOX_PX / 2 - start) / height
    )


def _share(y: float) -> float:
    """Of the way sideways, where a curve of `_curve` has gone y of its way down; both in [0, 1]."""
    low, high = 0.0, 1.0
    for _ in range(30):
        t = (low + high) / 2
        low, high = (t, high) if 1.5 * t * (1 - t) + t**3 < y else (low, t)
    return 3 * low**2 - 2 * low**3


def diagram(package: str) -> str:
    """The diagram of a package as SVG."""
    layers, edges = LAYERS[package], edges_of(package)
    boxes, height = places(layers, edges), len(layers) * LAYER_PX
    title = f"The modules of {package}: {len(edges)} in {len(layers)} layers. Each line is an import of a module below."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="layers" viewBox="0 0 {WIDTH_PX} {height}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
    ]
    lines += [f'<line x1="0" x2="{WIDTH_PX}" y1="{y}" y2="{y}"/>' for y in range(LAYER_PX, height, LAYER_PX)]
    for module, others in reduced(edges).items():
        lines += [_curve(boxes[module], boxes[other], "") for other in sorted(others)]
    lines += [_module(package if module == "__init__" else module, module, boxes, edges) for module in boxes]
    return "\n".join([*lines, "</svg>\n"])


def _module(name: str, module: str, boxes: Mapping[str, Box], edges: Edges) -> str:
    box = boxes[module]
    curves = "".join(_curve(box, boxes[other], ' class="all"') for other in sorted(edges[module]))
    x, y = box.x - box.width / 2, box.y - BOX_PX / 2
    return (
        f'<g>{curves}<rect x="{x:.0f}" y="{y:.0f}" width="{box.width:.0f}" height="{BOX_PX}" rx="6"/>'
        f'<text x="{box.x:.0f}" y="{box.y + 4:.0f}">{escape(name)}</text></g>'
    )


def _curve(upper: Box, lower: Box, kind: str) -> str:
    start, end = upper.y + BOX_PX / 2, lower.y - BOX_PX / 2
    bend = (end - start) / 2
    return (
        f'<path{kind} d="M{upper.x:.0f} {start:.0f}C{upper.x:.0f} {start + bend:.0f} '
        f'{lower.x:.0f} {end - bend:.0f} {lower.x:.0f} {end:.0f}"/>'
    )


DIAGRAMS = {package: ROOT / "docs" / f"architecture_{package}.svg" for package in LAYERS}


def main() -> int:
    """Write the diagrams, and print their paths."""
    for package, path in DIAGRAMS.items():
        path.write_text(diagram(package), encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
