"""The papers' rules on masks that a reader checks by eye, and against the figures of the papers' own evaluators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.data.records import ReferringRecord
from image_core.evaluation.protocols import PROTOCOLS, Plane, ProtocolScore, plane_size, predicted_mask, true_mask
from image_core.geometry.masks import overlap
from image_core.metrics import ReferringMetrics

PLANES: tuple[Plane, ...] = ("native", "squash_480", "bicubic", "keep_ratio_640")


def logits_of(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 4.0, -4.0).astype(np.float32)


def block(size: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[rows, columns] = True
    return mask


def figures(name: str, prediction: np.ndarray, truth: np.ndarray, presence: float = 1.0, polygons: int = 1) -> Any:
    score = ProtocolScore(PROTOCOLS[name])
    score.add(predicted_mask(logits_of(prediction), score.protocol.plane), truth, presence, polygons)
    return score.compute()


@pytest.mark.parametrize(
    ("plane", "size"),
    [("native", (300, 500)), ("squash_480", (480, 480)), ("bicubic", (300, 500)), ("keep_ratio_640", (384, 640))],
)
def test_sizes_of_planes(plane: Plane, size: tuple[int, int]) -> None:
    mask = block((300, 500), slice(60, 120), slice(100, 200))
    assert plane_size((300, 500), plane) == size
    assert true_mask(mask, plane).shape == predicted_mask(logits_of(mask), plane).shape == size


@pytest.mark.parametrize("plane", PLANES)
def test_a_perfect_answer_stays_nearly_perfect_on_every_plane(plane: Plane) -> None:
    mask = block((300, 500), slice(60, 240), slice(100, 400))
    predicted, truth = predicted_mask(logits_of(mask), plane), true_mask(mask, plane)
    assert (predicted & truth).sum() / (predicted | truth).sum() > 0.98


def test_what_has_the_size_of_the_network_already_is_left_as_it_is() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(480, 480)).astype(np.float32), rng.random((480, 480)) > 0.5
    for plane in ("squash_480", "bicubic"):
        np.testing.assert_array_equal(predicted_mask(logits, plane), logits > 0)
        np.testing.assert_array_equal(true_mask(truth, plane), truth)


def test_nearest_neighbour_takes_the_centre_of_a_cell() -> None:
    mask = np.zeros((960, 960), bool)
    mask[1::2, 1::2] = True  # the centre of each 2 x 2 cell is its last pixel
    assert true_mask(mask, "squash_480").all() and not true_mask(~mask, "squash_480").any()


def test_a_squash_weighs_the_two_sides_alike() -> None:
    """Of a wide strip, a block that is right and one of the same area that is not: 1 / 2 in every shape."""
    truth = block((100, 1000), slice(0, 100), slice(0, 200))
    prediction = block((100, 1000), slice(0, 100), slice(0, 400))
    assert figures("lavt", prediction, truth)["mIoU"] == pytest.approx(0.5, abs=0.01)


def test_cgformer_wants_more_than_the_threshold() -> None:
    truth, prediction = block((480, 480), slice(0, 100), slice(0, 40)), block((480, 480), slice(0, 50), slice(0, 40))
    assert figures("lavt", prediction, truth)["Pr@0.5"] == 1
    assert figures("cgformer", prediction, truth)["Pr@0.5"] == 0


def test_the_crowd_rule_forgives_what_is_missed_of_several_polygons() -> None:
    truth = block((640, 640), slice(0, 40), slice(0, 40)) | block((640, 640), slice(100, 140), slice(0, 40))
    prediction = block((640, 640), slice(0, 40), slice(0, 40))  # one of the two parts
    assert figures("seqtr", prediction, truth, polygons=2)["mIoU"] == 0.5
    assert figures("seqtr_crowd_iou", prediction, truth, polygons=2)["mIoU"] == 1.0
    assert figures("seqtr_crowd_iou", prediction, truth, polygons=1)["mIoU"] == 0.5
    assert figures("seqtr_crowd_iou", np.zeros_like(truth), truth, polygons=2)["mIoU"] == 0.0
    assert "oIoU" not in figures("seqtr_crowd_iou", prediction, truth, polygons=2)


@pytest.mark.parametrize(
    ("name", "pixels", "presence", "found"),
    [
        ("rela", 100, 0.9, (1.0, 1.0)),
        ("rela", 100, 0.4, (0.0, 0.0)),  # a target that is judged absent: IoU 0
        ("rela_50px", 100, 0.4, (1.0, 1.0)),  # its presence is not asked
        ("rela_50px", 49, 0.9, (0.0, 0.0)),  # but how large it is
    ],
)
def test_when_an_answer_is_no_target(name: str, pixels: int, presence: float, found: tuple[float, float]) -> None:
    truth = np.zeros((480, 480), bool)
    truth.flat[:pixels] = True
    got = figures(name, truth, truth, presence)
    assert (got["gIoU"], got["T-acc"]) == found and got["N-acc"] is None


def test_no_target_expressions_are_right_only_if_judged_absent() -> None:
    nothing = np.zeros((48, 64), bool)
    assert figures("rela", ~nothing, nothing, presence=0.1)["gIoU"] == 1
    score = ProtocolScore(PROTOCOLS["rela"])
    score.fail(nothing, has_target=False)
    score.fail(None, has_target=True)
    score.fail(~nothing, has_target=True)
    got = score.compute()
    assert (got["gIoU"], got["cIoU"], got["N-acc"], got["T-acc"]) == (0, 0, 0, 0)


def test_a_target_that_vanishes_when_squashed_counts_0() -> None:
    truth = block((2000, 2000), slice(0, 1), slice(0, 1))
    assert figures("rela", np.zeros_like(truth), truth)["gIoU"] == 0


def test_rela_draws_its_truth_where_it_compares() -> None:
    """A triangle of a small picture, drawn at 480 x 480, has a smooth edge; resized it has steps."""
    polygon = [0.0, 0.0, 24.0, 0.0, 0.0, 24.0]
    record = ReferringRecord(1, "val", 1, Path("a.jpg"), (24, 24), (), (1,), ([polygon],))
    drawn, resized = record.mask((480, 480)), true_mask(record.mask(), "squash_480")
    assert drawn.shape == (480, 480) and 0 < (drawn ^ resized).sum() < 0.06 * drawn.sum()
    steps = [len(set(mask.sum(1).tolist())) for mask in (drawn, resized)]
    assert steps[0] > 400 and steps[1] <= 25
    score = ProtocolScore(PROTOCOLS["rela"])
    assert score.protocol.rasterised and PROTOCOLS["rela_50px"].rasterised and not PROTOCOLS["lavt"].rasterised
    score.add(drawn, record.mask(), 0.9, rasterised=drawn)
    assert score.compute()["gIoU"] == 1


def test_failures_count_in_the_native_figures() -> None:
    metrics = ReferringMetrics()
    mask = block((4, 4), slice(0, 2), slice(0, 2))
    metrics.update(mask, mask, True)
    metrics.fail(mask, has_target=True)
    metrics.fail(None, has_target=True)
    metrics.fail(None, has_target=False, family="absent")
    found = metrics.compute()
    assert found["expressions"] == 4 and found["targets"] == 3
    assert found["mIoU"] == pytest.approx(1 / 3) and found["oIoU"] == 0.5
    assert found["N-acc"] == 0 and found["T-acc"] == pytest.approx(1 / 3) and found["families"]["absent"]["N-acc"] == 0


def pairs_of(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    def masks(kind: str) -> list[np.ndarray]:
        read = (cv2.imread(str(p), cv2.IMREAD_GRAYSCALE) for p in sorted((folder / kind).glob("*.png")))
        return [picture > 0 for picture in read if picture is not None]

    return list(zip(masks("pred"), masks("gt"), strict=True))


@pytest.mark.shared
@pytest.mark.parametrize(("name", "rule"), [("lavt", "LAVT"), ("cgformer", "CGFormer")])
def test_parity_refcoco_mini(shared_dir: Path, name: str, rule: str) -> None:
    """Masks as they are, without a way through another size, give the figures of the papers' own code."""
    folder = shared_dir / "parity/metrics/refcoco_mini"
    score = ProtocolScore(PROTOCOLS[name])
    for prediction, truth in pairs_of(folder):
        score.count(*overlap(prediction, truth), has_target=bool(truth.any()), present=True)
    wanted = json.loads((folder / "values.json").read_text())[rule]
    found = score.compute()
    assert found["mIoU"] == pytest.approx(wanted["mIoU"], abs=1e-6)
    assert found["oIoU"] == pytest.approx(wanted["oIoU"], abs=1e-6)
    for x, value in zip((0.5, 0.6, 0.7, 0.8, 0.9), wanted["P"].values(), strict=True):
        assert found[f"Pr@{x}"] == pytest.approx(value, abs=1e-6)


@pytest.mark.shared
def test_parity_grefcoco_mini(shared_dir: Path) -> None:
    folder = shared_dir / "parity/metrics/grefcoco_mini"
    values = json.loads((folder / "values.json").read_text())
    score = ProtocolScore(PROTOCOLS["rela"])
    for (prediction, truth), row in zip(pairs_of(folder), values["samples"], strict=True):
        score.count(*overlap(prediction, truth), has_target=bool(truth.any()), present=not row["pred_nt"])
    found, theirs = score.compute(), values["results"]
    for name in ("gIoU", "cIoU", "Pr@0.7", "Pr@0.8", "Pr@0.9"):
        assert found[name] == pytest.approx(theirs[name] / 100, abs=1e-6)
    assert found["N-acc"] == theirs["N_acc"] and found["T-acc"] == theirs["T_acc"]


@pytest.mark.shared
def test_resizing_through_480_px_changes_refcoco_mini_little(shared_dir: Path) -> None:
    """The whole of `lavt` and `cgformer`, with their resizing, stays within 0.02 of the figures of the masks."""
    folder = shared_dir / "parity/metrics/refcoco_mini"
    wanted = json.loads((folder / "values.json").read_text())
    for name, rule in (("lavt", "LAVT"), ("cgformer", "CGFormer")):
        score = ProtocolScore(PROTOCOLS[name])
        for prediction, truth in pairs_of(folder):
            score.add(predicted_mask(logits_of(prediction), score.protocol.plane), truth, 1.0)
        assert score.compute()["mIoU"] == pytest.approx(wanted[rule]["mIoU"], abs=0.02)
