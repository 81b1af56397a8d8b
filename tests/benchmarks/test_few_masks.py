"""What the benchmark of few masks keeps on disk: boxes that were asked for once, and a row an arm."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.few_masks import few_masks
from benchmarks.few_masks.arms import ARMS


class Counted:
    """A source of boxes that counts what it is asked."""

    asked = 0

    def boxes(self, picture: Any) -> list[np.ndarray | None]:
        self.asked += 1
        return [np.array([1.0, 2.0, 3.0, 4.0]), None]


def test_boxes_are_computed_once_and_a_truncated_line_is_removed(tmp_path: Path) -> None:
    path, source = tmp_path / "boxes.jsonl", Counted()
    pictures: list[Any] = [SimpleNamespace(sample_id=name) for name in ("a", "b")]
    for _ in range(2):
        box, none = few_masks.KeptBoxes(source, path).boxes(pictures[0])
        assert none is None and box is not None and box.tolist() == [1, 2, 3, 4]
    assert source.asked == 1
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "b", "bo')
    few_masks.KeptBoxes(source, path).boxes(pictures[1])
    assert source.asked == 2
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "b"]


def test_an_arm_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(few_masks, "RUNS", tmp_path)
    monkeypatch.setattr("sys.argv", ["few_masks", "--only", ARMS[0].name])
    monkeypatch.setattr(few_masks, "write_data", lambda: None)
    monkeypatch.setattr(few_masks, "rows_of_before", dict)
    reported: list[Path] = []
    monkeypatch.setattr(few_masks, "report", reported.append)
    ran: list[str] = []
    monkeypatch.setattr(few_masks, "run", lambda arm: ran.append(arm.name) or Path("model"))
    monkeypatch.setattr(few_masks, "measure", lambda arm, model: {"arm": {"name": arm.name}, "mIoU": 0.5})
    few_masks.main()
    few_masks.main()
    assert ran == [ARMS[0].name] and len(reported) == 2
    with few_masks.figures_of(ARMS[0]) as figures:
        assert [row["mIoU"] for row in figures.rows] == [0.5]
