"""Who may write into the folder of an evaluation."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rvos.evaluation.claim import claimed
from rvos.types import OutputError

SETTINGS = {"dataset": "mevis", "tracker": "none"}


def test_shards_of_one_run_start_together(tmp_path: Path) -> None:
    def shard(i: int) -> bool:
        for _ in range(10):
            with claimed(tmp_path, SETTINGS, None, (i, 4)):
                pass
        return True

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(shard, range(1, 5))) == [True] * 4
    assert json.loads((tmp_path / "settings.json").read_text()) == SETTINGS


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        ((1, 1), (1, 1), False),
        ((1, 1), (1, 2), False),
        ((1, 2), (1, 1), False),
        ((1, 2), (1, 2), False),
        ((1, 2), (2, 2), True),
        ((1, 2), (3, 4), False),
    ],
)
def test_who_may_run_beside_whom(
    tmp_path: Path, first: tuple[int, int], second: tuple[int, int], allowed: bool
) -> None:
    with claimed(tmp_path, SETTINGS, None, first):
        if allowed:
            with claimed(tmp_path, SETTINGS, None, second):
                pass
            return
        with pytest.raises(OutputError, match="is in use by another run"), claimed(tmp_path, SETTINGS, None, second):
            pass


def test_damaged_settings_are_one_line_and_can_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b"")
    with pytest.raises(OutputError, match=r"settings.json: damaged"), claimed(tmp_path, SETTINGS, None):
        pass
    with claimed(tmp_path, SETTINGS, lambda: None):
        assert json.loads((tmp_path / "settings.json").read_text()) == SETTINGS


def test_what_another_run_left_is_gone_before_its_settings_are(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"model": "old"}')
    seen: list[str] = []
    with claimed(tmp_path, SETTINGS, lambda: seen.append(settings.read_text())):
        assert seen == ['{"model": "old"}'] and json.loads(settings.read_text()) == SETTINGS
