"""The on-disk layouts of public video datasets that synthetic videos are written in: name -> how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rvos.synthetic.splits import SPLITS, check_split

Writer = Callable[[Path, str, int, int, tuple[int, int], int], None]
"""(root, split, count, seed, size, frames): writes the first `count` videos of a split and seed under `root`; split:
train, val or test; size: (height, width) in pixels; frames: of each video.

Raises `ConfigError` for a count below 1, a size or a number of frames that is too small, `OutputError` where nothing
can be written.
"""


@dataclass(frozen=True)
class Layout:
    """load: gives the writer, so that a layout's own packages are imported only when it is written; index: our split ->
    the file under the root that says that such a dataset is there."""

    load: Callable[[], Writer]
    index: Mapping[str, str]

    def write(self, root: Path, split: str, count: int, seed: int, size: tuple[int, int], frames: int) -> None:
        """See `Writer`. Raises `UnknownNameError` for another split."""
        check_split(split)
        self.load()(root, split, count, seed, size, frames)


def _ref_youtube_vos() -> Writer:
    from rvos.synthetic.layouts.ref_youtube_vos import write_ref_youtube_vos

    return write_ref_youtube_vos


def _ref_davis17() -> Writer:
    from rvos.synthetic.layouts.ref_davis17 import write_ref_davis17

    return write_ref_davis17


def _mevis() -> Writer:
    from rvos.synthetic.layouts.mevis import write_mevis

    return write_mevis


def _a2d_sentences() -> Writer:
    from rvos.synthetic.layouts.a2d_sentences import write_a2d_sentences

    return write_a2d_sentences


def _jhmdb_sentences() -> Writer:
    from rvos.synthetic.layouts.jhmdb_sentences import write_jhmdb_sentences

    return write_jhmdb_sentences


def _per_split(path: str, train: str, val: str, test: str) -> dict[str, str]:
    return {"train": path.format(train), "val": path.format(val), "test": path.format(test)}


_EXPRESSIONS = "meta_expressions/{}/meta_expressions.json"

# Where a dataset has one split with truth, both val and test go there: it is what `rvos evaluate` takes.
LAYOUTS = {
    "ref_youtube_vos": Layout(_ref_youtube_vos, _per_split(_EXPRESSIONS, "train", "valid", "test")),
    "ref_davis17": Layout(_ref_davis17, _per_split(_EXPRESSIONS, "train", "valid", "valid")),
    "mevis": Layout(_mevis, _per_split("{}/meta_expressions.json", "train", "valid_u", "valid_u")),
    "a2d_sentences": Layout(_a2d_sentences, dict.fromkeys(SPLITS, "Release/videoset.csv")),
    "jhmdb_sentences": Layout(_jhmdb_sentences, dict.fromkeys(SPLITS, "jhmdb_sentences_samples_metadata.json")),
}
"""Name, with underscores -> layout, the default first."""
