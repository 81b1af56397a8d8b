"""Finds predictions whose file names count frames differently from the truth: from 1, by position, or with a prefix.

Such a name may be that of another frame by chance, and is then scored as that frame. A folder is reported if expected
names are missing while there are names that belong to no frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from image_core.entries import entries_of


def misnamed(folders: Iterable[tuple[Path, Collection[str], Collection[str]]]) -> list[str]:
    """A line for each folder of predicted masks in which names are missing while others are superfluous.

    folders: (folder, the file names that are expected in it, at least one, and others that are allowed).
    """
    return [line for folder, expected, allowed in folders if (line := _misnamed(folder, expected, allowed))]


def _misnamed(folder: Path, expected: Collection[str], allowed: Collection[str]) -> str | None:
    if not folder.is_dir():
        return None
    present = {path.name for path in entries_of(folder)}
    superfluous = sorted(present - {*expected} - {*allowed})
    missing = sorted({*expected} - present)
    if not missing or not superfluous:
        return None
    other_format = Path(superfluous[0]).suffix.lower() != Path(missing[0]).suffix
    advice = "write the masks anew as PNG files" if other_format else "rename them as the truth"
    return (
        f"{folder}: expected {len(expected)} masks with the names of frames, got {len(superfluous)} with other names, "
        f"such as {superfluous[0]}, while {len(missing)} are missing, such as {missing[0]}: {advice}"
    )
