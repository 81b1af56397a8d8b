"""Predictions whose names count frames otherwise than the truth does: from 1, by position, under another prefix.

Some of their names may hit a frame by chance, and are scored as that frame. Nothing can tell, but names do: some that
are wanted are missing where others are of no frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from image_core.entries import entries_of


def misnamed(folders: Iterable[tuple[Path, Collection[str], Collection[str]]]) -> list[str]:
    """What to say of folders of predicted pictures in which names are missing while others are superfluous, a line
    each. A folder, the file names that are wanted in it, at least one, and those that may be there beside."""
    return [line for folder, wanted, beside in folders if (line := _misnamed(folder, wanted, beside))]


def _misnamed(folder: Path, wanted: Collection[str], beside: Collection[str]) -> str | None:
    if not folder.is_dir():
        return None
    there = [path.name for path in entries_of(folder)]
    superfluous = sorted({*there} - {*wanted} - {*beside})
    absent = sorted({*wanted} - {*there})
    if not absent or not superfluous:
        return None
    return (
        f"{folder}: expected {len(wanted)} pictures with the names of frames, got {len(superfluous)} with other names, "
        f"such as {superfluous[0]}, while {len(absent)} are missing, such as {absent[0]}: do the names count otherwise?"
    )
