"""Which pictures are labelled: nested, seeded, as many as asked for, and whole pictures."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest

from image_core.synthetic import SyntheticImages
from image_core.training.subset import Subset, labelled_indices

SHARES = ("0.01", "0.1", "0.2", "0.3", "0.5", "0.7", "0.999", "1")


@pytest.mark.parametrize("count", [1, 7, 10, 30, 1000])
def test_as_many_as_the_share_says(count: int) -> None:
    """ceil(share * count) in exact arithmetic: 10 % of 30 is 3, though 0.1 * 30 is a hair more in floating point."""
    for share in SHARES:
        found = labelled_indices(count, float(share), seed=0)
        assert len(found) == len(set(found)) == math.ceil(Fraction(share) * count)
        assert found == sorted(found) and set(found) <= set(range(count))


@pytest.mark.parametrize("seed", range(3))
def test_a_smaller_share_is_inside_a_larger_one(seed: int) -> None:
    for count in (9, 400):
        subsets = [set(labelled_indices(count, float(share), seed)) for share in SHARES]
        assert all(small <= large for small, large in itertools.pairwise(subsets))
        assert subsets[-1] == set(range(count))


def test_the_seed_decides_and_nothing_else() -> None:
    assert labelled_indices(500, 0.1, 3) == labelled_indices(500, 0.1, 3) != labelled_indices(500, 0.1, 4)
    drawn = [index for seed in range(200) for index in labelled_indices(20, 0.25, seed)]
    assert all(20 < drawn.count(index) < 90 for index in range(20))  # 50 expected: no picture is favoured


def test_the_view_has_whole_pictures() -> None:
    """Every sentence of a labelled picture is there, so that its masks are nowhere else."""
    pictures = SyntheticImages("train", 0, (32, 32), 3, length=12)
    view = Subset(pictures, labelled_indices(len(pictures), 0.25, 0))
    assert len(view) == 3
    for position, index in enumerate(view.indices):
        assert view[position].expressions == pictures[index].expressions
        assert (view[position].masks == pictures[index].masks).all()
