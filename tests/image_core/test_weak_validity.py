"""Filters of pseudo labels, on pictures small enough to be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from image_core.weak.validity import AcceptAll, MaskInBox, ProjectionLoss, filled

BOX = (2, 1, 6, 4)
"""x0, y0, x1, y1: 4 wide and 3 high, in pictures of 5 x 8."""
DRAWINGS = {
    "fills the box": "........ ..####.. ..####.. ..####.. ........",
    "small, in the box": "........ ...#.... ........ ........ ........",
    "in the box, from side to side": "........ ...#.... ..####.. ....#... ........",
    "one of ten pixels outside": "........ ..####.. ..####.. ..#..#.. ...#....",
    "one of five pixels outside": "........ ..#..... ..##.... ...#.... ...#....",
    "half outside": "........ .....##. .....##. .....##. ........",
    "elsewhere": "#....... #....... ........ ........ ........",
    "empty": "........ ........ ........ ........ ........",
}


def mask(name: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in DRAWINGS[name].split()])


@pytest.mark.parametrize(
    ("name", "share", "at_09", "strict", "with_iou"),
    [
        ("fills the box", 1.0, "", "", ""),
        ("small, in the box", 1.0, "", "", "another box"),
        ("in the box, from side to side", 1.0, "", "", ""),
        ("one of ten pixels outside", 1 - 1 / 11, "", "outside the box", ""),
        ("one of five pixels outside", 0.8, "outside the box", "outside the box", "outside the box"),
        ("half outside", 0.5, "outside the box", "outside the box", "outside the box"),
        ("elsewhere", 0.0, "outside the box", "outside the box", "outside the box"),
        ("empty", None, "empty", "empty", "empty"),
    ],
)
def test_mask_in_box(name: str, share: float | None, at_09: str, strict: str, with_iou: str) -> None:
    """The published filter: a mask within its box is accepted. The least IoU of boxes is 0.5 here."""
    for judge, reason in ((MaskInBox(0.9, 0), at_09), (MaskInBox(1.0, 0), strict), (MaskInBox(), with_iou)):
        verdict = judge(mask(name), np.array(BOX, float))
        assert verdict.score == pytest.approx(share)
        assert (verdict.accepted, verdict.reason) == (reason == "", reason)


@pytest.mark.parametrize(
    ("name", "loss", "accepted"),
    [
        ("fills the box", 0.0, True),
        ("in the box, from side to side", 0.0, True),  # the projections are those of the box
        ("one of ten pixels outside", 1 - 2 * 3 / 7, False),  # 4 rows of which the box has 3; all columns
        ("small, in the box", (1 - 2 / 5) + (1 - 2 / 4), False),
        ("half outside", 1 - 2 / 6, False),  # 2 columns of which the box has 1, which has 4
        ("elsewhere", 1 + (1 - 2 / 5), False),  # rows 0 and 1, of which the box has one; no column
    ],
)
def test_projection_loss(name: str, loss: float, accepted: bool) -> None:
    """Two dice losses, 1 - 2 I / (A + B), of rows and of columns: the published filter keeps sums below 0.1."""
    verdict = ProjectionLoss()(mask(name), np.array(BOX, float))
    assert verdict.score == pytest.approx(loss, abs=1e-5) and verdict.accepted == accepted
    assert ProjectionLoss(loss + 1e-4)(mask(name), np.array(BOX, float)).accepted


def test_without_box_or_mask_nothing_is_judged() -> None:
    for judge in (MaskInBox(), ProjectionLoss()):
        assert judge(mask("fills the box"), None).reason == "no box"
        assert judge(mask("empty"), np.array(BOX, float)).reason == "empty"
    assert ProjectionLoss(3.0)(mask("empty"), np.array(BOX, float)).accepted is False


def test_everything_takes_any_mask() -> None:
    for name in DRAWINGS:
        for box in (None, np.array(BOX, float)):
            assert AcceptAll()(mask(name), box).accepted == (name != "empty")


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((2, 1, 6, 4), (1, 4), (2, 6)),
        ((2.4, 1.4, 5.6, 3.6), (1, 4), (2, 6)),  # the centres of the pixels at the rim are inside
        ((2.6, 1.6, 5.4, 3.4), (2, 3), (3, 5)),
        ((-9.0, -9.0, 99.0, 99.0), (0, 5), (0, 8)),
    ],
)
def test_pixels_of_a_box(box: tuple[float, ...], rows: tuple[int, int], columns: tuple[int, int]) -> None:
    expected = np.zeros((5, 8), bool)
    expected[slice(*rows), slice(*columns)] = True
    assert (filled(np.array(box), (5, 8)) == expected).all()
