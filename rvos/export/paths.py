"""The paths inside the folder of a run. Writers use them, and `--overwrite` deletes what they match."""

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
MASKS = OUTPUTS["masks"].path
_FILE_OUTPUTS = tuple(output.path for output in OUTPUTS.values() if output.suffix)
_FOLDER_OUTPUTS = frozenset(output.path for output in OUTPUTS.values() if not output.suffix)

# The result is deleted first, so that a folder does not seem finished if the deletion is interrupted.
_FILES = (RESULT, SNAPSHOT, FRAMES_LOG, TIMING, *_FILE_OUTPUTS)
_FRAME_FILE = re.compile(r"\d{5,}\.(png|jpg)")
_LIST_FILE = re.compile(r"val\.txt")
_INNER_FOLDER = re.compile(
    r"masks/(\d+|object_\d+)|davis/(Annotations|JPEGImages|ImageSets|ImageSets/2017|(Annotations|JPEGImages)/480p(/[^/]+)?)"
)

# Temporary files, which a killed run may leave; the latter are those of the video writer.
_TEMPORARY = frozenset(temporary_of(Path(name)).name for name in (*_FILES, SETTINGS)) | {
    f".{Path(name).stem}.partial{Path(name).suffix}" for name in _FILE_OUTPUTS
}


def frame_file_name(frame_index: int) -> str:
    """The file name of a frame's PNG: the index with at least 5 digits."""
    return f"{frame_index:05d}.png"


def mask_folder(target: Target) -> str:
    """The folder of one target's masks: `0` for an expression, `object_3` for an object."""
    return str(target.index) if target.object_id is None else f"object_{target.object_id}"


def _is_temporary(path: Path) -> bool:
    return path.name in _TEMPORARY


def _with_subfolders(folder: Path, out: Path) -> Iterator[Path]:
    """The folders in `folder` that a run makes, inner ones first, and then `folder`. Symbolic links are ignored, since
    they may lead anywhere."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and _INNER_FOLDER.fullmatch(path.relative_to(out).as_posix()):
            yield from _with_subfolders(path, out)
    yield folder


def image_folders(out: Path) -> list[Path]:
    """The folders of images that a run wrote into `out`, inner ones first."""
    top = [out / name for name in sorted(_FOLDER_OUTPUTS)]
    return [
        inner
        for folder in top
        if folder.is_dir() and not folder.is_symlink()
        for inner in _with_subfolders(folder, out)
    ]


def run_files(out: Path) -> Iterator[Path]:
    """Every file in `out` that a run writes, except its settings and its lock."""
    yield from (out / name for name in _FILES if (out / name).is_file())
    for folder in image_folders(out):
        yield from sorted(p for p in folder.iterdir() if _FRAME_FILE.fullmatch(p.name) or _LIST_FILE.fullmatch(p.name))
    yield from (p for p in out.iterdir() if _is_temporary(p))


def foreign_names(out: Path) -> list[str]:
    """The names in `out` that are not hidden. Before it writes its settings, a run makes only hidden files, such as its
    lock: without settings, these names are not of a run."""
    return sorted(p.name for p in out.iterdir() if not is_hidden(p.name))
