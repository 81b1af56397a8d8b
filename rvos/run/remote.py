"""Videos and run folders at URLs (`s3://`, `gs://` and others that fsspec reads): downloads and uploads.

A video is downloaded as a whole into a temporary folder, since seeking and counting need all of it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from image_core.errors import ConfigError, OutputError, RvosError
from image_core.folder import SETTINGS
from rvos.export import paths
from rvos.types import VideoError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FILES_OF_A_FINISHED_RUN = frozenset({paths.RESULT, paths.TIMING, paths.FRAMES_LOG, SETTINGS})


def is_url(place: str) -> bool:
    """Whether a source or folder is a URL, and not a file of that name."""
    return _URL.match(place) is not None and not Path(place).exists()


@contextmanager
def local_copy(source: str) -> Iterator[str]:
    """The path of a source: the source itself, or a copy of a URL, which is removed afterwards.

    Raises `ConfigError` if no installed package reads such URLs, and `VideoError` if the download fails. In a
    `VideoError` of the block the path of the copy is replaced by the URL.
    """
    if not is_url(source):
        yield source
        return
    filesystem, path = _filesystem_of(source)
    with TemporaryDirectory(prefix="rvos-") as folder:
        copy = Path(folder) / Path(path.rstrip("/")).name
        with _storage_errors(VideoError, source):
            filesystem.get(path, str(copy), recursive=filesystem.isdir(path))
        try:
            yield str(copy)
        except VideoError as error:
            raise VideoError(str(error).replace(str(copy), source)) from error


def url_fingerprint(source: str) -> str:
    """A hash that changes if the content of a URL changes. Raises as `local_copy` does."""
    filesystem, path = _filesystem_of(source)
    with _storage_errors(VideoError, source):
        found = sorted(filesystem.find(path)) if filesystem.isdir(path) else [path]
        described = "\n".join(f"{Path(each).name}\0{filesystem.ukey(each)}" for each in found)
    return hashlib.sha256(described.encode()).hexdigest()


class RemoteFolder:
    """A folder at a URL, and the local folder that runs write to in its place."""

    def __init__(self, url: str, local: Path) -> None:
        """Download the run folders: of a finished run only the files that identify it, of others everything. Raises
        `ConfigError` and `OutputError`."""
        self.url = url.rstrip("/")
        self.local = local
        self._filesystem, self._root = _filesystem_of(self.url)
        self._synced: dict[str, tuple[int, int]] = {}
        with _storage_errors(OutputError, self.url):
            remote = self._remote_files()
            finished = {name.rpartition("/")[0] for name in remote if name.rpartition("/")[2] == paths.RESULT}
            downloaded = [
                name
                for name in remote
                if name.rpartition("/")[0] not in finished or name.rpartition("/")[2] in _FILES_OF_A_FINISHED_RUN
            ]
            for name in downloaded:
                (local / name).parent.mkdir(parents=True, exist_ok=True)
            if downloaded:  # in one call, so that a storage can transfer several at a time
                sources = [f"{self._root}/{name}" for name in downloaded]
                self._filesystem.get(sources, [str(local / name) for name in downloaded])
            self._synced.update((name, _stamp(local / name)) for name in downloaded)

    def push(self, folder: Path) -> None:
        """Upload the files that changed in a folder in `local` (or in `local` itself), `result.json` last, and delete
        the remote files that were deleted locally. Raises `OutputError`."""
        files = {str(path.relative_to(self.local)): path for path in folder.rglob("*") if path.is_file()}
        names = sorted(
            (name for name in files if not Path(name).name.startswith(".lock")),
            key=lambda name: (Path(name).name == paths.RESULT, name),
        )
        below = "" if folder == self.local else f"{folder.relative_to(self.local)}/"
        with _storage_errors(OutputError, self.url):
            for name in [name for name in self._synced if name.startswith(below) and name not in files]:
                self._filesystem.rm_file(f"{self._root}/{name}")
                del self._synced[name]
            for name in names:
                stamp = _stamp(files[name])
                if self._synced.get(name) != stamp:
                    self._filesystem.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
                    self._filesystem.put_file(str(files[name]), f"{self._root}/{name}")
                    self._synced[name] = stamp

    def transfer(self, folder: Path) -> None:
        """Upload a folder in `local` that is complete, and delete the local copy. Raises as `push` does."""
        self.push(folder)
        below = f"{folder.relative_to(self.local)}/"
        self._synced = {name: stamp for name, stamp in self._synced.items() if not name.startswith(below)}
        shutil.rmtree(folder, ignore_errors=True)

    def display_path(self, path: Path) -> str:
        """The URL of a path in `local`."""
        inside = path.relative_to(self.local).as_posix()
        return self.url if inside == "." else f"{self.url}/{inside}"

    def _remote_files(self) -> list[str]:
        found = self._filesystem.find(self._root) if self._filesystem.exists(self._root) else []
        return sorted(path[len(self._root) :].lstrip("/") for path in found)


class LocalFolder:
    """A local folder, with the interface of `RemoteFolder`."""

    def __init__(self, local: Path) -> None:
        self.local = local

    def transfer(self, folder: Path) -> None:
        """Does nothing: the folder is in its place."""

    def display_path(self, path: Path) -> str:
        """The path itself."""
        return str(path)


@contextmanager
def out_folder(out: str) -> Iterator[LocalFolder | RemoteFolder]:
    """The folder that runs write to, for a path or a URL. A `RemoteFolder` is uploaded when the block ends, also after
    an error. Raises as `RemoteFolder` does."""
    if not is_url(out):
        yield LocalFolder(Path(out))
        return
    with TemporaryDirectory(prefix="rvos-") as folder:
        remote = RemoteFolder(out, Path(folder))
        try:
            yield remote
        finally:
            remote.push(remote.local)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _filesystem_of(url: str) -> tuple[Any, str]:
    """The filesystem that reads a URL, and the path in it. Raises `ConfigError`."""
    import fsspec

    try:
        filesystem, path = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"'{url}': expected a URL that can be read here, got: {reason}: pip install 'rvos[remote]'"
        ) from error
    return filesystem, path


@contextmanager
def _storage_errors(kind: type[RvosError], url: str) -> Iterator[None]:
    """Raises the errors of a storage with a message of one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise kind(f"no such file: '{url}': check the name") from error
    except Exception as error:  # storages raise errors of their own
        reason = str(error).partition("\n")[0]
        raise kind(
            f"'{url}': cannot be reached ({type(error).__name__}: {reason}): check its name and your permissions"
        ) from error
