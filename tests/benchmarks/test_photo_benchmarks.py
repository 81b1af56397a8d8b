"""What the benchmarks of `photo` measure with: boxes, paired differences, and whose a second is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from benchmarks.accuracy import masker_inputs
from benchmarks.speed import photo_speed
from image_core.grounded.model import Grounded


def mask(*columns: int) -> np.ndarray:
    """(2, 10) with some columns filled."""
    drawn = np.zeros((2, 10), bool)
    drawn[:, list(columns)] = True
    return drawn


def test_boxes_are_those_of_the_mask_and_stay_in_the_image() -> None:
    box, moved = masker_inputs.boxes_of(mask(0, 3))
    assert box == (0, 0, 4, 2) and moved == (0, 0, 4.2, 2)


def test_arms_are_compared_frame_by_frame() -> None:
    released = [([mask(0, 1)], 0.5, 2.0), ([mask(2)], 0.7, 2.0)]
    own = [([mask(0)], 0.6, 1.0), ([mask(2)], 0.6, 3.0)]
    row = masker_inputs.row(own, released)
    assert (row["J"], row["same"], row["encoder_s"]) == (0.6, 0.75, 2.0)
    assert row["difference"] == {"mean": 0.0, "interval": [-0.196, 0.196]}
    assert masker_inputs.row(released, released)["difference"] == {"mean": 0.0, "interval": [0.0, 0.0]}


def test_seconds_are_those_of_the_part_that_took_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))  # every look at the clock is a second later
    monkeypatch.setattr(photo_speed.time, "process_time", lambda: next(now))
    parts: dict[str, Any] = {
        "detector": SimpleNamespace(detect=lambda image: ["box"] * 3),
        "classifier": SimpleNamespace(classify=lambda image: ["row"]),
        "masker": SimpleNamespace(encoded=lambda image: "embedding", decoded=lambda image: ["mask"] * 2),
    }
    model = SimpleNamespace(**parts)

    def segment(image: np.ndarray, expressions: list[str]) -> None:
        for part, method in (("detector", "detect"), ("masker", "encoded"), ("masker", "decoded")):
            getattr(parts[part], method)(image)

    model.segment = segment
    clock = photo_speed.PartClock(cast(Grounded, model))
    for _ in range(2):
        spent = clock.ask(np.zeros((2, 2, 3), np.uint8), ["the dog"])
        assert spent == {
            **{"detector": 1, "classifier": 0, "decoder": 1, "encoder": 1},
            **{"words": 4, "whole": 7, "boxes": 2},
        }


def test_the_least_of_repeats_and_the_mean_over_images() -> None:
    runs = iter([{"whole": 3.0, "words": 1.0}, {"whole": 2.0, "words": 2.0}])
    assert photo_speed.least(lambda: next(runs), 2) == {"whole": 2.0, "words": 1.0}
    assert photo_speed.means([{"whole": 1.0, "decoder": 1.0}, {"whole": 2.0, "decoder": 0.0}]) == {
        "whole": 1.5,
        "decoder": 0.5,
    }
