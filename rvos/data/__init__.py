"""The public video datasets: name -> adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from image_core.errors import UnknownNameError
from rvos.data.base import VideoDataset
from rvos.data.records import Expression, VideoRecord


def _ref_youtube_vos() -> type[VideoDataset]:
    from rvos.data.ref_youtube_vos import RefYoutubeVos

    return RefYoutubeVos


def _ref_davis17() -> type[VideoDataset]:
    from rvos.data.ref_davis17 import RefDavis17

    return RefDavis17


def _mevis() -> type[VideoDataset]:
    from rvos.data.mevis import Mevis

    return Mevis


def _mevis_v1() -> type[VideoDataset]:
    from rvos.data.mevis import MevisV1

    return MevisV1


def _a2d_sentences() -> type[VideoDataset]:
    from rvos.data.a2d_sentences import A2dSentences

    return A2dSentences


def _jhmdb_sentences() -> type[VideoDataset]:
    from rvos.data.jhmdb_sentences import JhmdbSentences

    return JhmdbSentences


def _long_rvos() -> type[VideoDataset]:
    from rvos.data.long_rvos import LongRvos

    return LongRvos


def _revos() -> type[VideoDataset]:
    from rvos.data.revos import Revos

    return Revos


DATASETS: dict[str, Callable[[], type[VideoDataset]]] = {
    "ref_youtube_vos": _ref_youtube_vos,
    "ref_davis17": _ref_davis17,
    "mevis": _mevis,
    "mevis_v1": _mevis_v1,
    "a2d_sentences": _a2d_sentences,
    "jhmdb_sentences": _jhmdb_sentences,
    "long_rvos": _long_rvos,
    "revos": _revos,
}
"""Name, with underscores -> gives the adapter, so that a dataset's own packages are imported only when it is read."""


def open_dataset(name: str, root: Path, split: str | None = None) -> VideoDataset:
    """The metadata of one split of a dataset that lies under `root` in its public layout.

    Raises `UnknownNameError` for a name or split that is not there, `DataError` for what is missing or broken.
    """
    known = name.replace("-", "_")
    if known not in DATASETS:
        raise UnknownNameError("video dataset", name, list(DATASETS))
    return DATASETS[known]().read(root, split)


__all__ = ["DATASETS", "Expression", "VideoDataset", "VideoRecord", "open_dataset"]
