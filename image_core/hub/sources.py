"""Where the files of one network lie: a folder, or a repository of the hub at a commit.

A repository whose commit is known is always read at that commit. For another one the current commit is resolved when
it is first needed, and recorded with the results. huggingface_hub keeps what was downloaded, and works offline
afterwards, or always with HF_HUB_OFFLINE=1.
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
_BESIDE = ("*.json", "*.txt", "*.model", "*.jinja")
_READ = (_WEIGHTS, *_BESIDE)
"""The files that a network and its processor are read from. Pickles are never read."""


@dataclass(frozen=True)
class Source:
    """What transformers is told to read."""

    #: As it was asked for: OWNER/NAME, or a folder.
    name: str
    #: The commit of a repository; of a folder the digest of its files.
    revision: str
    #: The `model_type` of its config.json, such as "clipseg".
    model_type: str
    #: Of the weights, "" where it is not known.
    licence: str = ""
    #: Where it lies, for a folder.
    folder: Path | None = None

    @property
    def commit(self) -> str | None:
        """The `revision` argument of transformers; None for a folder."""
        return None if self.folder else self.revision

    @property
    def text(self) -> str:
        """The text from which `find_source` makes the same source, also when the repository has newer commits."""
        return self.name if self.folder else f"{self.name}@{self.revision}"


def find_source(text: str) -> Source:
    """The source that a folder, OWNER/NAME or OWNER/NAME@COMMIT names. For a repository that is not in the catalogue
    two small files are downloaded: its configuration, for kind and commit, and its card, for the licence.

    Raises `ConfigError` for another text, and `CheckpointError` where the source cannot be read.
    """
    folder = Path(text)
    if folder.is_dir():
        with told(text):
            return Source(text, _digest(folder), _model_type(text, folder / CONFIG), folder=folder)
    found = _REPOSITORY.fullmatch(text)
    if not found:
        raise ConfigError(f"network '{text}': expected OWNER/NAME of the hub or a folder, got neither")
    name, asked = found["name"], found["revision"]
    known = REPOSITORIES.get(name)
    if known and asked in (None, known.revision):
        return Source(name, known.revision, known.model_type, known.licence)
    with told(name):
        commit = asked or _newest(name)
        config = Path(hf_hub_download(name, CONFIG, revision=commit))
        return Source(name, commit, _model_type(name, config), _licence(name, commit))


def bring(source: Source) -> Path:
    """The folder with a network's files: downloaded, if they are not here yet, after one line that says what, how large
    and under which licence. What is here is read without asking the hub.

    Raises `CheckpointError`; for a gated repository without a token before anything is asked of the hub.
    """
    here = source.folder or _downloaded(source.name, source.revision)
    if here:
        return here
    known = REPOSITORIES.get(source.name)
    if known and known.gated and not get_token() and not constants.HF_HUB_OFFLINE:
        raise CheckpointError(_gated(source.name, known))
    with told(source.name):
        _ask(source.name, source.commit)  # a hub that is out of reach is known at once, without five tries
        size = known.download_bytes if known else _download_bytes(source)
        gate = ", for those who accepted it" if known and known.gated else ""
        licence = f"licence {source.licence}{gate}" if source.licence else "its licence is not told"
        _LOG.info("%s at %s: downloading %s, %s", source.name, source.revision[:12], size_of(size), licence)
        with _bars_unless_quiet():
            # The weights come last: where they are, the rest is.
            snapshot_download(source.name, revision=source.commit, allow_patterns=list(_BESIDE))
            return Path(snapshot_download(source.name, revision=source.commit, allow_patterns=_WEIGHTS))


def is_here(repository: Repository) -> bool:
    """Whether a repository of the catalogue was downloaded before, whole, at its commit. The hub is not asked."""
    return _downloaded(repository.name, repository.revision) is not None


def cache_folder() -> str:
    """Where repositories of the hub are kept."""
    return constants.HF_HUB_CACHE


@contextmanager
def told(name: str) -> Iterator[None]:
    """What huggingface_hub, transformers or safetensors raise over a network becomes a `CheckpointError` of one line,
    with the fix."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, HTTPError, SafetensorError, EntryNotFoundError) as error:
        raise CheckpointError(_in_one_line(name, error)) from error


def _in_one_line(name: str, error: Exception) -> str:
    chain = list(_chain(error))
    subject = f"network '{name}'"
    if any(isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT) for e in chain):
        return f"{subject}: no space is left on the disk: make room, or set HF_HOME to a folder with more"
    if any(isinstance(e, GatedRepoError) for e in chain):
        return _gated(name, REPOSITORIES.get(name))
    if any(isinstance(e, RepositoryNotFoundError | RevisionNotFoundError | HFValidationError) for e in chain):
        return f"{subject}: the hub has no such model: check the name, or log in where it is private (hf auth login)"
    first = (str(error).splitlines() or [""])[0].strip() or type(error).__name__
    if Path(name).is_dir():
        return f"{subject}: cannot be read ({first}): complete the folder"
    if any(_is_out_of_reach(e) for e in chain):
        return (
            f"{subject}: is not on this machine, and the hub cannot be reached: connect to the network once, or name "
            "a folder in its place"
        )
    return f"{subject}: cannot be read ({first}): download it again, or name a folder in its place"


@contextmanager
def _bars_unless_quiet() -> Iterator[None]:
    """No bars of huggingface_hub where our own notes are not wanted, as with `--quiet`."""
    hushed = not _LOG.isEnabledFor(logging.INFO) and not are_progress_bars_disabled()
    if hushed:
        disable_progress_bars()
    try:
        yield
    finally:
        if hushed:
            enable_progress_bars()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _gated(name: str, known: Repository | None) -> str:
    size = f", {known.size}, {known.licence}" if known else ""
    return (
        f"network '{name}': its owner wants the licence accepted and a token{size}: accept it on the model's page of "
        "the hub, then log in (hf auth login)"
    )


def _is_out_of_reach(error: BaseException) -> bool:
    plain = isinstance(error, HTTPError) and not isinstance(error, HfHubHTTPError)
    return plain or isinstance(error, LocalEntryNotFoundError | ConnectionError)


def _ask(name: str, commit: str | None) -> str:
    """The commit of a repository's configuration, as the hub has it now: one small question, asked once."""
    url = hf_hub_url(name, CONFIG, revision=commit)
    return get_hf_file_metadata(url, token=get_token()).commit_hash or ""


def _newest(name: str) -> str:
    """The commit of today; where the hub is out of reach, the one that was the newest when it was last asked."""
    try:
        return _ask(name, None)
    except (HTTPError, OSError) as error:
        before = try_to_load_from_cache(name, CONFIG)
        if not isinstance(before, str) or not _is_out_of_reach(error):
            raise
        commit = Path(before).parent.name
        _LOG.info("%s: the hub is out of reach; the commit of the last download is taken, %s", name, commit[:12])
        return commit


def _downloaded(name: str, revision: str) -> Path | None:
    """The folder of a repository that was downloaded before, whole."""
    index = try_to_load_from_cache(name, "model.safetensors.index.json", revision=revision)
    shards = ["model.safetensors"]
    if isinstance(index, str):
        shards = sorted(set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values()))
    found = [try_to_load_from_cache(name, shard, revision=revision) for shard in shards]
    return Path(str(found[0])).parent if all(isinstance(path, str) for path in found) else None


def _download_bytes(source: Source) -> int:
    """The size of a download."""
    files = snapshot_download(source.name, allow_patterns=list(_READ), dry_run=True, revision=source.commit)
    return sum(file.file_size or 0 for file in files if file.will_download)


def _model_type(name: str, path: Path) -> str:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or not isinstance(document.get("model_type"), str):
        raise CheckpointError(f"network '{name}': expected a config.json with a model_type, got one without")
    return document["model_type"]


def _licence(name: str, revision: str) -> str:
    """The licence in the header of the model's card; "" without a card or a licence in it."""
    try:
        card = Path(hf_hub_download(name, CARD, revision=revision)).read_text(encoding="utf-8")
    except EntryNotFoundError:
        return ""
    found = re.match(r"---\n.*?^license:\s*([\w.+-]+)\s*$.*?^---", card, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def _digest(folder: Path) -> str:
    """SHA-256 over the names and hashes of the files that a network is read from."""
    files = sorted({path for pattern in _READ for path in folder.glob(pattern) if path.is_file()})
    told_of = "".join(f"{path.name} {digest_of(path)}\n" for path in files)
    return hashlib.sha256(told_of.encode()).hexdigest()
