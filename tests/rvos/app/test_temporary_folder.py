"""The temporary folder of a page: it is deleted on exit, and folders of killed pages at the next start."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from image_core.errors import InUseError
from image_core.folder import LOCK, RunKind, lock_folder
from rvos.app.temporary_folder import temporary_folder


def test_folders_of_killed_pages_are_deleted_and_those_of_running_pages_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ("rvos-app-killed", "rvos-app-just-made", "rvos-app-of-somebody", "other-folder")
    killed, new, foreign, other = (tmp_path / name for name in names)
    for folder in (killed, new, foreign, other):
        (folder / "visits").mkdir(parents=True)
    for folder in (killed, new, other):
        (folder / LOCK).touch()
    long_ago = time.time() - 60
    for folder in (killed, other):
        os.utime(folder / LOCK, (long_ago, long_ago))
    (tmp_path / "rvos-app-link").symlink_to(other, target_is_directory=True)

    with temporary_folder() as first:
        os.utime(first / LOCK, (long_ago, long_ago))
        with temporary_folder() as second:
            assert first.is_dir() and second.is_dir() and not killed.exists()
            with pytest.raises(InUseError), lock_folder(second, RunKind("rvos app")):
                pass
    assert not first.exists() and not second.exists()
    assert (new / "visits").is_dir() and (foreign / "visits").is_dir() and (other / "visits").is_dir()
