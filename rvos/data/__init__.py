"""The table of public video datasets: name -> adapter class. A dataset is one module of this package and one row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from image_core.lazy_table import LazyTable

if TYPE_CHECKING:
    from rvos.data.base import VideoDataset

DATASETS: LazyTable[type[VideoDataset]] = LazyTable(
    "video dataset",
    {
        "ref_youtube_vos": "rvos.data.ref_youtube_vos:RefYoutubeVos",
        "ref_davis17": "rvos.data.ref_davis17:RefDavis17",
        "mevis": "rvos.data.mevis:Mevis",
        "mevis_v1": "rvos.data.mevis:MevisV1",
        "a2d_sentences": "rvos.data.a2d_sentences:A2dSentences",
        "jhmdb_sentences": "rvos.data.jhmdb_sentences:JhmdbSentences",
        "long_rvos": "rvos.data.long_rvos:LongRvos",
        "revos": "rvos.data.revos:Revos",
    },
)


def open_dataset(name: str, root: Path, split: str | None = None) -> VideoDataset:
    """Read the metadata of one split of a dataset that is stored under `root` in its public layout.

    Raises `UnknownNameError` for an unknown name or split, `DataError` for files that are missing or broken.
    """
    return DATASETS.find(name).read(root, split)
