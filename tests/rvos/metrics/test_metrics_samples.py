"""P@K, overall and mean IoU, mAP: tables that are computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from image_core.errors import DataError
from rvos.metrics.samples import Sample, figures_of


def bar(pixels: int, start: int = 0) -> np.ndarray:
    """(10, 100) bool, `pixels` of its 1000 pixels set, row by row, from `start` on."""
    mask = np.zeros(1000, bool)
    mask[start : start + pixels] = True
    return mask.reshape(10, 100)


def sample(name: str, *predictions: tuple[int, float], truth: int = 100) -> Sample:
    """Truth: the first `truth` pixels; predictions: (pixels, score). The IoU of two bars is short over long."""
    return Sample.of(name, bar(truth), [(bar(pixels), score) for pixels, score in predictions])


def test_table() -> None:
    figures = figures_of([sample("a", (100, 0.9)), sample("b", (72, 0.8)), sample("c", (35, 0.7))])
    json.dumps(figures)
    assert figures.pop("missing") == []
    assert figures == pytest.approx(
        {
            "P@0.5": 2 / 3,
            "P@0.6": 2 / 3,
            "P@0.7": 2 / 3,
            "P@0.8": 1 / 3,
            "P@0.9": 1 / 3,
            "oIoU": (100 + 72 + 35) / 300,
            "mIoU": (1 + 0.72 + 0.35) / 3,
            # Ranked a, b, c. IoU .50 to .70, five of ten: a and b match, precision 1 up to a recall of 2/3, which is
            # 67 of the 101 points; the other five: a alone, 34 points.
            "mAP": (5 * 67 + 5 * 34) / 10 / 101,
            "mAP_all_predictions": None,
            "samples": 3,
        }
    )


def test_overall_iou_weighs_by_area() -> None:
    figures = figures_of([sample("large", (400, 1.0), truth=800), sample("small", (20, 1.0), truth=20)])
    assert figures["oIoU"] == pytest.approx(420 / 820) and figures["mIoU"] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("pixels", "above"),
    # Exact quotients: single precision rounds 3/5 and 4/5 up, 7/10 and 9/10 down, and has 1/2.
    [(50, 0), (51, 1), (60, 2), (61, 2), (70, 2), (71, 3), (80, 4), (90, 4), (91, 5)],
)
def test_iou_is_strictly_above_its_threshold_in_single_precision(pixels: int, above: int) -> None:
    figures = figures_of([sample("a", (pixels, 1.0))])
    assert [figures[f"P@0.{k}"] for k in range(5, 10)] == [1.0] * above + [0.0] * (5 - above)


def test_the_best_prediction_counts_and_of_equals_the_last() -> None:
    assert figures_of([sample("a", (100, 0.9), (40, 0.8))])["mIoU"] == pytest.approx(1)
    assert figures_of([sample("a", (100, 0.8), (40, 0.9))])["mIoU"] == pytest.approx(0.4)
    assert figures_of([sample("a", (100, 0.9), (40, 0.9))])["mIoU"] == pytest.approx(0.4)


def test_a_second_guess_inflates_map() -> None:
    figures = figures_of([sample("a", (100, 0.9)), sample("b", (72, 0.8), (92, 0.3))])
    # Recall 1/2 is 51 of the 101 points.
    assert figures["mAP"] == pytest.approx((5 * 1 + 5 * 51 / 101) / 10)
    # IoU .75 to .90: a hits, b's first guess misses, its second hits: precision 2/3 on the other 50 points.
    # .95: a alone.
    assert figures["mAP_all_predictions"] == pytest.approx((5 * 1 + 4 * (51 + 50 * 2 / 3) / 101 + 51 / 101) / 10)
    assert figures["mAP_all_predictions"] > figures["mAP"]
    assert figures["mIoU"] == pytest.approx(0.86)


def test_a_sample_without_prediction_counts_as_0() -> None:
    figures = figures_of([sample("a", (100, 0.9)), sample("b")])
    assert figures["mIoU"] == 0.5 and figures["P@0.5"] == 0.5 and figures["oIoU"] == 0.5
    assert figures["mAP"] == pytest.approx(51 / 101) and figures["missing"] == ["b"]


def test_empty_masks() -> None:
    both, none, wrong = sample("a", (0, 0.5), truth=0), sample("b", truth=0), sample("c", (0, 0.5))
    assert figures_of([both])["mIoU"] == 1.0 and figures_of([both])["oIoU"] == 1.0
    assert figures_of([none])["mIoU"] == 0.0 and figures_of([none])["mAP"] == 0.0
    assert figures_of([wrong])["mIoU"] == pytest.approx(0, abs=1e-7)


def test_no_sample_is_no_figure() -> None:
    figures = figures_of([])
    assert figures.pop("samples") == 0 and figures.pop("missing") == [] and set(figures.values()) == {None}


def test_the_order_of_samples_changes_nothing() -> None:
    samples = [sample(name, (pixels, 0.5)) for name, pixels in (("b", 90), ("c", 55), ("a", 30))]
    assert figures_of(samples) == figures_of(samples[::-1])


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    figures_of([sample("a", (100, 0.9))])
    assert capsys.readouterr().out == ""


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match=r"a: prediction: expected \(10, 100\), .*got \(5, 5\)"):
        Sample.of("a", bar(5), [(np.ones((5, 5), bool), 1.0)])
    with pytest.raises(DataError, match="expected a finite score, got nan"):
        sample("a", (5, float("nan")))
    with pytest.raises(DataError, match="got 'a' twice"):
        figures_of([sample("a", (5, 1.0)), sample("a", (5, 1.0))])
    sound = sample("a", (5, 1.0)).truth
    with pytest.raises(DataError, match="a: expected a mask in COCO run lengths"):
        Sample("a", sound, (({"size": [10, 100], "counts": "5"}, 1.0),))
