"""docs/datasets.md: its tables are what the command writes, and every dataset is in them."""

from __future__ import annotations

import re
from pathlib import Path

from image_core.data.table import SPLITS_BY
from image_core.evaluation.protocols import PROTOCOLS
from rvos.data import DATASETS
from rvos.synthetic.layouts import LAYOUTS

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs/datasets.md").read_text(encoding="utf-8")


def rows(table: str) -> list[str]:
    """The names in the first column of a generated table."""
    (body,) = re.findall(rf"<!-- table: {table} -->\n(.*?)<!-- end", PAGE, re.DOTALL)
    return [line.split("`")[1].replace("-", "_") for line in body.splitlines()[2:]]


def test_every_dataset_is_counted() -> None:
    assert rows("folders") == list(DATASETS) and len(DATASETS) == 8
    assert list(dict.fromkeys(rows("predictions"))) == list(DATASETS)
    assert len(rows("rules")) == sum(len(adapter.protocols) for adapter in DATASETS.values())
    assert rows("picture_protocols") == list(PROTOCOLS)
    assert all(f"\n| `{name}`" in PAGE for name in SPLITS_BY) and len(SPLITS_BY) == 6
    assert set(LAYOUTS) <= set(DATASETS)


def test_every_adapter_has_a_description() -> None:
    for name, adapter in DATASETS.items():
        assert adapter.name == name and adapter.title and adapter.files() and adapter.splits
        names = [protocol.name for protocol in adapter.protocols]
        assert len(set(names)) == len(names) > 0
        assert adapter.server is None or adapter.server.split in adapter.splits
    assert [name for name, adapter in DATASETS.items() if adapter.server] == ["ref_youtube_vos", "mevis"]
