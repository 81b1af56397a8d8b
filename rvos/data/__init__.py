"""The one table of public video datasets: name -> adapter, which tells all the rest. Importing it loads no network and
no reader of one dataset's files."""

from __future__ import annotations

from pathlib import Path

from image_core.errors import UnknownNameError
from rvos.data.a2d_sentences import A2dSentences
from rvos.data.base import VideoDataset
from rvos.data.jhmdb_sentences import JhmdbSentences
from rvos.data.long_rvos import LongRvos
from rvos.data.mevis import Mevis, MevisV1
from rvos.data.ref_davis17 import RefDavis17
from rvos.data.ref_youtube_vos import RefYoutubeVos
from rvos.data.revos import Revos

DATASETS: dict[str, type[VideoDataset]] = {
    "ref_youtube_vos": RefYoutubeVos,
    "ref_davis17": RefDavis17,
    "mevis": Mevis,
    "mevis_v1": MevisV1,
    "a2d_sentences": A2dSentences,
    "jhmdb_sentences": JhmdbSentences,
    "long_rvos": LongRvos,
    "revos": Revos,
}
"""Name, with underscores -> adapter. A dataset is one file beside this one, and one row here."""


def adapter_of(name: str) -> type[VideoDataset]:
    """The adapter of a dataset, named with underscores or hyphens. Raises `UnknownNameError`."""
    known = name.replace("-", "_")
    if known not in DATASETS:
        raise UnknownNameError("video dataset", name, list(DATASETS))
    return DATASETS[known]


def open_dataset(name: str, root: Path, split: str | None = None) -> VideoDataset:
    """The metadata of one split of a dataset that lies under `root` in its public layout.

    Raises `UnknownNameError` for a name or split that is not there, `DataError` for what is missing or broken.
    """
    return adapter_of(name).read(root, split)
