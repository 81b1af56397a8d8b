"""One expression on one video: visible frames, presence, stability; and means over expressions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from image_core.errors import DataError
from rvos.metrics.bitmaps import pack
from rvos.metrics.expression import ExpressionScores, mean_over_expressions, score_expression
from rvos.metrics.presence import Presence, temporal_iou, volume_iou
from rvos.metrics.stability import ConsecutiveIou, instability


def video(*rows: str) -> np.ndarray:
    """(T, 1, W) masks, one row each, drawn with # and ."""
    return np.array([[[c == "#" for c in row]] for row in rows])


TRUTH = video("####....", "####....", "........", "........")
PREDICTION = video("####....", "##......", "........", "......##")


def test_table_of_one_expression() -> None:
    scores = score_expression(PREDICTION, TRUTH)
    assert scores.region.tolist() == [1.0, 0.5, 1.0, 0.0]
    assert scores.boundary.tolist() == [1.0, 0.0, 1.0, 0.0]  # outlines 2 px apart, tolerance 1 px
    assert scores.visible.tolist() == [True, True, False, False]
    assert scores.predicted.tolist() == [True, True, False, True]
    assert scores.figures() == pytest.approx(
        {
            "J": 0.75,
            "F": 0.5,
            "J&F": 0.625,
            "J_all_frames": 2.5 / 4,
            "F_all_frames": 0.5,
            "J&F_all_frames": 4.5 / 8,
            "N-acc": 0.5,
            "T-acc": 1.0,
            "tIoU": 2 / 3,
            "vIoU": 1.5 / 3,
            # ious with the frame before: predicted 1/2, 0, 0; true 1, 0, 1
            "stability": (0.5 + 0 + 1) / 3,
            "frames": 4,
            "frames_with_target": 2,
        }
    )


def test_frames_may_be_streamed() -> None:
    stacked, streamed = score_expression(PREDICTION, TRUTH), score_expression(iter(PREDICTION), iter(TRUTH))
    assert streamed.figures() == stacked.figures()


def test_visibility_can_be_given() -> None:
    scores = score_expression(PREDICTION, TRUTH, np.array([True, False, False, False]))
    figures = scores.figures()
    assert figures["J&F"] == 1.0 and figures["N-acc"] == 1 / 3 and figures["frames_with_target"] == 1


def test_no_target_has_no_j_and_f_but_presence() -> None:
    nothing = np.zeros_like(TRUTH)
    figures = score_expression(PREDICTION, nothing).figures()
    assert [figures[name] for name in ("J", "F", "J&F", "T-acc")] == [None] * 4
    assert figures["N-acc"] == 0.25 and figures["J_all_frames"] == 0.25
    always = score_expression(TRUTH[:1], TRUTH[:1]).figures()
    assert always["N-acc"] is None and always["T-acc"] == 1 and always["stability"] is None
    json.dumps([figures, always], allow_nan=False)


def test_faults_are_named_in_one_line() -> None:
    with pytest.raises(DataError, match="got a prediction that ends after 3"):
        score_expression(PREDICTION[:3], TRUTH)
    with pytest.raises(DataError, match="got a truth that ends after 2"):
        score_expression(PREDICTION, iter(TRUTH[:2]))
    with pytest.raises(DataError, match=r"frame 0: prediction: expected \(1, 8\), .*got \(1, 7\)"):
        score_expression(PREDICTION[:, :, :7], TRUTH)
    with pytest.raises(DataError, match=r"present: expected \(4,\), .*got \(3,\)"):
        score_expression(PREDICTION, TRUTH, np.ones(3, bool))
    with pytest.raises(ValueError, match="expected bool, got int64 and bool"):
        score_expression(PREDICTION, TRUTH, np.array([1, 0, 1, 0]))
    with pytest.raises(DataError, match="expected at least one frame"):
        score_expression([], [])
    with pytest.raises(ValueError, match="of one T"):
        ExpressionScores(np.ones(2), np.ones(3), np.ones(2, bool), np.ones(2, bool), None)


def test_means_are_over_expressions_and_missing_ones_are_zero_and_listed() -> None:
    found = mean_over_expressions({"v_1": (0.8, 0.6), "v_2": None, "u_0": None, "v_0": (1.0, 1.0)})
    assert found == {
        "J": pytest.approx(1.8 / 4),
        "F": pytest.approx(1.6 / 4),
        "J&F": pytest.approx(3.4 / 8),
        "expressions": 4,
        "missing": ["u_0", "v_2"],
    }
    assert mean_over_expressions({}) == {"J": None, "F": None, "J&F": None, "expressions": 0, "missing": []}
    assert mean_over_expressions({"v": (0.0, 0.0)})["missing"] == []


def test_presence_adds_up() -> None:
    yes, no = True, False
    first = Presence.count(np.array([yes, no, yes]), np.array([yes, yes, no]))
    second = Presence.count(np.array([no, no]), np.array([no, no]))
    assert first + second == Presence(targets=2, targets_found=1, absences=3, absences_found=2)
    assert (first + second).t_acc == 0.5 and (first + second).n_acc == 2 / 3
    assert second.t_acc is None and Presence.count(np.ones(1, bool), np.ones(1, bool)).n_acc is None
    with pytest.raises(ValueError, match=r"expected two bool \(N,\)"):
        Presence.count(np.ones(2), np.ones(2, bool))


def test_long_rvos_figures() -> None:
    predicted, true = np.array([True, True, False, False]), np.array([True, False, True, False])
    region = np.array([0.6, 0.0, 0.0, 1.0])
    assert temporal_iou(predicted, true) == 1 / 3
    assert volume_iou(region, predicted, true) == pytest.approx(0.2)
    never = np.zeros(4, bool)
    assert temporal_iou(never, never) == volume_iou(region, never, never) == 1.0


def test_a_frozen_mask_is_stable_only_where_the_truth_is() -> None:
    def changes(masks: np.ndarray) -> list[float]:
        kept = ConsecutiveIou()
        for mask in masks:
            kept.add(pack(mask[None]))
        return kept.ious

    moving, frozen = video("##..", ".##.", "..##"), video("##..", "##..", "##..")
    assert changes(moving) == pytest.approx([1 / 3, 1 / 3]) and changes(frozen) == [1.0, 1.0]
    assert instability(changes(frozen), changes(moving)) == pytest.approx(2 / 3)
    assert instability(changes(moving), changes(moving)) == 0.0
    assert instability([], []) is None
    with pytest.raises(ValueError, match="as many of both"):
        instability([1.0], [])
