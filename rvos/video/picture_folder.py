"""The pictures of a folder as frames: which, in what order, and what is said of it where the order may not be meant."""

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
_MOST_NAMED = 3


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers; hidden files are no pictures.

    What is left out, numbers that are missing and names of several kinds are logged. Raises `VideoError` where there is
    no picture, or where two claim one place (1.png and 01.png, 0001.jpg and 0001.png).
    """
    try:
        entries = entries_of(folder)
    except DataError as error:
        raise VideoError(str(error)) from error
    pictures = [p for p in entries if is_image_file(p) and not p.is_dir()]
    if not pictures:
        content = f"a folder with {len(entries)} entries and no picture" if entries else "an empty folder"
        raise VideoError(f"'{folder}': expected .jpg or .png files named in the order of time, got {content}")
    ordered = in_order(folder, pictures)
    _tell_what_is_left_out(folder, [p for p in entries if p not in set(pictures) and not p.is_dir()])
    _tell_gaps(folder, ordered)
    return ordered


def in_order(folder: Path, pictures: Sequence[Path]) -> list[Path]:
    """By the numbers in their names: whole ones (2 before 10), or decimals where the names can be nothing else (0.15
    before 0.2), which is logged. Raises `VideoError` where two names have the same numbers."""
    counted = sorted(pictures, key=lambda p: natural_key(p.stem))
    for one, other in pairwise(counted):
        if natural_key(one.stem) == natural_key(other.stem):
            raise VideoError(
                f"'{folder}': expected one picture for each place in time, got '{one.name}' and '{other.name}' for the "
                "same: put one of them elsewhere"
            )
    decimals = {p: _DECIMAL.findall(p.stem) for p in pictures}
    if not _are_decimals(list(decimals.values())):
        return counted
    kinds = {p: natural_key(_DECIMAL.sub("", p.stem)) for p in pictures}
    ordered = sorted(pictures, key=lambda p: (kinds[p], float(".".join(decimals[p][0]))))
    if ordered != counted:
        log.warning("'%s': the numbers in the names are read as decimals, such as 0.15 before 0.2", folder)
    return ordered


def _are_decimals(found: Sequence[Sequence[tuple[str, str]]]) -> bool:
    """Every name has one decimal (its two parts), of several lengths, and no longer one ends in 0: a counter after a
    point (1.9, 1.10) comes past such a number, and decimals of one length have one order either way."""
    if any(len(each) != 1 for each in found):
        return False
    fractions = [each[0][1] for each in found]
    return len({len(f) for f in fractions}) > 1 and not any(len(f) > 1 and f.endswith("0") for f in fractions)


def _tell_what_is_left_out(folder: Path, others: Sequence[Path]) -> None:
    if others:
        more = ", ..." if len(others) > _MOST_NAMED else ""
        names = ", ".join(p.name for p in others[:_MOST_NAMED])
        log.warning("'%s': left out, no pictures that can be read: %d files (%s%s)", folder, len(others), names, more)


def _tell_gaps(folder: Path, pictures: Sequence[Path]) -> None:
    """Names of several kinds; numbers that are missing in steps that are otherwise even."""
    kinds = Counter(_NUMBER.sub("#", p.stem).lower() for p in pictures)
    if len(kinds) > 1:
        log.warning(
            "'%s': names of several kinds (%s), taken one after the other",
            folder,
            ", ".join(sorted(kinds)[:_MOST_NAMED]),
        )
        return
    numbers = [int(found[-1]) for p in pictures if len(found := _NUMBER.findall(p.stem)) == 1]
    steps = [b - a for a, b in pairwise(numbers)]
    if len(numbers) < len(pictures) or len(steps) < 2:
        return
    step = Counter(steps).most_common(1)[0][0]
    at = next((i for i, each in enumerate(steps) if each != step), None)
    if at is not None and sum(each == step for each in steps) * 2 > len(steps):
        log.warning(
            "'%s': numbers are missing, the first after %s: the pictures are taken to follow each other without a gap",
            folder,
            pictures[at].name,
        )
