"""Metrics: hand-computed tables, and equality with the reference figures of the papers' own evaluators."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from image_core.metrics import GrefcocoMetrics, RefcocoMetrics, ReferringMetrics


def row(pixels: str) -> np.ndarray:
    """A mask of one row drawn with # and ."""
    return np.array([[c == "#" for c in pixels]])


def test_refcoco_table() -> None:
    metrics = RefcocoMetrics()
    metrics.update(row("####.."), row("####.."))  # 4 / 4
    metrics.update(row("##...."), row("####.."))  # 2 / 4
    metrics.update(row("###..."), row("...###"))  # 0 / 6
    metrics.update(row("......"), row("......"))  # 0 / 0
    assert metrics.compute() == pytest.approx(
        {
            "mIoU": 1.5 / 4,
            "oIoU": 6 / 14,
            "Pr@0.5": 2 / 4,
            "Pr@0.6": 1 / 4,
            "Pr@0.7": 1 / 4,
            "Pr@0.8": 1 / 4,
            "Pr@0.9": 1 / 4,
        }
    )


def test_the_two_rules_differ_where_iou_is_the_threshold() -> None:
    lavt, cgformer = RefcocoMetrics("lavt"), RefcocoMetrics("cgformer")
    for metrics in (lavt, cgformer):
        metrics.update(row("##...."), row("####.."))
    assert lavt.compute()["Pr@0.5"] == 1 and cgformer.compute()["Pr@0.5"] == 0
    with pytest.raises(ValueError, match="expected one of lavt, cgformer"):
        RefcocoMetrics("coco")  # pyright: ignore[reportArgumentType]


def test_grefcoco_table() -> None:
    metrics = GrefcocoMetrics()
    metrics.update(row("####.."), row("####.."), True)  # 1, 4 / 4
    metrics.update(row("###..."), row("####.."), True)  # 0.75, 3 / 4
    metrics.update(row("####.."), row("..####"), False)  # has a target, called absent: 0, 0 / 6
    metrics.update(row("##...."), row("......"), False)  # absent and called so: 1, whatever the mask
    metrics.update(row("##...."), row("......"), True)  # absent and missed: 0, 0 / 2
    assert metrics.compute() == pytest.approx(
        {
            "gIoU": 2.75 / 5,
            "cIoU": 7 / 16,
            "N-acc": 1 / 2,
            "T-acc": 2 / 3,
            "Pr@0.7": 2 / 3,
            "Pr@0.8": 1 / 3,
            "Pr@0.9": 1 / 3,
        }
    )


def test_referring_metrics_by_family() -> None:
    metrics = ReferringMetrics()
    metrics.update(row("####.."), row("####.."), True, "attribute")
    metrics.update(row("####.."), row("####.."), False, "attribute")  # called absent: counts as empty
    metrics.update(row("##...."), row("####.."), True, "relation")
    metrics.update(row("##...."), row("......"), False, "no_target")
    metrics.update(row("......"), row("......"), True, "no_target")
    figures = metrics.compute()
    families = figures.pop("families")
    assert figures == pytest.approx(
        {
            "expressions": 5,
            "targets": 3,
            "mIoU": 1.5 / 3,
            "oIoU": 6 / 12,
            "Pr@0.5": 2 / 3,
            "Pr@0.6": 1 / 3,
            "Pr@0.7": 1 / 3,
            "Pr@0.8": 1 / 3,
            "Pr@0.9": 1 / 3,
            "gIoU": (1 + 0 + 0.5 + 1 + 0) / 5,
            "cIoU": 6 / 12,
            "N-acc": 1 / 2,
            "T-acc": 2 / 3,
        }
    )
    assert list(families) == ["attribute", "no_target", "relation"]
    assert families["attribute"]["mIoU"] == 0.5 and families["attribute"]["N-acc"] is None
    assert families["no_target"]["mIoU"] is None and families["no_target"]["N-acc"] == 0.5
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize("metrics", [RefcocoMetrics(), GrefcocoMetrics(), ReferringMetrics()])
def test_nothing_seen_is_none_and_reset_forgets(metrics: RefcocoMetrics | GrefcocoMetrics | ReferringMetrics) -> None:
    fresh = metrics.compute()
    counts = {k: v for k, v in fresh.items() if v is not None}
    assert counts in ({}, {"expressions": 0, "targets": 0, "families": {}})
    if isinstance(metrics, RefcocoMetrics):
        metrics.update(row("##"), row("##"))
    else:
        metrics.update(row("##"), row("##"), True)
    assert metrics.compute() != fresh
    metrics.reset()
    assert metrics.compute() == fresh


def test_masks_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        RefcocoMetrics().update(row("##"), row("###"))


def read_mask(path: Path) -> np.ndarray:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    return mask > 127


@pytest.mark.shared
def test_parity_refcoco_mini(shared_dir: Path) -> None:
    folder = shared_dir / "parity/metrics/refcoco_mini"
    values = json.loads((folder / "values.json").read_text())
    lavt, cgformer = RefcocoMetrics("lavt"), RefcocoMetrics("cgformer")
    for path in sorted((folder / "gt").iterdir()):
        for metrics in (lavt, cgformer):
            metrics.update(read_mask(folder / "pred" / path.name), read_mask(path))
    assert lavt.count == len(values["per_sample"])
    theirs = {"mIoU": values["LAVT"]["mIoU"], "oIoU": values["LAVT"]["oIoU"]}
    theirs |= {f"Pr@{x}": p for x, p in values["LAVT"]["P"].items()}
    assert lavt.compute() == pytest.approx(theirs, abs=1e-6)
    theirs = {"mIoU": values["CGFormer"]["mIoU"], "oIoU": values["CGFormer"]["oIoU"]}
    theirs |= {f"Pr@0.{name[3]}": p for name, p in values["CGFormer"]["P"].items()}
    assert cgformer.compute() == pytest.approx(theirs, abs=1e-6)


@pytest.mark.shared
def test_parity_grefcoco_mini(shared_dir: Path) -> None:
    folder = shared_dir / "parity/metrics/grefcoco_mini"
    values = json.loads((folder / "values.json").read_text())
    metrics = GrefcocoMetrics()
    for sample in values["samples"]:
        true_mask = read_mask(folder / "gt" / sample["file"])
        assert true_mask.any() != sample["gt_nt"]
        metrics.update(read_mask(folder / "pred" / sample["file"]), true_mask, not sample["pred_nt"])
    theirs = values["results"]
    wanted = {name: theirs[name] / 100 for name in ("gIoU", "cIoU", "Pr@0.7", "Pr@0.8", "Pr@0.9")}
    wanted |= {"N-acc": theirs["N_acc"], "T-acc": theirs["T_acc"]}
    assert metrics.compute() == pytest.approx(wanted, abs=1e-6)
