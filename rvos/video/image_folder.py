"""Lists the images of a folder in their order, with warnings about files and gaps that may not be intended."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from image_core.entries import entries_of, natural_key
from image_core.errors import DataError
from image_core.images import is_image_file
from rvos.types import VideoError

log = logging.getLogger(__name__)

_DECIMAL = re.compile(r"(?<![\d.])(\d+)\.(\d+)(?![\d.])")
_NUMBER = re.compile(r"\d+")
_MAX_NAMES = 3


def list_images(folder: Path) -> list[Path]:
    """The images of a folder in the order of their numbers, without hidden files.

    Skipped files, missing numbers and names of several patterns are logged. Raises `VideoError` if there is no image,
    or if two have the same number (1.png and 01.png, 0001.jpg and 0001.png).
    """
    try:
        entries = entries_of(folder)
    except DataError as error:
        raise VideoError(str(error)) from error
    images = [p for p in entries if is_image_file(p) and not p.is_dir()]
    if not images:
        content = f"a folder with {len(entries)} entries and no image" if entries else "an empty folder"
        raise VideoError(f"'{folder}': expected .jpg or .png files named in the order of time, got {content}")
    ordered = sort_images(folder, images)
    _warn_about_skipped_files(folder, [p for p in entries if p not in set(images) and not p.is_dir()])
    _warn_about_gaps(folder, ordered)
    return ordered


def sort_images(folder: Path, images: Sequence[Path]) -> list[Path]:
    """Sorted by the numbers in their names: integers (2 before 10), or decimals where the names allow nothing else
    (0.15 before 0.2), which is logged. Raises `VideoError` if two names have the same numbers."""
    counted = sorted(images, key=lambda p: natural_key(p.stem))
    for one, other in pairwise(counted):
        if natural_key(one.stem) == natural_key(other.stem):
            raise VideoError(
                f"'{folder}': expected one image for each number, got '{one.name}' and '{other.name}' for the "
                "same: move one of them to another folder"
            )
    decimals = {p: _DECIMAL.findall(p.stem) for p in images}
    if not _are_decimals(list(decimals.values())):
        return counted
    kinds = {p: natural_key(_DECIMAL.sub("", p.stem)) for p in images}
    ordered = sorted(images, key=lambda p: (kinds[p], float(".".join(decimals[p][0]))))
    if ordered != counted:
        log.warning("'%s': the numbers in the names are read as decimals, such as 0.15 before 0.2", folder)
    return ordered


def _are_decimals(found: Sequence[Sequence[tuple[str, str]]]) -> bool:
    """Whether each name has one decimal number, with fractions of different lengths of which none but a single digit
    ends in 0. A counter after a point (1.9, 1.10) reaches such an ending. Decimals of one length need no decision."""
    if any(len(each) != 1 for each in found):
        return False
    fractions = [each[0][1] for each in found]
    return len({len(f) for f in fractions}) > 1 and not any(len(f) > 1 and f.endswith("0") for f in fractions)


def _warn_about_skipped_files(folder: Path, others: Sequence[Path]) -> None:
    if others:
        more = ", ..." if len(others) > _MAX_NAMES else ""
        names = ", ".join(p.name for p in others[:_MAX_NAMES])
        log.warning("'%s': skipped, not readable as images: %d files (%s%s)", folder, len(others), names, more)


def _warn_about_gaps(folder: Path, images: Sequence[Path]) -> None:
    """Warns about names of several patterns, and about numbers missing from an otherwise regular sequence."""
    kinds = Counter(_NUMBER.sub("#", p.stem).lower() for p in images)
    if len(kinds) > 1:
        log.warning(
            "'%s': names of several patterns (%s), read one after the other",
            folder,
            ", ".join(sorted(kinds)[:_MAX_NAMES]),
        )
        return
    numbers = [int(found[-1]) for p in images if len(found := _NUMBER.findall(p.stem)) == 1]
    steps = [b - a for a, b in pairwise(numbers)]
    if len(numbers) < len(images) or len(steps) < 2:
        return
    step = Counter(steps).most_common(1)[0][0]
    at = next((i for i, each in enumerate(steps) if each != step), None)
    if at is not None and sum(each == step for each in steps) * 2 > len(steps):
        log.warning(
            "'%s': numbers are missing, the first after %s: the images are read as consecutive frames",
            folder,
            images[at].name,
        )
