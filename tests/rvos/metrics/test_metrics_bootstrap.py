"""The bootstrap over videos: cases whose interval is known."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from rvos.metrics.bootstrap import Interval, holm, mean_interval, no_family_worse


def test_two_videos_of_unequal_size() -> None:
    """Draws are {a, a}, {a, b}, {b, b} with chances 1/4, 1/2, 1/4: the ends lie at the two videos' own means."""
    found = mean_interval(np.array([0.2, 0.6, 0.8, 1.0]), ["a", "b", "b", "b"])
    assert (found.mean, found.low, found.high) == pytest.approx((0.65, 0.2, 0.8))


def test_many_videos_approach_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    found = mean_interval(values, range(400))
    half_width = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(half_width, rel=0.1)
    assert found.mean - found.low == pytest.approx(half_width, rel=0.1)


def test_repeating_expressions_inside_a_video_adds_no_certainty() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, 50)
    once, often = (
        mean_interval(values, range(50)),
        mean_interval(np.repeat(values, 8), np.repeat(range(50), 8).tolist()),
    )
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_strata_keep_their_share_of_every_draw() -> None:
    values, families = np.repeat([0.2, 0.8], 10), ["easy"] * 10 + ["hard"] * 10
    inside, across = mean_interval(values, range(20), families), mean_interval(values, range(20))
    assert (inside.mean, inside.low, inside.high) == pytest.approx((0.5, 0.5, 0.5))
    assert across.high - across.low > 0.2


def test_the_seed_decides() -> None:
    values = np.random.default_rng(2).random(30)
    assert mean_interval(values, range(30), seed=5) == mean_interval(values, range(30), seed=5)
    assert mean_interval(values, range(30), seed=5) != mean_interval(values, range(30), seed=6)


def test_holm_table() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_verdicts_by_family() -> None:
    random = np.random.default_rng(3)
    means = {"better": 0.05, "level": 0.0, "slightly_worse": -0.01, "unsure": 0.0}
    spread = {"unsure": 0.3}
    differences = np.concatenate([m + random.normal(0, spread.get(n, 0.01), 64) for n, m in means.items()])
    families = [name for name in means for _ in range(64)]
    videos = [i % 64 for i in range(len(families))]  # each video has an expression of every family
    verdicts = no_family_worse(differences, videos, families)
    assert {v.family: v.not_worse for v in verdicts} == {
        "better": True,
        "level": True,
        "slightly_worse": False,  # sure to be above -0.02, but the mean is below -0.005
        "unsure": False,  # the mean may pass, its lower bound does not
    }
    better = verdicts[0]
    assert isinstance(better.difference, Interval) and better.difference.low > 0
    assert better.p_holm == pytest.approx(4 / 10_001)
    json.dumps([asdict(verdict) for verdict in verdicts])


def test_more_families_ask_for_more() -> None:
    """A family that passes alone (p just below 2.5 %) does not pass as one of eight such."""
    values = np.random.default_rng(4).normal(0, 1, 64)
    values = (values - values.mean()) / values.std() * 0.075  # standard error 0.0094: the bound is 2.1 errors away
    (alone,) = no_family_worse(values, range(64), ["a"] * 64)
    assert alone.difference.low > -0.02 and alone.not_worse
    eight = no_family_worse(np.tile(values, 8), range(512), np.repeat(list("abcdefgh"), 64).tolist())
    assert not any(verdict.not_worse for verdict in eight)


def test_faults_are_named() -> None:
    with pytest.raises(ValueError, match="expected one of each per expression"):
        mean_interval(np.ones(3), ["a", "b"])
    with pytest.raises(ValueError, match="at least one"):
        mean_interval(np.ones(0), [])
    with pytest.raises(ValueError, match="expected one of each per expression"):
        no_family_worse(np.ones(2), ["a", "b"], ["x"])
    with pytest.raises(ValueError, match="expected one stratum for the video 'a', got 'x' and 'y'"):
        mean_interval(np.ones(2), ["a", "a"], ["x", "y"])
