"""Masks and boxes: laws, and tables small enough to check by eye."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from image_core.geometry.boxes import (
    box_area,
    box_iou_matrix,
    clip_boxes,
)
from image_core.geometry.masks import bounding_box, overlap, resize_image, resize_masks
from image_core.geometry.planes import resize_logits
from image_core.geometry.rle import decode_polygons, decode_rle, encode_rle, rle_area


def mask_of(*rows: str) -> np.ndarray:
    """A mask drawn with # and ."""
    return np.array([[c == "#" for c in row] for row in rows])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_rle_round_trip_is_exact(height: int, width: int, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    rle = encode_rle(mask)
    back = decode_rle(rle)
    assert rle["size"] == [height, width] and isinstance(rle["counts"], str)
    assert back.dtype == np.bool_ and back.flags.c_contiguous
    np.testing.assert_array_equal(back, mask)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(0, 1), st.integers(0, 2**31))
def test_rle_is_that_of_pycocotools(height: int, width: int, share: float, seed: int) -> None:
    mask = share > np.random.default_rng(seed).random((width, height)).T  # of any order in memory
    theirs: Any = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    rle = encode_rle(mask)
    assert rle == {"size": theirs["size"], "counts": theirs["counts"].decode()}
    assert rle_area(rle) == coco.area(theirs) == mask.sum()
    np.testing.assert_array_equal(decode_rle(theirs), coco.decode(theirs))


def test_rle_of_long_runs() -> None:
    mask = cv2.circle(np.zeros((500, 900), np.uint8), (450, 250), 180, 1, -1).astype(bool)
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


def test_rle_runs_go_down_the_columns() -> None:
    mask = mask_of(".#", ".#", "#.")
    np.testing.assert_array_equal(decode_rle({"size": [3, 2], "counts": [2, 3, 1]}), mask)
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [3, 2], "counts": [2, 3]},
        {"size": [3, 2], "counts": [2, 5]},
        {"size": [3, 2], "counts": [7, -1]},
        {"size": [3, 2], "counts": [2.5, 3.5]},
        {"size": [3, 2], "counts": ""},
        {"size": [3, 2], "counts": "\x01"},
        {"size": [3, 2], "counts": "P" * 20 + "0"},
        {"size": [3, 2], "counts": [2**80, 6 - 2**80]},
        {"size": [3], "counts": [6]},
        {"size": [0, 2], "counts": [0]},
        {"counts": [6]},
        {"size": [3, 2]},
        {"size": [200, 200], "counts": encode_rle(np.ones((100, 100), bool))["counts"]},
        {"size": [100, 100], "counts": encode_rle(np.eye(100, dtype=bool))["counts"][:-1]},
    ],
)
def test_unsound_rle_is_refused(rle: dict) -> None:
    for read in (decode_rle, rle_area):
        with pytest.raises(ValueError, match="RLE"):
            read(rle)


def test_encode_refuses_what_is_no_mask() -> None:
    with pytest.raises(ValueError, match="expected bool"):
        encode_rle(np.zeros((3, 3), np.uint8))


def test_overlapping_polygons_are_filled_where_they_overlap() -> None:
    one, two = [1, 1, 7, 1, 7, 7, 1, 7], [4, 4, 10, 4, 10, 10, 4, 10]
    union = decode_polygons([one, two], (12, 12))
    np.testing.assert_array_equal(union, decode_polygons([one], (12, 12)) | decode_polygons([two], (12, 12)))
    assert union[5, 5] and union.sum() == 36 + 36 - 9


def test_no_polygon_is_an_empty_mask() -> None:
    assert decode_polygons([], (4, 6)).shape == (4, 6) and not decode_polygons([], (4, 6)).any()


@pytest.mark.parametrize("polygon", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], []])
def test_broken_polygon_is_refused(polygon: list[float]) -> None:
    with pytest.raises(ValueError, match="polygon"):
        decode_polygons([polygon], (9, 9))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (("##..", "##.."), (".##.", ".##."), (2, 6)),
        (("....", "...."), ("....", "...."), (0, 0)),
        (("####", "####"), ("####", "####"), (8, 8)),
        (("#...", "...."), ("....", "...#"), (0, 2)),
    ],
)
def test_overlap(a: tuple[str, ...], b: tuple[str, ...], expected: tuple[int, int]) -> None:
    assert overlap(mask_of(*a), mask_of(*b)) == expected


def test_overlap_refuses_other_shapes_and_types() -> None:
    with pytest.raises(ValueError, match="one shape"):
        overlap(np.zeros((2, 3), bool), np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="bool"):
        overlap(np.zeros((2, 3), np.uint8), np.zeros((2, 3), bool))


def test_bounding_box_is_half_open() -> None:
    assert bounding_box(mask_of("....", ".##.", "..#.")) == (1, 1, 3, 3)
    assert bounding_box(mask_of("#")) == (0, 0, 1, 1)
    assert bounding_box(np.zeros((3, 3), bool)) is None


def test_logits_keep_their_planes_and_their_straight_lines() -> None:
    ramp = torch.arange(8.0)[None, None].expand(1, 6, 8)
    large = resize_logits(ramp, (24, 32))
    assert large.shape == (1, 24, 32)
    # half-pixel centres: the centre of large pixel x lies at (x + 0.5) / 4 - 0.5
    expected = (torch.arange(32) + 0.5) / 4 - 0.5
    torch.testing.assert_close(large[0, 0], expected.clamp(0, 7))


@pytest.mark.parametrize("size", [(10, 10), (7, 13), (40, 60), (10, 45)])
def test_resized_mask_keeps_its_share_of_the_area(size: tuple[int, int]) -> None:
    disc = cv2.circle(np.zeros((30, 30), np.uint8), (14, 15), 11, 1, -1).astype(bool)[None]
    assert resize_masks(disc, size).mean() == pytest.approx(disc.mean(), abs=0.04)


def test_resized_mask_half_covered_is_on() -> None:
    mask = mask_of("##..", "..#.")[None]
    np.testing.assert_array_equal(resize_masks(mask, (1, 2))[0], mask_of("#."))


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (1, 1), (60, 4)])
def test_a_tiny_target_never_vanishes(size: tuple[int, int]) -> None:
    mask = np.zeros((2, 64, 64), bool)
    mask[0, 33, 40] = True
    small = resize_masks(mask, size)
    assert small[0].any() and not small[1].any()


def test_image_resize_has_no_aliasing_on_the_axis_that_shrinks() -> None:
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    resized = resize_image(stripes, (16, 8))
    assert resized.shape == (16, 8, 3)
    np.testing.assert_allclose(resized, 100, atol=1)


def test_boxes_by_table() -> None:
    np.testing.assert_array_equal(box_area(np.array([[1.0, 2, 4, 8], [4, 4, 2, 2]])), [18, 0])
    np.testing.assert_array_equal(clip_boxes(np.array([[-3.0, 1, 9, 20]]), (10, 6)), [[0, 1, 6, 10]])


def test_box_iou_by_table() -> None:
    a = np.array([[0.0, 0, 2, 2], [5, 5, 5, 5]])
    b = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3], [4, 4, 6, 6], [5, 5, 5, 5]])
    np.testing.assert_allclose(box_iou_matrix(a, b), [[1, 1 / 7, 0, 0], [0, 0, 0, 0]])


def test_box_iou_is_mask_iou_on_whole_pixels() -> None:
    rng = np.random.default_rng(1)
    corners = rng.integers(0, 12, (6, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 8, (6, 2))], 1)
    masks = np.zeros((6, 20, 20), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    pairs = [[i / u for i, u in (overlap(a, b) for b in masks)] for a in masks]
    np.testing.assert_allclose(box_iou_matrix(boxes.astype(float), boxes.astype(float)), pairs)
    assert [bounding_box(mask) for mask in masks] == [tuple(box) for box in boxes.tolist()]
