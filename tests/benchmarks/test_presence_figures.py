"""What presence is worth, of answers that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.presence_figures import area_under_curve, presence_figures
from image_core.synthetic.dataset import SyntheticImages

SPLIT = "test_compositional"


def log(path: Path, presence: dict[bool, float]) -> Path:
    """Every expression of the split answered by whether it has a target; one answer in eight is turned round."""
    data, number = SyntheticImages(SPLIT), 0
    with path.open("w") as file:
        for index in range(len(data)):
            rows = []
            for expression in data.describe(index)[1]:
                number += 1
                rows.append({"presence": presence[bool(expression.targets) ^ (number % 8 == 0)]})
            file.write(json.dumps({"sample_id": str(index), "predictions": rows}) + "\n")
    return path


def test_figures_of_known_answers(tmp_path: Path) -> None:
    told = presence_figures(SPLIT, log(tmp_path / "predictions.jsonl", {True: 0.95, False: 0.05}))
    assert told["AUC"] == pytest.approx(7 / 8, abs=0.01)
    assert told["N-acc_at_T-acc_0.95"] == 0  # to keep 95 % of the targets all has to be kept
    share = told["share_with_target_by_tenth"]
    assert share[1:9] == [None] * 8 and share[9] > 0.9 and share[0] < 0.5
    of = told["N-acc_of"]
    assert of.keys() == {"unseen pairs", "held-out phrasings"}
    assert all(value == pytest.approx(7 / 8, abs=0.05) for value in of.values())


def test_another_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps({"sample_id": "0", "predictions": [{"presence": 0.5}]}) + "\n")
    with pytest.raises(ValueError, match="got 1"):
        presence_figures(SPLIT, path)


def test_area_under_the_curve() -> None:
    truth = np.array([True, True, False, False])
    assert area_under_curve(np.array([3.0, 2.0, 1.0, 0.0]), truth) == 1
    assert area_under_curve(np.array([1.0, 1.0, 1.0, 1.0]), truth) == 0.5
    assert area_under_curve(np.array([3.0, 1.0, 2.0, 0.0]), truth) == 0.75
