"""The folder of a page, for all that visitors bring and that is found; and what pages that were killed have left."""

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
_NEW_S = 10
"""Seconds in which a page that has made its folder has surely locked it."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder among the temporary ones, deleted when it is left. Before, those are deleted whose page lives no
    more: each holds a lock in its own, which the system gives back however it ends."""
    count = sum(map(_deleted, Path(tempfile.gettempdir()).glob(f"{PREFIX}*")))
    if count:
        _LOG.info("deleted what pages that were killed had left: folders %s* (%d)", PREFIX, count)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, lock_folder(Path(name), _KIND):
        yield Path(name)


def _deleted(folder: Path) -> bool:
    """Delete a folder that no page holds; whether it is gone."""
    with suppress(OSError, OutputError):
        if folder.is_symlink() or time.time() - (folder / LOCK).stat().st_mtime < _NEW_S:
            return False
        with lock_folder(folder, _KIND):
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
