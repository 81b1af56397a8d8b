"""The temporary folder of a page, with all files of its visitors. Folders of pages that were killed are deleted."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from image_core.errors import OutputError
from image_core.folder import LOCK, RunKind, lock_folder

_LOG = logging.getLogger(__name__)
_KIND = RunKind("rvos app", lock_timeout_s=0)
PREFIX = "rvos-app-"
_MIN_AGE_S = 10
"""A younger folder is not deleted: its page may not have locked it yet."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder in the system's folder for temporary files, deleted on exit. Folders of pages that no longer run are
    deleted first: each page holds a lock in its folder, which the system releases however the page ends."""
    count = sum(map(_delete_stale, Path(tempfile.gettempdir()).glob(f"{PREFIX}*")))
    if count:
        _LOG.info("deleted the folders %s* of pages that were killed: %d", PREFIX, count)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, lock_folder(Path(name), _KIND):
        yield Path(name)


def _delete_stale(folder: Path) -> bool:
    """Delete a folder that no running page has locked. Returns whether the folder is gone."""
    with suppress(OSError, OutputError):
        if folder.is_symlink() or time.time() - (folder / LOCK).stat().st_mtime < _MIN_AGE_S:
            return False
        with lock_folder(folder, _KIND):
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
