"""Where networks come from: what is told before a download, and what goes wrong, in one line each."""

from __future__ import annotations

import errno
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from image_core.errors import CheckpointError, ConfigError
from image_core.hub import sources
from image_core.hub.catalogue import CLIPSEG, HUB_MODELS, REPOSITORIES, SAM3, hub_model, size_of
from image_core.hub.loading import Placement, read_network
from image_core.hub.sources import Source, download, find_source
from tests.tiny_networks import WRITERS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINNED = Source(CLIPSEG.name, CLIPSEG.revision, CLIPSEG.model_type, CLIPSEG.licence)
GATED = Source(SAM3.name, SAM3.revision, SAM3.model_type, SAM3.licence)


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no token, and a hub that does not answer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(sources, "get_token", lambda: None)


def cached(folder: Path, name: str, commit: str, cache: Path) -> None:
    """A folder in the cache of the hub, as a download leaves it."""
    home = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)


def raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def answered(kind: type[Exception]) -> Exception:
    """An error as huggingface_hub raises it over an answer of the hub."""
    error = kind.__new__(kind)
    Exception.__init__(error, "refused")
    return error


def test_the_catalogue_pins_commits() -> None:
    assert all(len(r.revision) == 40 and int(r.revision, 16) and "/" in r.name for r in REPOSITORIES.values())
    assert all(r.name in REPOSITORIES for model in HUB_MODELS.values() for r in model.repositories)
    assert hub_model("sam3").gated and not hub_model("clipseg").gated
    assert size_of(hub_model("grounded-sam2").download_bytes) == "1.3 GB" and CLIPSEG.size == "603 MB"


def test_one_line_per_download_and_none_for_cached_files(
    no_hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    brought: list[object] = []
    monkeypatch.setattr(sources, "_fetch_commit", lambda name, commit: commit)

    def bringing(name: str, revision: str, allow_patterns: object) -> str:
        brought.append((name, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(sources, "snapshot_download", bringing)
    with caplog.at_level(logging.INFO):
        assert download(PINNED) == tmp_path
    assert caplog.messages == ["CIDAS/clipseg-rd64-refined at 999e0328d9e1: downloading 603 MB, licence Apache-2.0"]
    small = ["*.json", "*.txt", "*.model", "*.jinja"]
    asked = [(CLIPSEG.name, CLIPSEG.revision, patterns) for patterns in (small, "*.safetensors")]
    assert brought == asked, "the weights last, so that the rest is where they are; no pickle"
    caplog.clear()
    cached(WRITERS["clipseg"](tmp_path / "one"), CLIPSEG.name, CLIPSEG.revision, tmp_path / "cache")
    with caplog.at_level(logging.INFO):
        assert download(PINNED).name == CLIPSEG.revision
    assert caplog.messages == [] and len(brought) == 2


def test_weights_in_several_files_are_here_when_all_are(no_hub: None, tmp_path: Path) -> None:
    folder = WRITERS["clipseg"](tmp_path / "one")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    cached(folder, "someone/thing", COMMIT, tmp_path / "cache")
    with pytest.raises(CheckpointError, match="is not downloaded"):
        download(Source("someone/thing", COMMIT, "clipseg"))
    here = tmp_path / "cache" / "models--someone--thing" / "snapshots" / COMMIT
    shutil.copy(here / "model-1.safetensors", here / "model-2.safetensors")
    assert download(Source("someone/thing", COMMIT, "clipseg")) == here


def test_a_gated_model_is_reported_before_any_request(
    no_hub: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(sources, "_fetch_commit", raising(AssertionError("asked")))
    with pytest.raises(CheckpointError, match=r"facebook/sam3.*accepted licence.*3.4 GB, SAM License.*hf auth login"):
        download(GATED)
    monkeypatch.setattr(sources, "get_token", lambda: "a token")
    monkeypatch.setattr(sources, "_fetch_commit", lambda name, commit: commit)
    monkeypatch.setattr(sources, "snapshot_download", lambda *_, **__: "folder")
    with caplog.at_level(logging.INFO):
        download(GATED)
    assert "3.4 GB, licence SAM License, for those who accepted it" in caplog.text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left on the disk: make room, or set HF_HOME"),
        (answered(GatedRepoError), "expected an accepted licence and a token"),
        (answered(RepositoryNotFoundError), "the hub has no such model: check the name, or log in"),
        (
            ConnectionError("reset"),
            "the hub cannot be reached: connect to the network once, or give a local folder",
        ),
    ],
)
def test_a_download_that_fails_is_one_line(
    no_hub: None, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    monkeypatch.setattr(sources, "_fetch_commit", lambda name, commit: commit)
    monkeypatch.setattr(sources, "snapshot_download", raising(error))
    with pytest.raises(CheckpointError, match=message) as caught:
        download(PINNED)
    assert "\n" not in str(caught.value)


def test_one_line_names_the_fix_without_network(no_hub: None) -> None:
    for ask in (lambda: download(PINNED), lambda: find_source("someone/no-such-model")):
        with pytest.raises(CheckpointError, match="is not downloaded, and the hub cannot be reached") as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_a_repository_that_is_in_the_cache_works_offline_at_the_commit_of_then(
    no_hub: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = WRITERS["clipseg"](tmp_path / "one")
    (folder / "README.md").write_text("---\ntags:\n- vision\nlicense: mit\n---\n# A model\n")
    cached(folder, "someone/thing", COMMIT, tmp_path / "cache")
    with caplog.at_level(logging.INFO):
        source = find_source("someone/thing")
    assert source == Source("someone/thing", COMMIT, "clipseg", "mit")
    assert find_source(source.text) == source, "by its commit, too"
    assert caplog.messages == [
        "someone/thing: the hub cannot be reached; using the commit of the last download, 0123456789ab"
    ]


def test_a_folder_is_recognised_by_its_files(tmp_path: Path) -> None:
    folder = WRITERS["clipseg"](tmp_path)
    source = find_source(str(folder))
    assert source.model_type == "clipseg" and len(source.revision) == 64 and source.commit is None
    (folder / "notes.md").write_text("nothing that is read")
    assert find_source(str(folder)) == source


def broken(folder: Path, what: str) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    if what == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif what == "no weights":
        weights.unlink()
    elif what == "no config":
        config.unlink()
    elif what == "no JSON":
        config.write_text("{")
    elif what == "no kind":
        config.write_text("{}")
    elif what == "other shapes":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"reduce_dim": 32}))
    else:
        (folder / "preprocessor_config.json").unlink(missing_ok=True)
        (folder / "processor_config.json").unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated", "cannot be read .*: complete the folder"),
        ("no weights", "cannot be read .*: complete the folder"),
        ("no config", "cannot be read .*: complete the folder"),
        ("no JSON", "cannot be read .*: complete the folder"),
        ("no kind", "expected a config.json with a model_type, got one without"),
        (
            "other shapes",
            r"expected the weights of a CLIPSegFor.*, got \d+ missing and [1-9]\d* of another shape",
        ),
        ("no processor", "cannot be read .*: complete the folder"),
    ],
)
def test_a_folder_that_is_not_whole(tmp_path: Path, what: str, message: str) -> None:
    folder = WRITERS["clipseg"](tmp_path)
    broken(folder, what)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_network(find_source(str(folder)), "CLIPSegForImageSegmentation", "CLIPSegProcessor", Placement("cpu"))
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    clip, clipseg = WRITERS["clip"](tmp_path / "clip"), WRITERS["clipseg"](tmp_path / "clipseg")
    shutil.copy(clip / "model.safetensors", clipseg)
    with pytest.raises(CheckpointError, match=r"expected the weights of a CLIPSegForImageSegmentation, got [1-9]"):
        read_network(find_source(str(clipseg)), "CLIPSegForImageSegmentation", "CLIPSegProcessor", Placement("cpu"))


def test_a_class_that_transformers_does_not_have_is_reported(tmp_path: Path) -> None:
    source = find_source(str(WRITERS["clipseg"](tmp_path)))
    with pytest.raises(CheckpointError, match=r"expected transformers with NoSuchModel, got .* install a newer one"):
        read_network(source, "NoSuchModel", "CLIPSegProcessor", Placement("cpu"))


def test_a_name_that_is_no_repository() -> None:
    with pytest.raises(ConfigError, match="expected OWNER/NAME of the hub or a folder, got neither"):
        find_source("no/such/folder")
