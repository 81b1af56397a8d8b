"""A shelf of packages in place of the registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.package_shelf import Shelf, stand_in


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """See `tests.package_shelf.stand_in`."""
    return stand_in(tmp_path, monkeypatch)
