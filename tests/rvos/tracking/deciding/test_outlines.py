"""Outlines and numbers on pictures: nothing of an object is painted over, and all of them can be told apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.gain.knowing import inside_outline
from rvos.tracking.deciding.outlines import COLOURS, colour_of, crop_around, draw_outlines

SIZE = (360, 640)
GROUND = cv2.GaussianBlur(np.random.default_rng(0).integers(30, 200, (*SIZE, 3), np.uint8), (0, 0), 2)


def disc(x: int, y: int, radius: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (x, y), radius, 1, -1)
    return mask > 0


def twelve() -> dict[int, np.ndarray]:
    """Twelve discs, of which some touch."""
    return {n + 1: disc(80 + 150 * (n % 4), 70 + 105 * (n // 4), 25 + 7 * (n % 4)) for n in range(12)}


def test_objects_stay_as_they_are() -> None:
    masks = twelve()
    shown = draw_outlines(GROUND, masks)
    every = np.logical_or.reduce(list(masks.values()))
    assert (shown[every] == GROUND[every]).all() and (shown != GROUND).any()


def test_an_outline_surrounds_its_object() -> None:
    masks = twelve()
    shown = draw_outlines(GROUND, masks)
    for number, mask in masks.items():
        region = inside_outline(shown, number)
        assert region is not None
        overlap = np.count_nonzero(region & mask) / np.count_nonzero(region | mask)
        assert overlap > 0.85, number


def test_numbers_are_written_beside_their_objects_each_on_a_plate_of_its_own() -> None:
    masks = twelve()
    shown = draw_outlines(GROUND, masks)
    for number, mask in masks.items():
        colour = (shown == np.array(colour_of(number)[1])).all(-1)
        away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
        plate = (colour & (away > 8) & (away < 60)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(plate, connectivity=4)
        assert stats[1:, cv2.CC_STAT_AREA].max() > 150, number


def test_a_number_is_drawn_as_large_in_every_image() -> None:
    small, large = GROUND[:120, :160], cv2.resize(GROUND, (1280, 720))
    heights = []
    for picture in (small, large):
        height, width = picture.shape[:2]
        mask = np.zeros((height, width), bool)
        mask[height // 2 : height // 2 + height // 8, width // 2 : width // 2 + width // 8] = True
        plate = (draw_outlines(picture, {1: mask}) == np.array(COLOURS[0][1])).all(-1)
        plate &= cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) > height / 30
        rows = np.flatnonzero(plate.any(1))
        heights.append((rows[-1] - rows[0]) / height)
    assert 0.05 < heights[1] < 0.12 and heights[0] < 0.2


def test_an_object_within_another_keeps_its_outline() -> None:
    outer, inner = disc(320, 180, 120), disc(320, 180, 30)
    shown = draw_outlines(GROUND, {1: outer & ~inner, 2: inner})
    region = inside_outline(shown, 2)
    assert region is not None and np.count_nonzero(region & inner) > 0.8 * np.count_nonzero(inner)


@pytest.mark.parametrize("shape", [(1, 400), (400, 1), (3, 3), (20, 90)])
def test_an_image_without_room_is_drawn_on_as_far_as_it_goes(shape: tuple[int, int]) -> None:
    picture, mask = np.full((*shape, 3), 90, np.uint8), np.ones(shape, bool)
    shown = draw_outlines(picture, {12: mask, 1: mask})
    assert shown.shape == picture.shape and (picture == 90).all()


def test_a_crop_shows_the_object_and_what_is_around_it_as_they_are() -> None:
    np.testing.assert_array_equal(crop_around(GROUND, disc(320, 180, 40), 121), GROUND[120:241, 260:381])
    assert crop_around(GROUND, disc(5, 5, 40), 200).shape[0] == 200
