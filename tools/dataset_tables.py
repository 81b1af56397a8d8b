"""The tables of docs/datasets.md, made of the tables of datasets and protocols.

python tools/dataset_tables.py

A test asserts that docs/datasets.md is what this command writes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from marked_tables import table, write

from image_core.evaluation.protocols import PROTOCOLS
from rvos.data import DATASETS


def video_tables() -> dict[str, str]:
    """Name -> Markdown table of the video datasets: their files, the layout of predictions, the protocols."""
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
        "folders": table(["dataset", "title", "under ROOT", "splits, the default first"], folders),
        "predictions": table(["dataset", "predictions"], predictions),
        "rules": table(["dataset", "rules", "checked against the reference"], rules),
    }


def picture_protocols() -> str:
    """The protocols for images."""
    rows = [[f"`{name}`", protocol.text, "yes" if protocol.verified else "no"] for name, protocol in PROTOCOLS.items()]
    return table(["protocol", "rules", "verified"], rows)


def _joined(text: str, note: str) -> str:
    return f"{text}, {note}" if note else text


def _code(name: str) -> str:
    return f"`{name.replace('_', '-')}`"


TABLES: dict[str, Callable[[], str]] = {
    "folders": lambda: video_tables()["folders"],
    "predictions": lambda: video_tables()["predictions"],
    "rules": lambda: video_tables()["rules"],
    "picture_protocols": picture_protocols,
}
PAGES = {"datasets.md": TABLES}


def main() -> int:
    """Write docs/datasets.md."""
    write(PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
