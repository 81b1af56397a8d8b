"""Metrics of referring image segmentation, streaming: `update` with one expression at a time, `compute`, `reset`.

Only sums are kept. All metrics are fractions in [0, 1]; a metric over no expressions is None. Keys are the published
names.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from image_core.geometry.masks import overlap

RefcocoRule = Literal["lavt", "cgformer"]
Figures = dict[str, float | None]

REFCOCO_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
GREFCOCO_THRESHOLDS = (0.7, 0.8, 0.9)


class RefcocoMetrics:
    """mIoU, oIoU and Pr@0.5 ... Pr@0.9 under one of two published rules, which differ on the same masks.

    lavt: IoU = I / U, 0 when both masks are empty; Pr@X counts IoU >= X;
    cgformer: IoU = I / (U + 1e-6); Pr@X counts IoU > X.
    oIoU = sum(I) / sum(U) in both. mIoU is the mean of IoU over all expressions given.
    """

    def __init__(self, rule: RefcocoRule = "lavt") -> None:
        if rule not in get_args(RefcocoRule):
            raise ValueError(f"RefcocoMetrics.rule: expected one of {', '.join(get_args(RefcocoRule))}, got '{rule}'")
        self.rule = rule
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.count = 0
        self.iou_sum = 0.0
        self.intersection = 0
        self.union = 0
        self.hits = dict.fromkeys(REFCOCO_THRESHOLDS, 0)

    def update(self, prediction_mask: np.ndarray, true_mask: np.ndarray) -> None:
        """Two (H, W) bool masks of one expression."""
        self.add(*overlap(prediction_mask, true_mask))

    def add(self, intersection: int, union: int) -> None:
        """One expression by its pixel counts, for callers that have them already."""
        if self.rule == "cgformer":
            iou = intersection / (union + 1e-6)
            reached = [x for x in REFCOCO_THRESHOLDS if iou > x]
        else:
            iou = intersection / union if union else 0.0
            reached = [x for x in REFCOCO_THRESHOLDS if iou >= x]
        self.count += 1
        self.iou_sum += iou
        self.intersection += intersection
        self.union += union
        for threshold in reached:
            self.hits[threshold] += 1

    def compute(self) -> Figures:
        """{"mIoU", "oIoU", "Pr@0.5", ..., "Pr@0.9"}."""
        return {
            "mIoU": _share(self.iou_sum, self.count),
            "oIoU": _share(self.intersection, self.union),
            **{f"Pr@{x}": _share(hits, self.count) for x, hits in self.hits.items()},
        }


class GrefcocoMetrics:
    """gIoU, cIoU, N-acc, T-acc and Pr@0.7 / 0.8 / 0.9 by ReLA's evaluator.

    gIoU = mean IoU of all, cIoU = sum(I) / sum(U). Whether an expression has a target follows from the true mask:
    - With one: if predicted absent, I is 0 and U is unchanged. Pr@X counts IoU >= X over these expressions only.
    - Without one: if predicted absent, IoU is 1 and I and U get nothing; else IoU is 0 and U gets the predicted pixels.
    N-acc: share of the expressions without a target predicted absent; T-acc: share of the others predicted present.
    Where every expression has a target, the evaluator prints 0 for both. Here N-acc is None, and T-acc is computed.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.iou_sum = 0.0
        self.intersection = 0
        self.union = 0
        self.targets = self.targets_found = 0
        self.absences = self.absences_found = 0
        self.hits = dict.fromkeys(GREFCOCO_THRESHOLDS, 0)

    def update(self, prediction_mask: np.ndarray, true_mask: np.ndarray, predicted_present: bool) -> None:
        """Two (H, W) bool masks of one expression, and whether the model says that it has a target."""
        self.add(*overlap(prediction_mask, true_mask), has_target=bool(true_mask.any()), present=predicted_present)

    def add(self, intersection: int, union: int, *, has_target: bool, present: bool) -> None:
        """One expression by its pixel counts, for callers that have them already."""
        if has_target:
            self.targets += 1
            self.targets_found += present
            intersection = intersection if present else 0
            iou = intersection / union if union else 0.0
            for threshold in GREFCOCO_THRESHOLDS:
                self.hits[threshold] += iou >= threshold
        else:
            self.absences += 1
            self.absences_found += not present
            iou = 0.0 if present else 1.0
            union = union if present else 0
        self.iou_sum += iou
        self.intersection += intersection
        self.union += union

    def compute(self) -> Figures:
        """{"gIoU", "cIoU", "N-acc", "T-acc", "Pr@0.7", "Pr@0.8", "Pr@0.9"}."""
        return {
            "gIoU": _share(self.iou_sum, self.targets + self.absences),
            "cIoU": _share(self.intersection, self.union),
            "N-acc": _share(self.absences_found, self.absences),
            "T-acc": _share(self.targets_found, self.targets),
            **{f"Pr@{x}": _share(hits, self.targets) for x, hits in self.hits.items()},
        }


class ReferringMetrics:
    """What `metrics.json` holds: all metrics above for a model that also predicts absence, over all and by family.

    mIoU, oIoU and Pr@X (lavt rule) are over expressions that have a target, and a mask predicted absent counts as
    empty, which is what a user gets; gIoU, cIoU, N-acc and T-acc are over all, by ReLA's rule.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.whole = _Tally()
        self.by_family: dict[str, _Tally] = {}

    def update(
        self, prediction_mask: np.ndarray, true_mask: np.ndarray, predicted_present: bool, family: str = ""
    ) -> None:
        """Two (H, W) bool masks of one expression, whether the model says it has a target, and its family, if any."""
        intersection, union = overlap(prediction_mask, true_mask)
        area = int(np.count_nonzero(true_mask))
        self.whole.add(intersection, union, area, predicted_present)
        if family:
            self.by_family.setdefault(family, _Tally()).add(intersection, union, area, predicted_present)

    def fail(self, truth: np.ndarray | None, has_target: bool, family: str = "") -> None:
        """An expression that got no answer: IoU 0, wrong about presence. truth: (H, W) bool, None where not known."""
        area = 0 if truth is None else int(np.count_nonzero(truth))
        self.whole.fail(area, has_target)
        if family:
            self.by_family.setdefault(family, _Tally()).fail(area, has_target)

    def compute(self) -> dict[str, Any]:
        """The figures of all expressions, "expressions" and "targets" (how many), and "families": {name: the same}."""
        families = {name: tally.compute() for name, tally in sorted(self.by_family.items())}
        return {**self.whole.compute(), "families": families}


class _Tally:
    """The metrics of one set of expressions: all, or those of a family."""

    def __init__(self) -> None:
        self.segmentation = RefcocoMetrics()
        self.general = GrefcocoMetrics()

    def add(self, intersection: int, union: int, true_area: int, present: bool) -> None:
        self.general.add(intersection, union, has_target=true_area > 0, present=present)
        if true_area:
            self.segmentation.add(*((intersection, union) if present else (0, true_area)))

    def fail(self, true_area: int, has_target: bool) -> None:
        self.general.add(0, true_area, has_target=has_target, present=not has_target)
        if has_target:
            self.segmentation.add(0, true_area)

    def compute(self) -> dict[str, Any]:
        general = self.general.compute()
        return {
            "expressions": self.general.targets + self.general.absences,
            "targets": self.general.targets,
            **self.segmentation.compute(),
            **{name: general[name] for name in ("gIoU", "cIoU", "N-acc", "T-acc")},
        }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
