"""The one table of referring image datasets: name -> who reads it and whose splits it has by default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from image_core.errors import UnknownNameError

if TYPE_CHECKING:
    from image_core.data.dataset import ReferringImages

DEFAULT_SPLIT_BY = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd", "refclef": "berkeley", "grefcoco": "unc"}
"""Dataset -> author of the splits that papers report (`refs(<author>).p`)."""


def open_dataset(name: str, root: Path, split: str, *, split_by: str | None = None) -> ReferringImages:
    """The pictures of one split of a dataset that lies under `root` in its public layout.

    Raises `UnknownNameError` for a name that is not in the table and `DataError` for what is missing or broken.
    """
    if name not in DEFAULT_SPLIT_BY:
        raise UnknownNameError("dataset", name, list(DEFAULT_SPLIT_BY))
    # Training on synthetic pictures runs on machines without pycocotools, which the readers need.
    from image_core.data.dataset import ReferringImages
    from image_core.data.grefcoco import read_grefcoco
    from image_core.data.refer import read_refer

    author = split_by or DEFAULT_SPLIT_BY[name]
    if name == "grefcoco":
        return ReferringImages(read_grefcoco(root, author, split))
    return ReferringImages(read_refer(root, name, author, split))
