"""Where everything lies inside the folder of a run: the one table that writers write by and `--overwrite` clears by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from image_core.entries import is_hidden
from image_core.files import temporary_of
from image_core.folder import SETTINGS
from rvos.export.outputs import OUTPUTS
from rvos.types import Target

FRAMES_LOG = "frames.jsonl"
RESULT = "result.json"
TIMING = "timing.json"
SNAPSHOT = ".snapshot"
MASKS = OUTPUTS["masks"].place
_FILE_PLACES = tuple(output.place for output in OUTPUTS.values() if output.suffix)
_FOLDER_PLACES = frozenset(output.place for output in OUTPUTS.values() if not output.suffix)

# The result goes first: a clearing that is killed half way must not leave a folder that seems finished.
_FILES = (RESULT, SNAPSHOT, FRAMES_LOG, TIMING, *_FILE_PLACES)
_PICTURE = re.compile(r"\d{5,}\.(png|jpg)")
_LIST = re.compile(r"val\.txt")
_INNER_FOLDER = re.compile(
    r"masks/(\d+|object_\d+)|davis/(Annotations|JPEGImages|ImageSets|ImageSets/2017|(Annotations|JPEGImages)/480p(/[^/]+)?)"
)

# What a kill may leave of a file that was being written, the latter by the video writer.
_TEMPORARY = frozenset(temporary_of(Path(name)).name for name in (*_FILES, SETTINGS)) | {
    f".{Path(name).stem}.partial{Path(name).suffix}" for name in _FILE_PLACES
}


def picture_name(frame_index: int) -> str:
    """The file name of a frame's picture: its index in at least 5 digits."""
    return f"{frame_index:05d}.png"


def mask_folder(target: Target) -> str:
    """The folder of one target's masks: `0` for an expression, `object_3` for an object."""
    return str(target.index) if target.object_id is None else f"object_{target.object_id}"


def _is_temporary(path: Path) -> bool:
    return path.name in _TEMPORARY


def _with_subfolders(folder: Path, out: Path) -> Iterator[Path]:
    """Those folders in `folder` that a run makes, inner ones before those that hold them, and then itself; links are
    left alone, they may lead anywhere."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and _INNER_FOLDER.fullmatch(path.relative_to(out).as_posix()):
            yield from _with_subfolders(path, out)
    yield folder


def picture_folders(out: Path) -> list[Path]:
    """The folders of pictures that a run wrote into `out`, inner ones before those that hold them."""
    top = [out / place for place in sorted(_FOLDER_PLACES)]
    return [inner for f in top if f.is_dir() and not f.is_symlink() for inner in _with_subfolders(f, out)]


def run_files(out: Path) -> Iterator[Path]:
    """Every file in `out` that a run writes, but its settings and its lock."""
    yield from (out / name for name in _FILES if (out / name).is_file())
    for folder in picture_folders(out):
        yield from sorted(p for p in folder.iterdir() if _PICTURE.fullmatch(p.name) or _LIST.fullmatch(p.name))
    yield from (p for p in out.iterdir() if _is_temporary(p))


def foreign_names(out: Path) -> list[str]:
    """What lies at the top of `out` that a run starting there would not have made before its settings, and that is not
    hidden, as its lock is, and what a file manager leaves."""
    return sorted(p.name for p in out.iterdir() if not is_hidden(p.name))
