"""The DAVIS evaluation: statistics, assignment, and both tasks on id maps of one row."""

from __future__ import annotations

import numpy as np
import pytest

from image_core.errors import DataError
from rvos.metrics.davis import DavisTask, davis_figures, score_sequence
from rvos.metrics.statistics import Statistics, frame_statistics

NAN = float("nan")


def ids(row: str) -> np.ndarray:
    """An id map of one row: digits are ids, . is background, v is void."""
    return np.array([[255 if c == "v" else int(c.replace(".", "0")) for c in row]], np.uint8)


def frames(*rows: tuple[str, str]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(ids(prediction), ids(truth)) for prediction, truth in rows]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.6], Statistics(0.6, 1.0, 0.0)),
        ([0.5, 0.7], Statistics(0.6, 0.5, -0.2)),  # 0.5 is not above 0.5; bins {0} and {1}
        ([1.0, 0.8, 0.6, 0.4, 0.2], Statistics(0.6, 0.6, 0.6)),  # borders 0 1 2 3 4: bins {0, 1} and {3, 4}
        ([0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1], Statistics(3.1 / 7, 3 / 7, 0.8)),  # 1.5 -> 2, 4.5 -> 5: {0..2} and {5, 6}
        ([0.9, NAN, 0.3], Statistics(0.6, 1 / 3, 0.6)),  # borders 0 1 1 2 2: {0, 1} less its NaN, and {2}
    ],
)
def test_statistics_table(values: list[float], wanted: Statistics) -> None:
    found = frame_statistics(np.array(values))
    assert [found.mean, found.recall, found.decay] == pytest.approx([wanted.mean, wanted.recall, wanted.decay])


def test_decay_is_right_at_any_length_and_wrong_only_on_request() -> None:
    for count in (255, 256, 300, 1000):
        falling = np.linspace(1, 0, count)
        assert frame_statistics(falling).decay == pytest.approx(0.75, abs=0.01)
    assert np.isnan(frame_statistics(np.linspace(1, 0, 256), uint8_bins=True).decay)
    short = np.linspace(1, 0, 255)
    assert frame_statistics(short, uint8_bins=True) == frame_statistics(short)


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        frame_statistics(np.zeros(0))


def test_semi_supervised_drops_first_and_last_frame_and_keeps_ids() -> None:
    same, swapped = ("11..22", "11..22"), ("22..11", "11..22")
    scores = score_sequence("s", frames(swapped, same, ("1...22", "11..22"), swapped), "semi-supervised")
    assert [each.object_id for each in scores.objects] == [1, 2]
    assert scores.objects[0].region.tolist() == [1.0, 0.5]
    assert scores.objects[1].region.tolist() == [1.0, 1.0]
    figures = davis_figures([scores])
    assert figures["J"] == pytest.approx(0.875) and figures["J-Recall"] == pytest.approx(0.75)


def test_unsupervised_forgives_swapped_ids_and_scores_all_frames() -> None:
    scores = score_sequence("s", frames(*[("33..11", "11..22")] * 3), "unsupervised")
    assert [each.object_id for each in scores.objects] == [1, 2]
    assert all(each.region.tolist() == each.boundary.tolist() == [1.0, 1.0, 1.0] for each in scores.objects)


def test_void_counts_for_nothing_in_the_unsupervised_task_only() -> None:
    rows = frames(*[("1111..", "11vv..")] * 3)
    (unsupervised,) = score_sequence("s", rows, "unsupervised").objects
    (semi_supervised,) = score_sequence("s", rows, "semi-supervised").objects
    assert unsupervised.region.tolist() == [1.0] * 3
    assert semi_supervised.region.tolist() == [0.5]


def test_objects_are_counted_on_the_first_true_frame() -> None:
    rows = frames(("1...", "1..."), ("1..2", "1.22"), ("1...", "1..."))
    assert len(score_sequence("s", rows, "unsupervised").objects) == 1
    rows = frames(("....", "1.3."), ("1...", "1.3."), ("....", "1..."))
    found = score_sequence("s", rows, "semi-supervised").objects
    assert [each.region.tolist() for each in found] == [[1.0], [1.0], [0.0]]  # 2 is nowhere, 3 is missed


def test_a_proposal_that_comes_late_was_empty_before() -> None:
    rows = frames(("1...", "1..."), ("1..2", "1..."), ("...2", "...1"))
    (only,) = score_sequence("s", rows, "unsupervised").objects
    assert only.region.tolist() == [1.0, 1.0, 0.0]
    rows = frames(("....", "1.22"), ("1...", "1.22"))
    found = score_sequence("s", rows, "unsupervised").objects
    assert [each.region.tolist() for each in found] == [[0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("task", ["semi-supervised", "unsupervised"])
def test_a_sequence_without_objects_has_no_figures(task: DavisTask) -> None:
    scores = score_sequence("s", frames(*[("....", "....")] * 3), task)
    assert scores.objects == ()
    assert set(davis_figures([scores]).values()) == {None}


def test_figures_are_means_over_objects_not_sequences() -> None:
    two = score_sequence("two", frames(*[("1.22", "1.22")] * 3), "semi-supervised")
    none = score_sequence("none", frames(*[("....", "...1")] * 3), "semi-supervised")
    figures = davis_figures([two, none])
    assert figures == pytest.approx(
        dict.fromkeys(("J&F", "J", "J-Recall", "F", "F-Recall"), 2 / 3) | {"J-Decay": 0.0, "F-Decay": 0.0}
    )
    assert list(figures) == ["J&F", "J", "J-Recall", "J-Decay", "F", "F-Recall", "F-Decay"]


def test_faults_are_named_in_one_line() -> None:
    good = frames(*[("1...", "1...")] * 4)
    with pytest.raises(DataError, match=r"s, frame 1: prediction: expected \(1, 4\), .*got \(1, 3\)"):
        score_sequence("s", [good[0], (ids("1.."), ids("1...")), *good], "unsupervised")
    with pytest.raises(DataError, match=r"s, frame 2: expected as many .* \(1\), got the predicted id 2"):
        score_sequence("s", [*good[:2], (ids("12.."), ids("1...")), *good], "semi-supervised")
    with pytest.raises(
        DataError, match=r"expected no more proposals than the task allows \(20\), got the predicted id 255"
    ):
        score_sequence("s", frames(("v...", "1...")), "unsupervised")
    with pytest.raises(DataError, match="expected 3 frames or more"):
        score_sequence("s", good[:2], "semi-supervised")
    with pytest.raises(DataError, match="expected at least one frame"):
        score_sequence("s", [], "unsupervised")
    with pytest.raises(ValueError, match="expected integer ids"):
        score_sequence("s", [(ids("1") > 0, ids("1"))], "unsupervised")
    with pytest.raises(ValueError, match="expected one of semi-supervised, unsupervised"):
        score_sequence("s", good, "supervised")  # pyright: ignore[reportArgumentType]
