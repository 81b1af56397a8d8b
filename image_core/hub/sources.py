"""The source of a network's files: a local folder, or a repository of the hub at a commit.

A repository of the catalogue is always read at the commit given there. For any other repository the current commit is
resolved on first use and recorded with the results. huggingface_hub caches what it has downloaded, and then works
offline; HF_HUB_OFFLINE=1 makes it work offline always.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage]
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from safetensors import SafetensorError

from image_core.errors import CheckpointError, ConfigError
from image_core.hub.catalogue import REPOSITORIES, Repository, size_of
from image_core.identity import digest_of

_LOG = logging.getLogger(__name__)
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(@(?P<revision>[0-9a-f]{40}))?")
CONFIG = "config.json"
CARD = "README.md"
_WEIGHTS = "*.safetensors"
_SIDE_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
_READ_FILES = (_WEIGHTS, *_SIDE_FILES)
"""Patterns of the files that a network and its processor are loaded from. Pickles are never loaded."""


@dataclass(frozen=True)
class Source:
    """A network on the hub or in a folder, with its revision."""

    #: As the user gave it: OWNER/NAME, or a folder.
    name: str
    #: The commit of a repository, or the digest of a folder's files.
    revision: str
    #: The `model_type` of its config.json, such as "clipseg".
    model_type: str
    #: Licence of the weights, "" if it is not known.
    licence: str = ""
    #: The folder, or None for a repository.
    folder: Path | None = None

    @property
    def commit(self) -> str | None:
        """The `revision` argument of transformers; None for a folder."""
        return None if self.folder else self.revision

    @property
    def text(self) -> str:
        """The text that `find_source` resolves to this same source, even after the repository gets newer commits."""
        return self.name if self.folder else f"{self.name}@{self.revision}"


def find_source(text: str) -> Source:
    """Resolve a folder, OWNER/NAME or OWNER/NAME@COMMIT. For a repository that is not in the catalogue, two small files
    are downloaded: its configuration, for the model type and the commit, and its card, for the licence.

    Raises `ConfigError` for another text, and `CheckpointError` where the source cannot be read.
    """
    folder = Path(text)
    if folder.is_dir():
        with hub_errors(text):
            return Source(text, _digest(folder), _model_type(text, folder / CONFIG), folder=folder)
    match = _REPOSITORY.fullmatch(text)
    if not match:
        raise ConfigError(f"network '{text}': expected OWNER/NAME of the hub or a folder, got neither")
    name, revision = match["name"], match["revision"]
    catalogued = REPOSITORIES.get(name)
    if catalogued and revision in (None, catalogued.revision):
        return Source(name, catalogued.revision, catalogued.model_type, catalogued.licence)
    with hub_errors(name):
        commit = revision or _latest_commit(name)
        config = Path(hf_hub_download(name, CONFIG, revision=commit))
        return Source(name, commit, _model_type(name, config), _licence(name, commit))


def download(source: Source) -> Path:
    """The folder with a network's files. If they are not in the cache, they are downloaded, after a log line with name,
    size and licence. If they are, no request is sent to the hub.

    Raises `CheckpointError`; for a gated repository without a token, before any request is sent.
    """
    folder = source.folder or _downloaded_folder(source.name, source.revision)
    if folder:
        return folder
    catalogued = REPOSITORIES.get(source.name)
    if catalogued and catalogued.gated and not get_token() and not constants.HF_HUB_OFFLINE:
        raise CheckpointError(_gated_message(source.name, catalogued))
    with hub_errors(source.name):
        _fetch_commit(
            source.name, source.commit
        )  # one request: fails at once if there is no connection, without five retries
        size = catalogued.download_bytes if catalogued else _download_bytes(source)
        gate = ", for those who accepted it" if catalogued and catalogued.gated else ""
        licence = f"licence {source.licence}{gate}" if source.licence else "licence not stated"
        _LOG.info("%s at %s: downloading %s, %s", source.name, source.revision[:12], size_of(size), licence)
        with _progress_bars_unless_quiet():
            # The weights come last: if they are in the cache, so is the rest.
            snapshot_download(source.name, revision=source.commit, allow_patterns=list(_SIDE_FILES))
            return Path(snapshot_download(source.name, revision=source.commit, allow_patterns=_WEIGHTS))


def is_downloaded(repository: Repository) -> bool:
    """Whether a repository of the catalogue is completely in the cache, at its commit. No request is sent."""
    return _downloaded_folder(repository.name, repository.revision) is not None


def cache_folder() -> str:
    """The cache folder of huggingface_hub."""
    return constants.HF_HUB_CACHE


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn exceptions of huggingface_hub, transformers and safetensors into a `CheckpointError` of one line, with the
    fix."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, HTTPError, SafetensorError, EntryNotFoundError) as error:
        raise CheckpointError(_error_message(name, error)) from error


def _error_message(name: str, error: Exception) -> str:
    chain = list(_exception_chain(error))
    subject = f"network '{name}'"
    if any(isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT) for e in chain):
        return f"{subject}: no space is left on the disk: make room, or set HF_HOME to a folder with more"
    if any(isinstance(e, GatedRepoError) for e in chain):
        return _gated_message(name, REPOSITORIES.get(name))
    if any(isinstance(e, RepositoryNotFoundError | RevisionNotFoundError | HFValidationError) for e in chain):
        return f"{subject}: the hub has no such model: check the name, or log in where it is private (hf auth login)"
    first = (str(error).splitlines() or [""])[0].strip() or type(error).__name__
    if Path(name).is_dir():
        return f"{subject}: cannot be read ({first}): complete the folder"
    if any(_is_network_error(e) for e in chain):
        return (
            f"{subject}: is not downloaded, and the hub cannot be reached: connect to the network once, or give a "
            "local folder instead"
        )
    return f"{subject}: cannot be read ({first}): download it again, or give a local folder instead"


@contextmanager
def _progress_bars_unless_quiet() -> Iterator[None]:
    """Disable huggingface_hub's progress bars if INFO logging is off, as with `--quiet`."""
    is_disabled_here = not _LOG.isEnabledFor(logging.INFO) and not are_progress_bars_disabled()
    if is_disabled_here:
        disable_progress_bars()
    try:
        yield
    finally:
        if is_disabled_here:
            enable_progress_bars()


def _exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _gated_message(name: str, repository: Repository | None) -> str:
    size = f", {repository.size}, {repository.licence}" if repository else ""
    return (
        f"network '{name}': expected an accepted licence and a token, got no access{size}: accept the licence on the "
        "model's page of the hub, then log in (hf auth login)"
    )


def _is_network_error(error: BaseException) -> bool:
    is_transport_error = isinstance(error, HTTPError) and not isinstance(error, HfHubHTTPError)
    return is_transport_error or isinstance(error, LocalEntryNotFoundError | ConnectionError)


def _fetch_commit(name: str, commit: str | None) -> str:
    """The commit of a repository's configuration on the hub. One request, without retries."""
    url = hf_hub_url(name, CONFIG, revision=commit)
    return get_hf_file_metadata(url, token=get_token()).commit_hash or ""


def _latest_commit(name: str) -> str:
    """The newest commit on the hub; if the hub cannot be reached, the newest one at the last download."""
    try:
        return _fetch_commit(name, None)
    except (HTTPError, OSError) as error:
        cached = try_to_load_from_cache(name, CONFIG)
        if not isinstance(cached, str) or not _is_network_error(error):
            raise
        commit = Path(cached).parent.name
        _LOG.info("%s: the hub cannot be reached; using the commit of the last download, %s", name, commit[:12])
        return commit


def _downloaded_folder(name: str, revision: str) -> Path | None:
    """The folder of a repository that is completely in the cache, else None."""
    index = try_to_load_from_cache(name, "model.safetensors.index.json", revision=revision)
    shards = ["model.safetensors"]
    if isinstance(index, str):
        shards = sorted(set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values()))
    paths = [try_to_load_from_cache(name, shard, revision=revision) for shard in shards]
    return Path(str(paths[0])).parent if all(isinstance(path, str) for path in paths) else None


def _download_bytes(source: Source) -> int:
    """The number of bytes that `download` would fetch."""
    files = snapshot_download(source.name, allow_patterns=list(_READ_FILES), dry_run=True, revision=source.commit)
    return sum(file.file_size or 0 for file in files if file.will_download)


def _model_type(name: str, path: Path) -> str:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or not isinstance(document.get("model_type"), str):
        raise CheckpointError(f"network '{name}': expected a config.json with a model_type, got one without")
    return document["model_type"]


def _licence(name: str, revision: str) -> str:
    """The licence in the header of the model's card; "" if there is no card, or no licence in it."""
    try:
        card = Path(hf_hub_download(name, CARD, revision=revision)).read_text(encoding="utf-8")
    except EntryNotFoundError:
        return ""
    match = re.match(r"---\n.*?^license:\s*([\w.+-]+)\s*$.*?^---", card, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


def _digest(folder: Path) -> str:
    """SHA-256 over the names and hashes of the files that a network is loaded from."""
    files = sorted({path for pattern in _READ_FILES for path in folder.glob(pattern) if path.is_file()})
    listing = "".join(f"{path.name} {digest_of(path)}\n" for path in files)
    return hashlib.sha256(listing.encode()).hexdigest()
