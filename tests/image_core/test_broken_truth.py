"""Polygons and run lengths that are broken: refused, never drawn as something else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.data.records import ReferringRecord
from image_core.data.words import check_expressions
from image_core.errors import DataError, RvosError
from image_core.geometry.rle import decode_polygons, decode_rle

SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e12, -1e12])
def test_a_point_that_is_nowhere_is_refused(odd: float) -> None:
    with pytest.raises(ValueError, match="far outside, or none"):
        decode_polygons([[*SQUARE[:-1], odd]], (8, 8))


def test_a_point_slightly_outside_is_rasterised() -> None:
    assert decode_polygons([[-3.0, -3.0, 12.0, -3.0, 12.0, 12.0, -3.0, 12.0]], (8, 8)).all()


def test_a_huge_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 268435456 pixels"):
        decode_rle({"size": [2**31, 2**31], "counts": [2**62]})


def record(*segmentations: Any) -> ReferringRecord:
    ids = tuple(range(len(segmentations)))
    return ReferringRecord(1, "val", 1, Path("1.jpg"), (8, 8), (), ids, segmentations)


@pytest.mark.parametrize("segmentation", [[], {}, [[]], [[math.nan] * 8], "text", 7, None, [None], [["a"] * 6]])
def test_truth_that_shows_nothing_is_no_empty_mask(segmentation: Any) -> None:
    with pytest.raises(DataError, match="annotation 0 of image 1: "):
        record(segmentation).mask()


def test_no_target_is_an_empty_mask_and_a_square_is_one() -> None:
    assert not record().mask().any()
    assert np.count_nonzero(record([SQUARE]).mask()) == 16


@pytest.mark.parametrize(
    ("expressions", "words"),
    [
        ("the dog", "got one string"),
        (7, "got int"),
        (None, "got NoneType"),
        ((text for text in ("the dog",)), "got generator"),
        ([], "expected at least one"),
        ([7], "expression 1 is no text, but int"),
        (["the dog", None], "expression 2 is no text, but NoneType"),
        (["the \udce9 dog"], "expression 1 holds half a character"),
        ([" "], "expression 1 is blank"),
    ],
)
def test_invalid_expressions_are_refused_in_one_line(expressions: Any, words: str) -> None:
    with pytest.raises(RvosError, match=words) as caught:
        check_expressions(expressions)
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
