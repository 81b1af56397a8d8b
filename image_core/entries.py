"""What lies in a folder: which entries are the user's, their order, and how to see that they changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from image_core.errors import DataError

_HIDDEN = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"})


def is_hidden(name: str) -> bool:
    """What file managers and archives leave beside the user's files: dotfiles (`._0001.png`, `.DS_Store`),
    `__MACOSX`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _HIDDEN


def entries_of(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, by name. Raises `DataError` where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}): check its name and its rights") from error


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts frame2 before frame10: every run of digits is a whole number."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def path_exists(name: str | Path) -> bool:
    """Whether a file or folder of this name exists. False also for names that none can have, as they are too long."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def fingerprint(paths: Iterable[Path], *, times: bool = True) -> str:
    """SHA-256 of names, sizes and modification times (to the nanosecond), in the order given. It changes when a file is
    replaced, added, renamed or removed; a missing file is hashed as missing. times: False leaves out the times, for
    several machines that each have a copy and must agree."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            state = f"{status.st_size} {status.st_mtime_ns}" if times else f"{status.st_size}"
        except OSError:
            state = "missing"
        digest.update(f"{path.name}\0{state}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
