"""Masks that a masker draws anew: where it can draw the object, where it agrees with what was carried, and no oftener
than it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from image_core.errors import ConfigError
from image_core.promptable import PredictedMask
from rvos.tracking.carrying.object_tracker import ObjectTracker
from rvos.tracking.carrying.refining import RefinedCarrier, RefiningConfig
from rvos.types import Frame
from rvos.watch.mask_session import MaskSession
from rvos.watch.prompts import prompts_of

SIZE = (96, 128)
FRAMES = 12


def truth(index: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[20:60, 10 + 2 * index : 50 + 2 * index] = True
    return mask


def frames() -> list[Frame]:
    noise = np.random.default_rng(0).integers(0, 60, (*SIZE, 3), dtype=np.uint8)
    shown = []
    for index in range(FRAMES):
        image = noise + np.uint8(60)
        image[truth(index)] = noise[truth(0)] + np.uint8(120)
        shown.append(Frame(index, index / 25, image))
    return shown


@dataclass
class Drawn:
    """A masker that draws what it is told to of every box: by default a part of the object, and the object with all
    pixels at its lower edge but three rows."""

    part: int = 20
    lower: int = 57
    asked_on: list[int] = field(default_factory=list)

    def encode_image(self, image: np.ndarray) -> int:
        first = int(np.flatnonzero((image.mean(2) > 125).any(0))[0])
        self.asked_on.append((first - 10) // 2)
        return first

    def predict_masks(self, embedding: Any, boxes_xyxy: Sequence[Any]) -> list[list[PredictedMask]]:
        whole, part = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
        whole[20 : self.lower, embedding : embedding + 40] = True
        part[20 : 20 + self.part, embedding : embedding + 40] = True
        return [[PredictedMask(part, 0.99), PredictedMask(whole, 0.5)] for _ in boxes_xyxy]


def followed(masker: Drawn, **numbers: Any) -> tuple[list[np.ndarray], MaskSession]:
    carrier = RefinedCarrier(ObjectTracker(), masker, {"name": "drawn"}, RefiningConfig(**numbers))
    session = MaskSession(prompts_of({0: truth(0)}), carrier)
    return [session.step(frame)[0].mask for frame in frames()], session


def test_the_drawing_most_like_what_was_carried_is_taken_now_and_then() -> None:
    masker = Drawn()
    masks, _ = followed(masker, every=3)
    assert masker.asked_on == [0, 3, 6, 9]
    np.testing.assert_array_equal(masks[0], truth(0))
    for index in (3, 6, 9):
        expected = truth(index)
        expected[57:] = False
        np.testing.assert_array_equal(masks[index], expected)
    assert (masks[4] ^ truth(4)).mean() < 0.02


def test_a_masker_that_fails_on_an_object_runs_once() -> None:
    masker = Drawn(lower=50)
    masks, _ = followed(masker, every=2)
    assert masker.asked_on == [0]
    plain = MaskSession(prompts_of({0: truth(0)}))
    for mask, frame in zip(masks, frames(), strict=True):
        np.testing.assert_array_equal(mask, plain.step(frame)[0].mask)


def test_a_drawing_that_is_not_alike_is_not_taken() -> None:
    masker = Drawn()
    masks, _ = followed(masker, every=2, agreement=1.0)
    assert masker.asked_on == [0, 2, 4, 6, 8, 10]
    plain = MaskSession(prompts_of({0: truth(0)}))
    for mask, frame in zip(masks, frames(), strict=True):
        np.testing.assert_array_equal(mask, plain.step(frame)[0].mask)


def test_an_image_is_encoded_once_for_all_objects() -> None:
    masker, ids = Drawn(), truth(0).astype(np.uint8)
    ids[70:90, 80:110] = 2
    carrier = RefinedCarrier(ObjectTracker(), masker, {"name": "drawn"}, RefiningConfig(every=4))
    session = MaskSession(prompts_of({0: ids}), carrier)
    for frame in frames():
        session.step(frame)
    assert masker.asked_on == [0, 4, 8]


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_session_that_is_killed_continues_to_the_same_masks(at: int) -> None:
    whole, _ = followed(Drawn(), every=3)
    carrier = RefinedCarrier(ObjectTracker(), Drawn(), {"name": "drawn"}, RefiningConfig(every=3))
    first = MaskSession(prompts_of({0: truth(0)}), carrier)
    for frame in frames()[:at]:
        first.step(frame)
    second = MaskSession(prompts_of({0: truth(0)}), carrier)
    second.restore(first.snapshot())
    for frame, expected in zip(frames()[at:], whole[at:], strict=True):
        np.testing.assert_array_equal(second.step(frame)[0].mask, expected)


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"RefiningConfig.every: expected 1 or more, got 0"):
        RefiningConfig(every=0)
