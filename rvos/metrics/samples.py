"""The figures of A2D-Sentences and JHMDB-Sentences: P@K, overall and mean IoU, mAP.

One sample is one expression on one annotated frame: one true mask, and predicted masks with their scores.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from image_core.errors import DataError
from image_core.geometry.rle import decode_rle, encode_rle, rle_area
from rvos.metrics.frames import check_same_size

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
MAX_DETECTIONS = 100
"""Most predictions of a sample that mAP counts, those with the highest scores."""
_EPS = np.float32(1e-6)

Rle = Mapping[str, Any]
"""{"size": [H, W], "counts": str}, COCO's compact form, as `encode_rle` makes it."""
ScoredMask = tuple[Rle, float]


@dataclass(frozen=True)
class Sample:
    """One expression on one frame; predictions may be none.

    Raises `DataError` for run lengths that are not sound (pycocotools would read on in memory), a prediction of another
    size than the truth's, and a score that is not finite.
    """

    sample_id: str
    truth: Rle
    predictions: tuple[ScoredMask, ...]

    def __post_init__(self) -> None:
        size = _decoded(self.sample_id, self.truth).shape
        for mask, score in self.predictions:
            check_same_size(_decoded(self.sample_id, mask).shape, size, f"{self.sample_id}: prediction")
            if not math.isfinite(score):
                raise DataError(f"{self.sample_id}: expected a finite score, got {score}")

    @classmethod
    def of(cls, sample_id: str, truth: np.ndarray, predictions: Iterable[tuple[np.ndarray, float]]) -> Sample:
        """From masks (H, W) bool and their scores."""
        return cls(sample_id, encode_rle(truth), tuple((encode_rle(mask), float(score)) for mask, score in predictions))

    @property
    def best(self) -> tuple[ScoredMask, ...]:
        """The prediction with the highest score, of equals the last; () where there is none."""
        return tuple(sorted(self.predictions, key=lambda each: each[1])[-1:])


def _decoded(sample_id: str, mask: Rle) -> np.ndarray:
    try:
        return decode_rle(mask)
    except (ValueError, AttributeError) as error:
        raise DataError(f"{sample_id}: expected a mask in COCO run lengths ({error})") from error


def figures_of(samples: Sequence[Sample]) -> dict[str, Any]:
    """All figures by their published names, fractions in [0, 1]; the means over no sample are None.

    P@0.5 ... P@0.9: share of the samples whose IoU is strictly above; oIoU: all intersections over all unions; mIoU:
    mean over samples. These take the best prediction of a sample. A sample without any counts as IoU 0 and is listed
    under "missing" (the reference stops there with an error).
    mAP: mean over the IoUs .50, .55, ... .95, with the best prediction of each sample alone.
    mAP_all_predictions: the same with all predictions of each sample, None where no sample has more than one. That is
    what the reference computes, with all queries of a DETR-like model, and it is a hidden inflator: a second guess
    costs little precision and may hit what the first one missed (ReferFormer's 55.0 is about 51.9 with one prediction,
    its issue 39). A model that gives one mask must be compared by `mAP`.

    Raises `DataError` when two samples have one id.
    """
    repeated = [i for i, count in Counter(sample.sample_id for sample in samples).items() if count > 1]
    if repeated:
        raise DataError(f"samples: expected every sample once, got '{repeated[0]}' twice")
    several = any(len(sample.predictions) > 1 for sample in samples)
    return {
        **_overlap_figures(samples),
        "mAP": _average_precision(samples, [sample.best for sample in samples]),
        "mAP_all_predictions": _average_precision(samples, [s.predictions for s in samples]) if several else None,
        "samples": len(samples),
        "missing": [sample.sample_id for sample in samples if not sample.predictions],
    }


def _overlap_figures(samples: Sequence[Sample]) -> dict[str, float | None]:
    """P@K, oIoU and mIoU, in single precision as the reference has them.

    Hence an IoU of exactly 3/5 or 4/5 is above .6 or .8, one of 1/2, 7/10 or 9/10 is not above its threshold.
    """
    if not samples:
        return {**{f"P@{k}": None for k in THRESHOLDS}, "oIoU": None, "mIoU": None}
    intersections, unions = np.array([_intersection_and_union(sample) for sample in samples]).T
    # Two empty masks have IoU 1. A sample without any prediction has IoU 0, even if its true mask is empty.
    ious = ((intersections.astype(np.float32) + _EPS) / (unions.astype(np.float32) + _EPS)).astype(np.float64)
    ious[[not sample.predictions for sample in samples]] = 0.0
    return {
        **{f"P@{k}": float((ious > k).mean()) for k in THRESHOLDS},
        "oIoU": float(intersections.sum() / unions.sum()) if unions.any() else float(ious.mean()),
        "mIoU": float(ious.mean()),
    }


def _intersection_and_union(sample: Sample) -> tuple[int, int]:
    """In pixels, of the best prediction."""
    if not sample.predictions:
        return 0, rle_area(sample.truth)
    truth, prediction = decode_rle(sample.truth), decode_rle(sample.best[0][0])
    return int(np.count_nonzero(truth & prediction)), int(np.count_nonzero(truth | prediction))


def _average_precision(samples: Sequence[Sample], predictions: Sequence[Sequence[ScoredMask]]) -> float | None:
    """mAP .50:.95 by pycocotools: all samples are one category, all predictions one ranking by score.

    Equal scores are ranked by sample id and then in the order given, so a model without scores has an mAP of little
    meaning.
    """
    if not samples:
        return None
    truths = [(sample.sample_id, sample.truth, 1.0) for sample in samples]
    ranked = [
        (s.sample_id, mask, score) for s, masks in zip(samples, predictions, strict=True) for mask, score in masks
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it reports on stdout, which belongs to --json
        evaluation = COCOeval(_annotations(samples, truths), _annotations(samples, ranked), "segm")
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


def _annotations(samples: Sequence[Sample], masks: Iterable[tuple[str, Rle, float]]) -> COCO:
    """Masks of samples in pycocotools' own form. It takes id 0 for "no match": ids count from 1."""
    document: Any = {
        "images": [{"id": s.sample_id, "height": s.truth["size"][0], "width": s.truth["size"][1]} for s in samples],
        "categories": [{"id": 1, "name": "target"}],
        "annotations": [
            {
                "id": number,
                "image_id": sample_id,
                "category_id": 1,
                "segmentation": mask,
                "area": float(rle_area(mask)),
                "iscrowd": 0,
                "score": score,
            }
            for number, (sample_id, mask, score) in enumerate(masks, 1)
        ],
    }
    index = COCO()
    index.dataset = document
    index.createIndex()
    return index
