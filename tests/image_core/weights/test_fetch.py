"""Fetching: what arrives is whole, whatever happens on the way."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from image_core.errors import FetchError, InUseError, OutputError, RvosError
from image_core.folder import RunKind, lock_folder
from image_core.weights import archive
from image_core.weights import fetch as fetching
from image_core.weights.cache import faults_of, folder_of, weights_of
from image_core.weights.fetch import announcement, fetch
from image_core.weights.managers import OnBytes
from image_core.weights.manifest import Package, bundle_of
from tests.package_shelf import BYTES, CONTENTS, LABELS, MASKER, Shelf

ROOT = Path(__file__).resolve().parents[3]


def files_left() -> set[str]:
    """What lies in the bundle's folder, beside the lock and the stamps."""
    folder = folder_of(bundle_of("tiny"))
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {
        ".lock",
        "verified.json",
    }


def refused(kind: type[RvosError], shelf: Shelf) -> str:
    """The one line in which a fetch is refused; what is there afterwards is whole, and nothing is half-way."""
    with pytest.raises(kind) as caught:
        fetch("tiny", clients=shelf.clients)
    message = str(caught.value)
    assert "\n" not in message
    if folder_of(bundle_of("tiny")).is_dir():
        assert files_left() == set(CONTENTS) - set(faults_of(bundle_of("tiny")))
    return message


def test_a_bundle_is_fetched_completely_with_progress(shelf: Shelf) -> None:
    told: list[tuple[int, int | None]] = []
    paths = fetch("tiny", lambda done, total: told.append((done, total)), shelf.clients)
    assert {name: path.read_bytes() for name, path in paths.items()} == BYTES
    assert told == sorted(told) and told[0] == (0, 2000) and told[-1] == (2000, 2000) and files_left() == set(CONTENTS)
    assert weights_of("tiny") == paths


def test_a_complete_bundle_needs_no_request_and_no_write_permission(shelf: Shelf) -> None:
    paths = fetch("tiny", clients=shelf.clients)
    (folder_of(bundle_of("tiny")) / ".lock").unlink()
    assert fetch("tiny", clients={}) == paths and not (folder_of(bundle_of("tiny")) / ".lock").exists()


def test_one_line_before_a_download_names_it_with_size_and_licence(shelf: Shelf) -> None:
    photo = announcement("photo")
    assert photo is not None and "\n" not in photo
    assert all(word in photo for word in ("76 MB", "MobileSAM", "Apache-2.0", str(folder_of(bundle_of("photo")))))
    fetch("tiny", clients=shelf.clients)
    assert announcement("tiny") is None


# ---------------------------------------------------------------------------------------------- what is in a package


@pytest.mark.parametrize("package", [MASKER, LABELS])
def test_a_file_of_another_hash_is_refused_and_not_kept(package: Package, shelf: Shelf) -> None:
    changed = {m: bytes(reversed(data)) for owner, m, data in CONTENTS.values() if owner == package}
    shelf.put(package, changed)
    message = refused(FetchError, shelf)
    assert str(package) in message and "SHA-256" in message
    shelf.stock()
    fetch("tiny", clients=shelf.clients)


def test_a_file_that_is_longer_is_not_read_to_its_end(shelf: Shelf) -> None:
    shelf.put(LABELS, {"labels/data/labels.txt": CONTENTS["labels.txt"][2] + bytes(100_000_000)})
    assert "longer" in refused(FetchError, shelf)


def test_a_package_without_the_file_is_refused(shelf: Shelf) -> None:
    shelf.put(MASKER, {"package/dist/encoder.onnx": CONTENTS["masker/encoder.onnx"][2]})
    assert "expected a file package/dist/model.json, got none" in refused(FetchError, shelf)


@pytest.mark.parametrize("package", [MASKER, LABELS])
@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "flipped"])
def test_a_damaged_archive_is_refused(package: Package, damage: str, shelf: Shelf) -> None:
    (path,) = shelf.folder.glob(f"{package.name}-*")
    data = path.read_bytes()
    middle = len(data) // 2
    changed = {
        "cut": data[:middle],
        "empty": b"",
        "foreign": b"<html>sign in to this network</html>",
        "flipped": data[:40] + bytes(byte ^ 255 for byte in data[40:60]) + data[60:],
    }
    path.write_bytes(changed[damage])
    refused(FetchError, shelf)


def test_an_archive_decides_nowhere_what_is_written(shelf: Shelf, tmp_path: Path) -> None:
    members = {member: data for owner, member, data in CONTENTS.values() if owner == MASKER}
    evil = {"../../evil": b"1", str(tmp_path / "evil"): b"2", "package/../../evil": b"3"}
    shelf.put(MASKER, {**evil, **members})
    fetch("tiny", clients=shelf.clients)
    assert files_left() == set(CONTENTS) and not list(tmp_path.rglob("evil"))


def test_a_link_is_no_file(shelf: Shelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENTS["masker/model.json"][2])
    with tarfile.open(shelf.folder / "masker-1.2.3.tgz", "w:gz") as tarball:
        link = tarfile.TarInfo("package/dist/model.json")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tarball.addfile(link)
        data = CONTENTS["masker/encoder.onnx"][2]
        entry = tarfile.TarInfo("package/dist/encoder.onnx")
        entry.size = len(data)
        tarball.addfile(entry, io.BytesIO(data))
    assert "model.json, got none" in refused(FetchError, shelf)


# ---------------------------------------------------------------------------------------------- the disk


def test_too_little_room_is_seen_before_anything_is_downloaded(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    assert "of free disk space, got 0 MB: free some, or set RVOS_HOME" in refused(OutputError, shelf)
    assert shelf.asked == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_half(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    path_open = Path.open

    def opened(path: Path, mode: str = "r", *rest: object, **named: object) -> object:
        return Full() if mode == "wb" else path_open(path, mode, *rest, **named)  # type: ignore[call-overload]

    with monkeypatch.context() as full:
        full.setattr(archive.Path, "open", opened)
        message = refused(OutputError, shelf)
    assert "No space left on device" in message and "RVOS_HOME" in message
    fetch("tiny", clients=shelf.clients)


def test_a_cache_folder_that_cannot_be_written_is_reported(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("RVOS_HOME", str(tmp_path / "file" / "home"))
    message = refused(OutputError, shelf)
    assert "cannot be written" in message and "set RVOS_HOME to another folder" in message


# ---------------------------------------------------------------------------------------------- kills and company

KILLED = """
import sys, time
from pathlib import Path
from image_core.weights import manifest
from image_core.weights.fetch import fetch
from tests.package_shelf import Shelf, bundle_of_contents

class Hanging(Shelf):
    def download(self, package, folder, tools, on_bytes):
        if package.name == "labels":
            (folder / "half.whl").write_bytes(b"half")
            (self.folder / "hangs.txt").touch()
            time.sleep(600)
        return super().download(package, folder, tools, on_bytes)

manifest.BUNDLES = {"tiny": bundle_of_contents()}
fetch("tiny", clients=Hanging(Path(sys.argv[1])).clients)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_fetch_is_continued(shelf: Shelf) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(shelf.folder)], cwd=ROOT)
    try:
        wait_for((shelf.folder / "hangs.txt").exists)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert any(name.startswith(".arriving-") for name in files_left())
    assert faults_of(bundle_of("tiny")) == {"labels.txt": "missing"}
    fetch("tiny", clients=shelf.clients)
    assert shelf.asked == ["labels"] and files_left() == set(CONTENTS)


@dataclass
class SlowShelf(Shelf):
    """Takes its time."""

    def download(self, package: Package, folder: Path, tools: Path, on_bytes: OnBytes) -> Path:
        time.sleep(0.2)
        return super().download(package, folder, tools, on_bytes)


def test_of_two_at_once_one_fetches_and_both_have_it(shelf: Shelf) -> None:
    slow = SlowShelf(shelf.folder)
    with ThreadPoolExecutor(2) as pool:
        one, other = [pool.submit(fetch, "tiny", clients=slow.clients) for _ in range(2)]
    assert one.result() == other.result() == weights_of("tiny") and sorted(slow.asked) == ["labels", "masker"]


def test_nobody_waits_for_ever_for_another_fetch(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_LOCK_TIMEOUT_S", 0.1)
    with lock_folder(folder_of(bundle_of("tiny")), RunKind("rvos test")):
        assert "is in use by another run: wait for it" in refused(InUseError, shelf)
