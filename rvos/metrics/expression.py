"""The figures of one expression on one video, frame by frame, and of many expressions together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np

from image_core.errors import DataError
from rvos.metrics.bitmaps import pack
from rvos.metrics.frames import check_same_size, score_pairs
from rvos.metrics.presence import Presence, temporal_iou, volume_iou
from rvos.metrics.stability import ConsecutiveIou, instability


@dataclass(frozen=True)
class ExpressionScores:
    """One expression on T frames.

    region, boundary: (T,) float, J and F; visible: (T,) bool, the target is there to be seen; predicted: (T,) bool, the
    predicted mask is not empty; stability: see `instability`. A mean over no frame is None.
    """

    region: np.ndarray
    boundary: np.ndarray
    visible: np.ndarray
    predicted: np.ndarray
    stability: float | None

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.region, self.boundary, self.visible, self.predicted)}
        if len(shapes) > 1 or self.region.ndim != 1 or not len(self.region):
            raise ValueError(f"ExpressionScores: expected (T,) of one T, at least 1, got {sorted(shapes)}")
        if self.visible.dtype != np.bool_ or self.predicted.dtype != np.bool_:
            raise ValueError(f"ExpressionScores: expected bool, got {self.visible.dtype} and {self.predicted.dtype}")

    @cached_property
    def mean_visible(self) -> tuple[float, float] | None:
        """Mean J and mean F over the frames where the target is visible; None when it never is.

        The headline of the synthetic benchmark: on a frame without target an empty mask scores 1 and any other 0,
        which is what presence measures.
        """
        if not self.visible.any():
            return None
        return float(self.region[self.visible].mean()), float(self.boundary[self.visible].mean())

    @cached_property
    def mean_all(self) -> tuple[float, float]:
        """Mean J and mean F over all frames, as the public datasets take them."""
        return float(self.region.mean()), float(self.boundary.mean())

    @cached_property
    def presence(self) -> Presence:
        """Counted over frames."""
        return Presence.count(self.predicted, self.visible)

    def figures(self) -> dict[str, float | int | None]:
        """Everything by its name in `metrics.json`: J, F, J&F over visible frames, the same over all, presence, ..."""
        presence = self.presence
        return {
            **_j_and_f(self.mean_visible, ""),
            **_j_and_f(self.mean_all, "_all_frames"),
            "N-acc": presence.n_acc,
            "T-acc": presence.t_acc,
            "tIoU": temporal_iou(self.predicted, self.visible),
            "vIoU": volume_iou(self.region, self.predicted, self.visible),
            "stability": self.stability,
            "frames": len(self.visible),
            "frames_with_target": presence.targets,
        }


class ExpressionScorer:
    """Scores one expression on one video, frame by frame; frames are not kept."""

    def __init__(self) -> None:
        self._scores: list[tuple[float, float]] = []
        self._areas: list[tuple[bool, bool]] = []
        self._predicted_ious, self._true_ious = ConsecutiveIou(), ConsecutiveIou()

    def add(self, mask: np.ndarray, truth: np.ndarray) -> None:
        """The next frame: two masks (H, W) bool. Raises `DataError` when their sizes differ."""
        check_same_size(mask.shape, truth.shape, f"frame {len(self._scores)}: prediction")
        a, b = pack(mask[None]), pack(truth[None])
        region, boundary = score_pairs(a, b)
        self._scores.append((float(region[0]), float(boundary[0])))
        self._areas.append((bool(a.words.any()), bool(b.words.any())))
        self._predicted_ious.add(a)
        self._true_ious.add(b)

    def scores(self, present: np.ndarray | None = None) -> ExpressionScores:
        """Of the frames so far. present: (T,) bool, where the target is visible; by default where its true mask is not
        empty. Raises `DataError` when there was no frame."""
        if not self._scores:
            raise DataError("expression: expected at least one frame, got none")
        predicted, visible = np.array(self._areas).T
        if present is not None:
            check_same_size(present.shape, visible.shape, "present")
            visible = present
        region, boundary = np.array(self._scores).T
        stability = instability(self._predicted_ious.ious, self._true_ious.ious)
        return ExpressionScores(region, boundary, visible, predicted, stability)


def score_expression(
    prediction: Iterable[np.ndarray], truth: Iterable[np.ndarray], present: np.ndarray | None = None
) -> ExpressionScores:
    """`ExpressionScorer` over T masks (H, W) bool each of both, stacked or streamed.

    Raises `DataError` as it does, and when the numbers of frames differ.
    """
    scorer = ExpressionScorer()
    for index, (mask, true_mask) in enumerate(zip_longest(prediction, truth)):
        if mask is None or true_mask is None:
            fewer = "prediction" if mask is None else "truth"
            raise DataError(f"expression: expected as many frames of both, got a {fewer} that ends after {index}")
        scorer.add(mask, true_mask)
    return scorer.scores(present)


def mean_over_expressions(scores: Mapping[str, tuple[float, float] | None]) -> dict[str, Any]:
    """J, F, J&F: means over expressions, whatever their number of frames or the video they are of.

    scores: (J, F) by the name of the expression, `mean_all` (public datasets) or `mean_visible`; None where there is no
    prediction: that counts as 0, and "missing" lists it. (MeViS's own script stops at a missing expression and gives
    zeros for a missing video.) The means over no expression are None.
    """
    missing = sorted(name for name, score in scores.items() if score is None)
    pairs = np.array([score or (0.0, 0.0) for score in scores.values()]).reshape(-1, 2)
    means = (float(pairs[:, 0].mean()), float(pairs[:, 1].mean())) if len(pairs) else None
    return {**_j_and_f(means, ""), "expressions": len(pairs), "missing": missing}


def _j_and_f(means: tuple[float, float] | None, suffix: str) -> dict[str, float | None]:
    j, f = means or (None, None)
    both = None if j is None or f is None else (j + f) / 2
    return {f"J&F{suffix}": both, f"J{suffix}": j, f"F{suffix}": f}
