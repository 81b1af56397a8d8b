"""Tables between marks in a markdown file: made by functions, while the words around them are written by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

Tables = Mapping[str, Callable[[], str]]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown, one line a row; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def rendered(text: str, tables: Tables) -> str:
    """The text with everything between `<!-- table: NAME -->` and `<!-- end of table -->` made anew.

    Raises `KeyError` for the name of a table that is not there, `ValueError` for a table that the text lacks.
    """
    absent = set(tables) - {name for _, name, _ in MARKED.findall(text)}
    if absent:
        raise ValueError(f"expected a mark for every table, got none for {', '.join(sorted(absent))}")
    return MARKED.sub(lambda match: match[1] + tables[match[2]]() + match[3], text)


def write(pages: Mapping[str, Tables]) -> None:
    """Render pages of `docs` in their place, and say which. Raises as `rendered` does."""
    for name, tables in pages.items():
        path = DOCS / name
        path.write_text(rendered(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
        print(path.relative_to(ROOT))
