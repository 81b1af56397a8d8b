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
OVERLAY = OUTPUTS["overlay"]
COMPARE = OUTPUTS["compare"]
CONTACT_SHEET = OUTPUTS["contact_sheet"]
MASKS = OUTPUTS["masks"]
PALETTE = OUTPUTS["palette"]
FRAMES = OUTPUTS["frames"]

# The result goes first: a clearing that is killed half way must not leave a folder that seems finished.
_FILES = (RESULT, SNAPSHOT, FRAMES_LOG, TIMING, OVERLAY, COMPARE, CONTACT_SHEET)
_PICTURE = re.compile(r"\d{5,}\.png")
_MASK_FOLDER = re.compile(r"\d+|object_\d+")

# What a kill may leave of a file that was being written, the last two by the video writer.
_TEMPORARY = frozenset(temporary_of(Path(name)).name for name in (*_FILES, SETTINGS)) | {
    ".overlay.partial.mp4",
    ".compare.partial.mp4",
}


def picture_name(frame_index: int) -> str:
    """The file name of a frame's picture: its index in at least 5 digits."""
    return f"{frame_index:05d}.png"


def mask_folder(out: Path, target: Target) -> Path:
    """Where the masks of one target lie: `masks/0` for an expression, `masks/object_3` for an object."""
    return out / MASKS / (str(target.index) if target.object_id is None else f"object_{target.object_id}")


def _is_temporary(path: Path) -> bool:
    return path.name in _TEMPORARY


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())


def picture_folders(out: Path) -> list[Path]:
    """The folders of pictures that a run wrote into `out`; links are left alone, they may lead anywhere."""
    top = _subfolders(out)
    masks = [p for folder in top if folder.name == MASKS for p in _subfolders(folder) if _MASK_FOLDER.fullmatch(p.name)]
    return masks + [folder for folder in top if folder.name in (PALETTE, FRAMES)]


def run_files(out: Path) -> Iterator[Path]:
    """Every file in `out` that a run writes, but its settings and its lock."""
    yield from (out / name for name in _FILES if (out / name).is_file())
    for folder in picture_folders(out):
        yield from sorted(p for p in folder.iterdir() if _PICTURE.fullmatch(p.name))
    yield from (p for p in out.iterdir() if _is_temporary(p))


def foreign_names(out: Path) -> list[str]:
    """What lies at the top of `out` that a run starting there would not have made before its settings, and that is not
    hidden, as its lock is, and what a file manager leaves."""
    return sorted(p.name for p in out.iterdir() if not is_hidden(p.name))
