"""The tables of docs/models.md, made from the tables of models and of embedded checkpoints.

python tools/models_tables.py

A test asserts that docs/models.md is what this command writes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from marked_tables import ROOT, table, write

from image_core.hub.catalogue import HUB_MODELS, REPOSITORIES, size_of
from image_core.model_file import read_header
from image_core.models.kinds import KINDS
from image_core.weights import DEFAULT, embedded_models
from image_core.weights.manifest import BUNDLES

HUB_COST = ROOT / "benchmarks" / "speed" / "hub_models.json"


def kinds() -> str:
    """Every kind of model that can be trained."""
    return table(("kind", "paper, and what it is"), ([f"`{name}`", summary] for name, summary in KINDS.items()))


def embedded() -> str:
    """Every embedded checkpoint with its card."""
    rows = []
    for name, path in embedded_models().items():
        header = read_header(path)
        card = path.with_suffix(".md").relative_to(ROOT).as_posix()
        size = f"{path.stat().st_size / 1e6:.0f} MB"
        data = header["provenance"]["data"]
        rows.append([f"`{name}`", f"`{header['model']['name']}`", size, data, f"[card](../{card})"])
    return table(("name", "kind", "size", "trained on", ""), rows)


def packaged() -> str:
    """Every package of every bundle, with its licence and its size."""
    rows = []
    for bundle in BUNDLES.values():
        for package in bundle.packages:
            title = f"{package.title}: {package.what}"
            source = f"`{package.name}` {package.version} ({package.manager})"
            default = " (default)" if bundle.name == DEFAULT else ""
            rows.append([f"`{bundle.name}`{default}", title, source, package.size, package.licence])
    return table(("bundle", "what", "from", "download", "licence"), rows)


def hub() -> str:
    """Every short name behind `hub:`, with what it costs as `benchmarks.speed.hub_models` measured it."""
    rows = []
    measured = {row["repository"]: row for row in json.loads(HUB_COST.read_text(encoding="utf-8"))["networks"]}
    for model in HUB_MODELS.values():
        cost = [measured[repository.name] for repository in model.repositories]
        one, more = (sum(row[key] for row in cost) for key in ("one_s", "each_more_s"))
        memory = size_of(max(row["peak_mb"] for row in cost) * 1_000_000)
        gate = ", gated" if model.gated else ""
        rows.append(
            [
                f"`hub:{model.name}`",
                model.summary,
                f"{model.licence}{gate}",
                size_of(model.download_bytes),
                memory,
                f"{one:.1f} + {more:.1f}",
                model.published or "none of these weights at hand",
            ]
        )
    titles = ("name", "what", "licence", "download", "memory", "CPU s a frame", "published by its authors")
    return table(titles, rows)


def repositories() -> str:
    """Every repository whose commit is pinned."""
    rows = ([f"`{r.name}`", f"`{r.revision}`", r.licence, r.size] for r in REPOSITORIES.values())
    return table(("repository", "commit", "licence", "weights"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "kinds": kinds,
    "embedded": embedded,
    "packaged": packaged,
    "hub": hub,
    "repositories": repositories,
}
PAGES = {"models.md": TABLES}


def main() -> int:
    """Write docs/models.md."""
    write(PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
