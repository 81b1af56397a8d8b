"""A shelf of packages that stands in for the registries: archives in their real formats, and an npm that takes them.

pip is the real one: it takes wheels from a folder without any network.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from image_core.errors import FetchError
from image_core.weights import manifest
from image_core.weights.managers import OnBytes
from image_core.weights.manifest import Bundle, Manager, Package, PackagedFile

NPM = """#!{python}
import os, pathlib, shutil, sys, time
mode, shelf = os.environ.get("SHELF_NPM", ""), pathlib.Path({shelf!r})
if "--version" in sys.argv:
    sys.exit(print(os.environ.get("SHELF_NPM_VERSION", "11.19.1")))
with (shelf / "asked.txt").open("a") as asked:
    asked.write(sys.argv[-1] + chr(10))
if mode == "hang":
    pathlib.Path("half.tgz").write_bytes(b"half")
    (shelf / "hangs.txt").write_text(str(os.getpid()))
    time.sleep(600)
if mode:
    sys.exit(mode)
shutil.copy(shelf / (sys.argv[-1].replace("@", "-") + ".tgz"), ".")
"""


def package_of(manager: Manager, name: str) -> Package:
    return Package(manager, name, "1.2.3", 1000, licence="MIT", title=name.title(), what="numbers")


MASKER, LABELS = package_of("npm", "masker"), package_of("pip", "labels")
CONTENTS: Mapping[str, tuple[Package, str, bytes]] = {
    "masker/encoder.onnx": (MASKER, "package/dist/encoder.onnx", b"encoder" * 1000),
    "masker/model.json": (MASKER, "package/dist/model.json", b"{}"),
    "labels.txt": (LABELS, "labels/data/labels.txt", b"dog\ncat\n"),
}
"""Name in the bundle -> its package, its name there, what it holds."""
BYTES = {name: data for name, (_, _, data) in CONTENTS.items()}


def bundle_of_contents() -> Bundle:
    files = [
        PackagedFile(name, package, member, len(data), hashlib.sha256(data).hexdigest())
        for name, (package, member, data) in CONTENTS.items()
    ]
    return Bundle("tiny", "a few numbers", tuple(files))


@dataclass
class Shelf:
    """A folder of archives. It is a `Client`, too, which counts what is asked of it."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def put(self, package: Package, members: Mapping[str, bytes]) -> Path:
        """The archive of a package with `members`, in the format of its manager."""
        return self.put_tarball(package, members) if package.manager == "npm" else self.put_wheel(package, members)

    def put_tarball(self, package: Package, members: Mapping[str, bytes]) -> Path:
        path = self.folder / f"{package.name}-{package.version}.tgz"
        with tarfile.open(path, "w:gz") as tarball:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tarball.addfile(entry, io.BytesIO(data))
        return path

    def put_wheel(self, package: Package, members: Mapping[str, bytes]) -> Path:
        stem = f"{package.name.replace('-', '_')}-{package.version}"
        path = self.folder / f"{stem}-py3-none-any.whl"
        described = {
            "METADATA": f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, data in members.items():
                wheel.writestr(name, data)
            for name, text in described.items():
                wheel.writestr(f"{stem}.dist-info/{name}", text)
        return path

    def stock(self) -> None:
        """Put what `CONTENTS` says."""
        for package in (MASKER, LABELS):
            self.put(package, {member: data for owner, member, data in CONTENTS.values() if owner == package})

    def download(self, package: Package, folder: Path, tools: Path, on_bytes: OnBytes) -> Path:
        self.asked.append(package.name)
        archives = list(self.folder.glob(f"{package.name}-*"))
        if not archives:
            raise FetchError(f"{package} is not on the shelf")
        on_bytes(archives[0].stat().st_size)
        return Path(shutil.copy(archives[0], folder))

    @property
    def clients(self) -> dict[Manager, Shelf]:
        return {"npm": self, "pip": self}

    def asked_of_npm(self) -> list[str]:
        path = self.folder / "asked.txt"
        return path.read_text().splitlines() if path.exists() else []

    def npm_script(self) -> str:
        return NPM.format(python=sys.executable, shelf=str(self.folder))


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A stocked shelf, the only place that pip and npm know; the bundle `tiny`; an empty cache folder."""
    shelf, programs = Shelf(tmp_path / "shelf"), tmp_path / "programs"
    for folder in (shelf.folder, programs):
        folder.mkdir()
    shelf.stock()
    (programs / "npm").write_text(shelf.npm_script())
    (programs / "npm").chmod(0o755)
    settings = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shelf.folder),
        "RVOS_HOME": str(tmp_path / "home"),
        "PATH": str(programs),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    monkeypatch.setattr(manifest, "BUNDLES", {**manifest.BUNDLES, "tiny": bundle_of_contents()})
    return shelf
