"""What tracks are joined and judged by: small tables that can be checked by eye."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from rvos.tracking.association import AssociationConfig, Place, affinity, assign
from rvos.tracking.belief.meaning import (
    Belief,
    Claim,
    History,
    MeaningConfig,
    chosen,
    likelihood,
    track_at,
    viterbi_step,
)
from rvos.tracking.belief.presence import PresenceAverage, PresenceConfig
from rvos.tracking.regions import Region

SIZE = (40, 60)
RED, GREEN = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)


def box(left: int, top: int = 10, side: int = 10) -> np.ndarray:
    soft = np.zeros(SIZE, np.float32)
    soft[top : top + side, left : left + side] = 1
    return soft


def region(left: int, appearance: np.ndarray = RED, side: int = 10) -> Region:
    soft = box(left, side=side)
    return Region(soft > 0.5, soft, 0.9, 0.9, appearance)


def place(left: int, appearance: np.ndarray = RED, away: int = 0, lost: bool = False) -> Place:
    carried = None if lost else box(left)
    return Place(carried, appearance, (left + 4.5, 14.5), 100.0, away)


def test_a_region_goes_to_the_track_that_lies_there_and_all_are_weighed_together() -> None:
    config = AssociationConfig()
    assert assign([place(0), place(30)], [region(31), region(1)], config) == {0: 1, 1: 0}
    # The second lies nearest to the first track, which the first region needs more.
    assert assign([place(10), place(13)], [region(9), region(11)], config) == {0: 0, 1: 1}
    assert assign([], [region(0)], config) == {} == assign([place(0)], [], config)


@pytest.mark.parametrize(
    ("where", "what", "is_possible"),
    [
        (place(0), region(2), True),
        (place(0), region(2, GREEN), True),  # it lies there, whatever the light
        (place(0), region(12), True),  # a jump of about its size, and the same appearance
        (place(0), region(12, GREEN), False),
        (place(0), region(40), False),
        (place(0, lost=True, away=1), region(40), False),
        (place(0, lost=True, away=12), region(40), True),
        (place(0, lost=True, away=12), region(25, side=25), False),  # six times as large
    ],
)
def test_what_may_be_a_track(where: Place, what: Region, is_possible: bool) -> None:
    assert (affinity(where, what, AssociationConfig()) > 0) is is_possible


def test_the_best_history_is_the_best_of_all_there_are() -> None:
    """Three tracks, five answers: every history enumerated by hand."""
    config = MeaningConfig(switch=1.0, trust=1.0)
    answers = [{i: float(v) for i, v in enumerate(row, 1)} for row in np.random.default_rng(0).uniform(0.1, 1, (5, 3))]
    histories: dict[int, History] = {}
    for t, values in enumerate(answers):
        histories = viterbi_step(histories, values, t, config)

    def worth(ids: tuple[int, ...]) -> float:
        changes = sum(a != b for a, b in itertools.pairwise(ids))
        return sum(math.log(row[i]) for row, i in zip(answers, ids, strict=True)) - changes * config.switch

    best = max(itertools.product((1, 2, 3), repeat=5), key=worth)
    first = max(histories.values(), key=lambda history: history.log_odds)
    assert tuple(track_at(first.path, t) for t in range(5)) == best
    for i, history in histories.items():
        ending = max(worth(ids) for ids in itertools.product((1, 2, 3), repeat=5) if ids[-1] == i)
        assert history.log_odds == pytest.approx(ending - worth(best))


def test_no_track_falls_further_behind_than_a_change_costs() -> None:
    config, histories = MeaningConfig(), {}
    for t in range(50):
        histories = viterbi_step(histories, {1: 0.9, 2: 0.05}, t, config)
    assert histories[1].log_odds == 0
    assert -config.switch + config.trust * math.log(0.05 / 0.9) - 1e-9 <= histories[2].log_odds < 0
    assert len(histories[2].path) <= config.most_runs and histories[1].path == ((0, 1),)


def test_an_answer_without_a_target_speaks_for_what_is_away() -> None:
    config = MeaningConfig()
    assert likelihood(0.95, 0.9, config) > likelihood(0.95, None, config) > likelihood(0.95, 0.02, config)
    assert likelihood(0.05, None, config) > likelihood(0.05, 0.9, config)


def test_which_are_shown() -> None:
    config = MeaningConfig(least=0.3, lead=0.3)
    claims = {1: Claim(0.0, 0.9), 2: Claim(-1.0, 0.7), 3: Claim(-2.0, 0.5)}
    assert chosen(claims, 2, False, config) == {2}
    assert chosen(claims, 7, False, config) == {1}, "one stands in for one that has no place: the most believed"
    assert chosen({1: Claim(-1.0, 0.2), 2: Claim(-2.0, 0.6)}, 7, False, config) == {2}, "whatever came before"
    assert chosen(claims, 2, True, config) == {1, 2}
    assert chosen({}, 1, False, config) == set() == chosen({3: Claim(0.0, 0.2)}, 3, True, config)


def test_belief_is_a_fading_mean_that_begins_at_half() -> None:
    config = MeaningConfig(keep=0.5, prior=1.0)
    once = Belief().after(1.0, 1.0, config)
    assert Belief().value(config) == 0.5 and once.value(config) == pytest.approx(0.75)
    assert 0.5 < once.after(None, 1.0, config).value(config) < 0.75


def test_presence_is_gathered_and_what_comes_later_counts() -> None:
    config = PresenceConfig(keep=0.5)
    sure = PresenceAverage().after(0.9, 0.0, config)
    assert sure.smoothed([], config) == pytest.approx(0.9) and PresenceAverage().smoothed([], config) == 0
    doubted = sure.after(0.1, 0.0, config)
    assert doubted.smoothed([], config) < 0.5
    assert doubted.smoothed([0.9, 0.9], config) > doubted.smoothed([], config)
    assert sure.after(0.1, 1.0, config).smoothed([], config) == pytest.approx(0.9), "the target itself is seen"
    assert 0 < PresenceAverage().after(0.0, 0.0, config).smoothed([], config) < 0.02
