"""J and F: tables to check by eye, and equality with definitions written out pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from image_core.errors import DataError
from rvos.metrics.bitmaps import Bitmaps, count_pixels, crop_together, dilate, outlines, pack
from rvos.metrics.boundary import tolerance_px
from rvos.metrics.frames import region_and_boundary, score_all_pairs, score_pairs


def mask_of(*rows: str) -> np.ndarray:
    """A mask drawn with # and ."""
    return np.array([[c == "#" for c in row] for row in rows])


def score(prediction: np.ndarray, truth: np.ndarray, bound_th: float, void: np.ndarray | None = None) -> list[float]:
    """[J, F] of one frame."""
    outside = None if void is None else void[None]
    region, boundary = region_and_boundary(prediction[None], truth[None], outside, bound_th)
    return [float(region[0]), float(boundary[0])]


def outline_by_definition(mask: np.ndarray) -> list[tuple[int, int]]:
    """Pixels unlike a neighbour east, south or south-east; last row: east only; last column: south only."""
    height, width = mask.shape
    found = []
    for y in range(height):
        for x in range(width):
            ahead = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            inside = [(v, u) for v, u in ahead if v < height and u < width]
            if any(mask[y, x] != mask[v, u] for v, u in inside):
                found.append((y, x))
    return found


def scores_by_definition(prediction: np.ndarray, truth: np.ndarray, radius_px: int) -> list[float]:
    """[J, F] by counting pixels one by one."""
    union = np.sum(prediction | truth)
    region = float(np.sum(prediction & truth) / union) if union else 1.0
    lines = outline_by_definition(prediction), outline_by_definition(truth)
    if not all(lines):
        return [region, float(lines[0] == lines[1])]
    apart = np.array(lines[0])[:, None] - np.array(lines[1])[None]
    near = (apart**2).sum(-1) <= radius_px**2
    precision, recall = float(near.any(1).mean()), float(near.any(0).mean())
    return [region, 2 * precision * recall / (precision + recall) if precision + recall else 0.0]


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> np.ndarray:
    """Noise, boxes that often touch an edge, nothing, everything."""
    kind = draw(st.sampled_from(["noise", "boxes", "empty", "full"]))
    mask = np.full((height, width), kind == "full")
    if kind == "noise":
        share, seed = draw(st.floats(0.01, 0.99)), draw(st.integers(0, 2**31))
        return np.random.default_rng(seed).random((height, width)) < share
    for _ in range(draw(st.integers(1, 3)) if kind == "boxes" else 0):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[y : draw(st.integers(y, height)) + 1, x : draw(st.integers(x, width)) + 1] = True
    return mask


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of one size; widths cross the border between words (64 pixels)."""
    height = draw(st.integers(1, 8))
    width = draw(st.one_of(st.integers(1, 20), st.integers(60, 70), st.integers(126, 131)))
    return draw(masks(height, width)), draw(masks(height, width))


@settings(max_examples=150, deadline=None)
@given(pairs(), st.one_of(st.integers(1, 12), st.sampled_from([63, 64, 65, 130])))
@example((mask_of("." * 64 + "##"), mask_of("." * 63 + "##.")), 1)
def test_j_and_f_are_what_their_definition_says(pair: tuple[np.ndarray, np.ndarray], radius_px: int) -> None:
    assert score(*pair, radius_px) == pytest.approx(scores_by_definition(*pair, radius_px), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(pairs(), st.integers(0, 2**31))
def test_void_pixels_are_background_in_both(pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    void = np.random.default_rng(seed).random(pair[0].shape) < 0.3
    masked = pair[0] & ~void, pair[1] & ~void
    assert score(*pair, 2, void) == pytest.approx(scores_by_definition(*masked, 2), abs=1e-12)


def test_the_outline_lies_up_and_left_and_ends_at_the_edges() -> None:
    mask = mask_of(
        ".....",
        "..##.",
        "..##.",
        "....#",
    )
    lines = outlines(pack(mask[None]))
    found = np.unpackbits(lines.words.view(np.uint8), axis=-1, bitorder="little")[0, :, :5].astype(bool)
    np.testing.assert_array_equal(
        found,
        mask_of(
            ".###.",
            ".#.#.",
            ".####",
            "...#.",
        ),
    )


def test_a_disc_is_euclidean() -> None:
    """Radius 2: (0, 2) is inside, (1, 2) is not."""
    centre = pack(mask_of(".......", ".......", ".......", "...#...", ".......", ".......", ".......")[None])
    crop = crop_together(centre, centre, 2)
    grown = dilate(crop, 2)
    assert grown.words.shape[1] == 3  # one row around the pixel: what lies further cannot hold an outline
    inside = np.unpackbits(grown.words.view(np.uint8), axis=-1, bitorder="little")[0, :, :7].astype(bool)
    np.testing.assert_array_equal(inside, mask_of("..###..", ".#####.", "..###.."))


@pytest.mark.parametrize(
    ("prediction", "truth", "bound_th", "region", "boundary"),
    [
        ("##......", "####....", 1, 0.5, 0.0),  # outline pixels 1 and 3 are 2 px apart
        ("##......", "####....", 2, 0.5, 1.0),
        (".##.....", ".##.##..", 1, 0.5, 6 / 7),  # outlines {0, 2} and {0, 2, 3, 5}: P = 1, R = 3/4
        ("........", "........", 1, 1.0, 1.0),
        ("........", "..##....", 1, 0.0, 0.0),
        ("..##....", "........", 1, 0.0, 0.0),
        ("########", "........", 1, 0.0, 1.0),  # a full mask has no outline: the reference's quirk
        ("########", "########", 1, 1.0, 1.0),
        ("########", "..##....", 1, 0.25, 0.0),
    ],
)
def test_table_of_one_row(prediction: str, truth: str, bound_th: float, region: float, boundary: float) -> None:
    assert score(mask_of(prediction), mask_of(truth), bound_th) == pytest.approx([region, boundary])


def test_all_pairs_are_the_pairs_one_by_one() -> None:
    random = np.random.default_rng(0)
    prediction, truth = random.random((3, 9, 70)) < 0.1, random.random((2, 9, 70)) < 0.1
    prediction[1] = False
    region, boundary = score_all_pairs(pack(prediction), pack(truth), 2)
    assert region.shape == boundary.shape == (3, 2)
    for p in range(3):
        for g in range(2):
            assert [region[p, g], boundary[p, g]] == score(prediction[p], truth[g], 2)
    region, boundary = score_pairs(pack(prediction[1:]), pack(truth), 2)
    assert boundary.tolist() == [score(prediction[n + 1], truth[n], 2)[1] for n in range(2)]


@pytest.mark.parametrize(
    ("size", "bound_th", "radius_px"),
    [
        ((480, 854), 0.008, 8),
        ((720, 1280), 0.008, 12),
        ((1080, 1920), 0.008, 18),
        ((300, 400), 0.008, 4),  # a diagonal of 500: exactly 4
        ((1, 1), 0.008, 1),
        ((480, 854), 0.0, 0),
        ((480, 854), 1, 1),
        ((480, 854), 5.0, 5),
    ],
)
def test_tolerance(size: tuple[int, int], bound_th: float, radius_px: int) -> None:
    assert tolerance_px(size, bound_th) == radius_px


@pytest.mark.parametrize("bound_th", [-0.1, 1.5])
def test_a_tolerance_that_is_neither_share_nor_pixels_is_refused(bound_th: float) -> None:
    with pytest.raises(ValueError, match="expected a share of the diagonal"):
        tolerance_px((480, 854), bound_th)


def test_masks_of_other_sizes_are_refused_in_one_line() -> None:
    one, other = np.zeros((2, 4, 5), bool), np.zeros((2, 4, 6), bool)
    with pytest.raises(DataError, match=r"prediction: expected \(2, 4, 5\), .*got \(2, 4, 6\)"):
        region_and_boundary(other, one)
    with pytest.raises(DataError, match="void mask: expected"):
        region_and_boundary(one, one, other)
    with pytest.raises(ValueError, match="expected bool"):
        region_and_boundary(one.astype(np.uint8), one)
    with pytest.raises(ValueError, match="at least 1 x 1"):
        region_and_boundary(one[:, :0], one[:, :0])
    with pytest.raises(ValueError, match="expected uint64"):
        Bitmaps(np.zeros((1, 2, 3), np.uint8), 5)


def test_no_frame_has_no_figure() -> None:
    region, boundary = region_and_boundary(np.zeros((0, 4, 5), bool), np.zeros((0, 4, 5), bool))
    assert region.shape == boundary.shape == (0,)


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_packing_keeps_every_pixel(pair: tuple[np.ndarray, np.ndarray]) -> None:
    packed = pack(np.stack(pair))
    assert packed.size == pair[0].shape
    assert count_pixels(packed.words).tolist() == [int(mask.sum()) for mask in pair]
    assert packed.words.shape[2] == math.ceil(pair[0].shape[1] / 64)
