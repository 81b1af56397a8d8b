"""The one table of referring image datasets: name -> who reads it and which splits it has by default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from image_core.errors import UnknownNameError

if TYPE_CHECKING:
    from image_core.data.dataset import ReferringImages
    from image_core.data.layout import Layout

SPLITS_BY = {
    "refcoco": ("unc", "google"),
    "refcoco+": ("unc",),
    "refcocog": ("umd", "google"),
    "refclef": ("berkeley", "unc"),
    "grefcoco": ("unc",),
    "phrasecut": ("umass",),
}
"""Dataset -> the authors of its splits (`refs(<author>).p`), the one that papers report first."""

DEFAULT_SPLITS = {"refclef": "test", "phrasecut": "test"}
"""Dataset -> the split that is evaluated by default, where it is not `val`."""

_ALIASES = {"refcoco_plus": "refcoco+", "referit": "refclef"}


def canonical_name(name: str) -> str:
    """A dataset's name as the table has it: `refcoco-plus` is refcoco+, `referit` is refclef; others stay."""
    plain = name.replace("-", "_")
    return _ALIASES.get(plain, plain)


def is_image_dataset(name: str) -> bool:
    """Whether the table has it."""
    return canonical_name(name) in SPLITS_BY


def author_of(name: str, split_by: str | None) -> str:
    """Who made the splits, the usual author for None. Raises `UnknownNameError` for a dataset or author not known."""
    if name not in SPLITS_BY:
        raise UnknownNameError("dataset", name, list(SPLITS_BY))
    if split_by is not None and split_by not in SPLITS_BY[name]:
        raise UnknownNameError(f"author of splits of {name}", split_by, list(SPLITS_BY[name]))
    return split_by or SPLITS_BY[name][0]


def open_dataset(name: str, root: Path, split: str, *, split_by: str | None = None) -> ReferringImages:
    """The images of one split of a dataset that lies under `root` in its public layout.

    Raises `UnknownNameError` for a name that is not in the table and `DataError` for what is missing or broken.
    """
    author = author_of(name, split_by)
    # Training on synthetic images runs on machines without pycocotools, which the readers need.
    from image_core.data.dataset import ReferringImages
    from image_core.data.refer import read_records

    return ReferringImages(read_records(layout_of(name), root, name, author, split))


def layout_of(name: str) -> Layout:
    """How a dataset of the table lies on disk."""
    from image_core.data import grefcoco, phrasecut, refer

    others = {"grefcoco": grefcoco.LAYOUT, "phrasecut": phrasecut.LAYOUT}
    return others.get(name, refer.LAYOUT)
