"""Videos and run folders behind URLs (`s3://`, `gs://`, whatever fsspec reads): brought here, and taken back.

A video is brought whole, into a folder that is removed afterwards: seeking and counting ask for all of it anyway.
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
_TELL_OF_A_FINISHED_RUN = frozenset({paths.RESULT, paths.TIMING, paths.FRAMES_LOG, SETTINGS})


def is_url(place: str) -> bool:
    """Whether a place is named by a URL, and is not a file of that name."""
    return _URL.match(place) is not None and not Path(place).exists()


@contextmanager
def at_hand(source: str) -> Iterator[str]:
    """A source that can be opened: the source itself, or, of a URL, its copy, which is removed afterwards.

    Raises `ConfigError` where nothing is installed that reads such URLs, and `VideoError` for what cannot be brought;
    what is said of the copy in the block is said of the URL.
    """
    if not is_url(source):
        yield source
        return
    system, path = _system_of(source)
    with TemporaryDirectory(prefix="rvos-") as folder:
        copy = Path(folder) / Path(path.rstrip("/")).name
        with _told(VideoError, source):
            system.get(path, str(copy), recursive=system.isdir(path))
        try:
            yield str(copy)
        except VideoError as error:
            raise VideoError(str(error).replace(str(copy), source)) from error


def state_of_url(source: str) -> str:
    """Another text where what lies behind a URL has changed. Raises as `at_hand` does."""
    system, path = _system_of(source)
    with _told(VideoError, source):
        found = sorted(system.find(path)) if system.isdir(path) else [path]
        told = "\n".join(f"{Path(each).name}\0{system.ukey(each)}" for each in found)
    return hashlib.sha256(told.encode()).hexdigest()


class Mirror:
    """A folder behind a URL, and the one here that stands for it while runs are at work in it."""

    def __init__(self, url: str, here: Path) -> None:
        """Bring what runs have left there: of a finished one what tells that it is, of others all they go on from.
        Raises `ConfigError` and `OutputError`."""
        self.url = url.rstrip("/")
        self.here = here
        self._system, self._root = _system_of(self.url)
        self._known: dict[str, tuple[int, int]] = {}
        with _told(OutputError, self.url):
            there = self._there()
            finished = {name.rpartition("/")[0] for name in there if name.rpartition("/")[2] == paths.RESULT}
            brought = [
                name
                for name in there
                if name.rpartition("/")[0] not in finished or name.rpartition("/")[2] in _TELL_OF_A_FINISHED_RUN
            ]
            for name in brought:
                (here / name).parent.mkdir(parents=True, exist_ok=True)
            if brought:  # in one call: a storage that can brings several at a time
                self._system.get([f"{self._root}/{name}" for name in brought], [str(here / name) for name in brought])
            self._known.update((name, _stamp(here / name)) for name in brought)

    def push(self, folder: Path) -> None:
        """Take back what changed in a folder below `here` (or in `here`), its `result.json` last; what was removed here
        is removed there. Raises `OutputError`."""
        files = {str(path.relative_to(self.here)): path for path in folder.rglob("*") if path.is_file()}
        names = sorted(
            (name for name in files if not Path(name).name.startswith(".lock")),
            key=lambda name: (Path(name).name == paths.RESULT, name),
        )
        below = "" if folder == self.here else f"{folder.relative_to(self.here)}/"
        with _told(OutputError, self.url):
            for name in [name for name in self._known if name.startswith(below) and name not in files]:
                self._system.rm_file(f"{self._root}/{name}")
                del self._known[name]
            for name in names:
                stamp = _stamp(files[name])
                if self._known.get(name) != stamp:
                    self._system.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
                    self._system.put_file(str(files[name]), f"{self._root}/{name}")
                    self._known[name] = stamp

    def take(self, folder: Path) -> None:
        """`push` of a folder below `here` in which nothing more is done, and need not stay. Raises as it does."""
        self.push(folder)
        below = f"{folder.relative_to(self.here)}/"
        self._known = {name: stamp for name, stamp in self._known.items() if not name.startswith(below)}
        shutil.rmtree(folder, ignore_errors=True)

    def named(self, path: Path) -> str:
        """The URL of what lies below `here`."""
        inside = path.relative_to(self.here).as_posix()
        return self.url if inside == "." else f"{self.url}/{inside}"

    def _there(self) -> list[str]:
        found = self._system.find(self._root) if self._system.exists(self._root) else []
        return sorted(path[len(self._root) :].lstrip("/") for path in found)


class Here:
    """A folder of this machine, which stands for itself."""

    def __init__(self, here: Path) -> None:
        self.here = here

    def take(self, folder: Path) -> None:
        """Nothing: it is there."""

    def named(self, path: Path) -> str:
        """The path itself."""
        return str(path)


@contextmanager
def out_folder(out: str) -> Iterator[Here | Mirror]:
    """Where runs can be at work for a folder that is named by its path or its URL; a `Mirror` is taken back as a whole
    when the block ends, also by an error. Raises as it does."""
    if not is_url(out):
        yield Here(Path(out))
        return
    with TemporaryDirectory(prefix="rvos-") as folder:
        mirror = Mirror(out, Path(folder))
        try:
            yield mirror
        finally:
            mirror.push(mirror.here)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _system_of(url: str) -> tuple[Any, str]:
    """What reads such URLs, and the path in it. Raises `ConfigError`."""
    import fsspec

    try:
        system, path = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as error:
        told = str(error).partition("\n")[0]
        raise ConfigError(
            f"'{url}': expected a URL that can be read here, got: {told}: pip install 'rvos[remote]'"
        ) from error
    return system, path


@contextmanager
def _told(kind: type[RvosError], url: str) -> Iterator[None]:
    """What a storage refuses, in one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise kind(f"no such file: '{url}': check the name") from error
    except Exception as error:  # each storage has its own: rights, names of buckets, the network
        told = str(error).partition("\n")[0]
        raise kind(
            f"'{url}': cannot be reached ({type(error).__name__}: {told}): check its name and your rights"
        ) from error
