"""Outlines: exact there and back, and to half a bin through the tokens."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.geometry.contours import (
    dequantise,
    largest_outline,
    outlines,
    quantise,
    rasterise,
    sample_points,
    shuffle_points,
)


def mask_of(*rows: str) -> np.ndarray:
    """A mask drawn with # and ."""
    return np.array([[c == "#" for c in row] for row in rows])


def blobs(height: int, width: int, seed: int, share: float) -> np.ndarray:
    """Smooth parts of any number, with holes."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((height, width)), (0, 0), 1.5)
    return noise > np.quantile(noise, 1 - share)


def filled(mask: np.ndarray) -> np.ndarray:
    """The mask without its holes: what cannot be reached from a border around the picture (4-connected background)."""
    outside = np.pad(mask, 1).astype(np.uint8)
    cv2.floodFill(outside, None, (0, 0), 2, flags=4)
    return outside[1:-1, 1:-1] != 2


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**31), st.floats(0, 1))
def test_all_outlines_rasterised_are_the_mask_with_its_holes_filled(h: int, w: int, seed: int, share: float) -> None:
    for mask in (blobs(h, w, seed, share), np.random.default_rng(seed).random((h, w)) < share):
        np.testing.assert_array_equal(rasterise(outlines(mask), (h, w)), filled(mask))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**31), st.integers(0, 30))
def test_through_tokens_and_back_is_exact_where_a_bin_is_at_most_a_pixel(h: int, w: int, seed: int, more: int) -> None:
    mask, bins = blobs(h, w, seed, 0.4), max(h, w) + more
    back = [dequantise(quantise(o, (h, w), bins), (h, w), bins) for o in outlines(mask)]
    np.testing.assert_array_equal(rasterise(back, (h, w)), filled(mask))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 1000), st.integers(0, 2**31))
def test_tokens_are_within_the_quantisation_error(h: int, w: int, bins: int, seed: int) -> None:
    points = np.random.default_rng(seed).random((20, 2)) * (w, h)
    tokens = quantise(points, (h, w), bins)
    assert tokens.dtype == np.int64 and tokens.min() >= 0 and tokens.max() < bins
    bin_px = np.array([w, h]) / bins
    assert (np.abs(dequantise(tokens, (h, w), bins) - points) <= bin_px * (0.5 + 1e-9)).all()
    low = points - dequantise(tokens, (h, w), bins, offset=0.0)
    assert (low >= -1e-9).all() and (low <= bin_px * (1 + 1e-9)).all()
    np.testing.assert_array_equal(quantise(dequantise(tokens, (h, w), bins), (h, w), bins), tokens)


def test_a_bin_a_pixel_is_the_pixel() -> None:
    """44 / 44 * 30 is not 30 in floating point; whatever the side, no pixel may fall into the bin below."""
    for side in range(1, 300):
        pixels = np.stack([np.arange(side)] * 2, 1)
        np.testing.assert_array_equal(quantise(pixels, (side, side), side), pixels)


def test_quantised_by_hand() -> None:
    points = np.array([[0, 0], [10, 10], [639, 479], [700, -3]])
    assert quantise(points, (480, 640), 1000).tolist() == [[0, 0], [15, 20], [998, 997], [999, 0]]
    np.testing.assert_allclose(dequantise(np.array([[15, 20]]), (480, 640), 1000, offset=0.0), [[9.6, 9.6]])
    np.testing.assert_allclose(dequantise(np.array([[15, 20]]), (480, 640), 1000), [[9.92, 9.84]])


@pytest.mark.parametrize(
    ("length", "count", "wanted"),
    [(12, 12, 12), (13, 12, 7), (19, 12, 10), (24, 12, 12), (25, 12, 9), (5, 12, 5), (1, 1, 1), (0, 12, 0), (7, 1, 1)],
)
def test_sampling_keeps_the_first_point_and_a_uniform_stride(length: int, count: int, wanted: int) -> None:
    outline = np.stack([np.arange(length), np.zeros(length, int)], 1)
    points = sample_points(outline, count)
    assert len(points) == wanted <= count
    stride = -(-length // count) or 1
    np.testing.assert_array_equal(points[:, 0], np.arange(0, length, stride))


def test_more_points_keep_more_of_a_disc() -> None:
    disc = cv2.circle(np.zeros((120, 160), np.uint8), (80, 60), 40, 1, -1).astype(bool)

    def iou(count: int) -> float:
        back = rasterise([sample_points(largest_outline(disc), count)], disc.shape)
        return (back & disc).sum() / (back | disc).sum()

    assert iou(4) < iou(12) < iou(18) < iou(1000) == 1.0
    assert iou(12) > 0.9


def test_shuffled_points_are_the_same_points_in_an_order_of_the_generator() -> None:
    points = np.arange(20).reshape(10, 2)
    a, b = (shuffle_points(points, np.random.default_rng(s)) for s in (0, 1))
    assert sorted(a.tolist()) == sorted(b.tolist()) == points.tolist() and a.tolist() != b.tolist()
    np.testing.assert_array_equal(a, shuffle_points(points, np.random.default_rng(0)))


def test_of_several_parts_the_largest_is_returned_or_all() -> None:
    mask = mask_of(
        "##.....#",
        "##..####",
        "....####",
        "#...####",
    )
    found = outlines(mask)
    assert [len(o) for o in found] == [11, 4, 1]
    np.testing.assert_array_equal(rasterise([largest_outline(mask)], mask.shape), mask & (np.arange(8) >= 4))
    np.testing.assert_array_equal(rasterise(found, mask.shape), mask)


def test_holes_are_filled_and_islands_in_them_with_them() -> None:
    ring = mask_of("#####", "#...#", "#.#.#", "#...#", "#####")
    assert len(outlines(ring)) == 1
    assert rasterise(outlines(ring), ring.shape).all()


def test_no_contour_one_pixel_and_a_line() -> None:
    empty = np.zeros((4, 6), bool)
    assert outlines(empty) == [] and largest_outline(empty).shape == (0, 2)
    assert not rasterise([], (4, 6)).any() and not rasterise([largest_outline(empty)], (4, 6)).any()
    assert quantise(largest_outline(empty), (4, 6), 10).shape == (0, 2)
    for drawn in (mask_of("...", ".#.", "..."), mask_of(".....", ".##..", ".....")):
        np.testing.assert_array_equal(rasterise([largest_outline(drawn)], drawn.shape), drawn)


def test_points_outside_are_cut_off() -> None:
    assert rasterise([np.array([[-5.0, -5.0], [20, -5], [20, 20], [-5, 20]])], (3, 4)).all()


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 2), bool), np.zeros((2, 2), np.uint8)])
def test_other_values_than_masks_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected bool"):
        outlines(wrong)


def test_sampling_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a count of at least 1, got 0"):
        sample_points(np.zeros((3, 2), int), 0)
