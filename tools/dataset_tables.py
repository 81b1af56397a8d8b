"""The tables of docs/datasets.md, made of the tables of datasets and protocols.

python tools/dataset_tables.py            # writes them between their markers
python tools/dataset_tables.py --check    # exit code 1 where the file is not what would be written
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from image_core.evaluation.protocols import PROTOCOLS
from rvos.data import DATASETS

PAGE = Path(__file__).resolve().parents[1] / "docs/datasets.md"
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def video_tables() -> dict[str, str]:
    """Name -> Markdown, of the datasets of videos: their files, how predictions lie, by what rules they are scored."""
    folders, predictions, rules = [], [], []
    for name, adapter in DATASETS.items():
        files, splits = (", ".join(f"`{each}`" for each in texts) for texts in (adapter.files(), adapter.splits))
        folders.append(
            [_code(name), adapter.title, _joined(files, adapter.files_note), _joined(splits, adapter.splits_note)]
        )
        first = {protocol.layout: protocol for protocol in reversed(adapter.protocols)}  # of a layout that several have
        for protocol in adapter.protocols:
            own_name = _joined(_code(name), protocol.name)
            rules.append([own_name, protocol.text, protocol.evidence])
            if first[protocol.layout] is protocol:
                predictions.append([own_name if len(first) > 1 else _code(name), f"`{protocol.layout.text}`"])
    return {
        "folders": _table(["dataset", "title", "under ROOT", "splits, the default first"], folders),
        "predictions": _table(["dataset", "predictions"], predictions),
        "rules": _table(["dataset", "rules", "checked against the reference"], rules),
    }


def picture_tables() -> dict[str, str]:
    """The same of the protocols of pictures."""
    rows = [[f"`{name}`", protocol.text, "yes" if protocol.verified else "no"] for name, protocol in PROTOCOLS.items()]
    return {"picture_protocols": _table(["protocol", "rules", "verified"], rows)}


def updated(page: str) -> str:
    """The page with its tables as they are now. Raises `ValueError` where the page lacks a table, or has another."""
    tables = video_tables() | picture_tables()
    marked = [name for _, name, _ in _BLOCK.findall(page)]
    if sorted(marked) != sorted(tables):
        raise ValueError(f"{PAGE.name}: expected a marker for each of {sorted(tables)}, got {sorted(marked)}")
    return _BLOCK.sub(lambda match: f"{match[1]}{tables[match[2]]}\n{match[3]}", page)


def _joined(text: str, note: str) -> str:
    return f"{text}, {note}" if note else text


def _code(name: str) -> str:
    return f"`{name.replace('_', '-')}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """0 done, 1 the file differs."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/datasets.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the file differs")
    check: bool = parser.parse_args(arguments).check
    page = PAGE.read_text(encoding="utf-8")
    new = updated(page)
    if check:
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
