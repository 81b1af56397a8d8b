"""Predictions whose file names count frames differently from the truth: from 1, by position, or with another prefix.

Some of these names may be those of a frame by chance, and are scored as that frame. Such a folder is recognised by its
names: some that are wanted are missing, while others belong to no frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from image_core.entries import entries_of


def misnamed(folders: Iterable[tuple[Path, Collection[str], Collection[str]]]) -> list[str]:
    """A line for each folder of predicted pictures in which names are missing while others are superfluous.

    folders: (folder, the file names that are wanted in it, at least one, and others that may be there).
    """
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
