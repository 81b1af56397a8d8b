"""The table of docs/trackers.md, generated from the short names of trackers and their measured costs.

python tools/trackers_tables.py

A test asserts that docs/trackers.md is what this command writes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from marked_tables import ROOT, table, write

from image_core.hub.catalogue import size_of
from rvos.tracking.hub.kinds import HUB_TRACKERS

COST = ROOT / "benchmarks" / "speed" / "hub_trackers.json"
UNMEASURED = "not measured"


def hub_trackers() -> str:
    """Every short name behind `--tracker hub:`, with what it costs as `benchmarks.speed.hub_trackers` measured it."""
    measured = {row["name"]: row for row in json.loads(COST.read_text(encoding="utf-8"))["networks"]}
    rows = []
    for model in HUB_TRACKERS.values():
        row, gate = measured.get(model.name), ", gated" if model.gated else ""
        cost = f"{row['encode_s']:.1f} + {row['object_s']:.1f} an object" if row else UNMEASURED
        memory = f"{row['remembered_mb']:.1f} MB" if row else UNMEASURED
        columns = f"`hub:{model.name}`", model.summary, f"{model.licence}{gate}", size_of(model.download_bytes)
        rows.append([*columns, cost, memory, model.published or "none at hand"])
    header = ("name", "what", "licence", "download", "CPU s a frame", "remembered", "published by its authors")
    return table(header, rows)


TABLES: dict[str, Callable[[], str]] = {"hub_trackers": hub_trackers}
PAGES = {"trackers.md": TABLES}


def main() -> int:
    """Write docs/trackers.md."""
    write(PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
