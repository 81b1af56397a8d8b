"""`rvos evaluate synthetic-images`: a run over pictures into a folder, resumable, with the figures at the end."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from image_core.evaluation import evaluate_images, predict_with
from image_core.geometry.rle import decode_rle, encode_rle
from image_core.segmenter import ImagePrediction, ImageSegmenter
from image_core.synthetic import SyntheticImages
from image_core.types import ImageSample
from rvos.evaluation.claim import claimed
from rvos.export.files import write_json
from rvos.export.prediction_sheet import PredictionSheet

PROTOCOL = "masks at native resolution, IoU >= X; mIoU, oIoU, Pr over expressions with a target, absent = empty mask"


OUTPUTS = ("metrics.json", "predictions.jsonl", "predictions.png", "timing.json")


@dataclass(frozen=True)
class ImageEvaluation:
    """What is run: a split of the synthetic pictures, `size_px` square, the first `limit` of them; all of it goes into
    `settings.json`, and a folder with other settings is refused."""

    split: str = "test"
    limit: int | None = None
    shuffle_expressions: bool = False
    seed: int = 0
    size_px: int = 192

    def samples(self) -> SyntheticImages:
        """The pictures. Raises `UnknownNameError` for a split that is not there."""
        return SyntheticImages(self.split, self.seed, (self.size_px, self.size_px))


def run_image_evaluation(
    evaluation: ImageEvaluation,
    segmenter: ImageSegmenter,
    model_sha256: str,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Predict, score, and write `predictions.jsonl`, `metrics.json` and `predictions.png` into `out`.

    Pictures that an interrupted run left in `predictions.jsonl` are not predicted again. Raises `OutputError` for a
    folder that is in use, holds another run, or cannot be written.
    """
    samples = evaluation.samples()
    total = len(samples) if evaluation.limit is None else min(evaluation.limit, len(samples))
    settings = vars(evaluation) | {"model_sha256": model_sha256, "precision": segmenter.precision}
    with claimed(out, settings, overwrite):
        if overwrite:
            for name in OUTPUTS:
                (out / name).unlink(missing_ok=True)
        log = PredictionLog(out / "predictions.jsonl")
        sheet = PredictionSheet()
        ask = predict_with(segmenter)
        computed, seconds = 0, 0.0

        def predict(sample: ImageSample) -> Sequence[ImagePrediction]:
            nonlocal computed, seconds
            predictions = log.known(sample)
            if predictions is None:
                start = time.perf_counter()
                predictions = ask(sample)
                computed, seconds = computed + 1, seconds + time.perf_counter() - start
                log.append(sample, predictions)
            sheet.add(sample, predictions)
            progress(len(log), total)
            return predictions

        figures = evaluate_images(predict, samples, total, shuffle_expressions=evaluation.shuffle_expressions)
        document = {
            "dataset": "synthetic-images",
            "protocol": PROTOCOL,
            **figures,
            "images": total,
            "settings": settings,
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
            "failures": [],
        }
        sheet.write(out / "predictions.png")
        write_json(out / "timing.json", {"images_computed": computed, "network_s": round(seconds, 3)})
        write_json(out / "metrics.json", document)
        return document


class PredictionLog:
    """`predictions.jsonl`: a line a picture, with the raw mask (before the presence gate) of each expression."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, list[dict[str, Any]]] = {}
        if path.exists():
            whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            path.write_text("".join(whole))  # a line that a kill cut short goes
            for line in whole:
                row = json.loads(line)
                self._lines[row["sample_id"]] = row["predictions"]

    def __len__(self) -> int:
        return len(self._lines)

    def known(self, sample: ImageSample) -> list[ImagePrediction] | None:
        """What was predicted for these sentences of this picture, None where it was not."""
        rows = self._lines.get(sample.sample_id)
        if rows is None:
            return None
        logits = [np.where(decode_rle(row["rle"]), 1.0, -1.0).astype(np.float32) for row in rows]
        return [ImagePrediction(x, row["presence"], row["score"]) for x, row in zip(logits, rows, strict=True)]

    def append(self, sample: ImageSample, predictions: Sequence[ImagePrediction]) -> None:
        """Write one picture's answers."""
        rows = [
            {
                "expression": expression,
                "presence": prediction.presence,
                "score": prediction.score,
                "rle": encode_rle(prediction.mask_logits > 0),
            }
            for expression, prediction in zip(sample.expressions, predictions, strict=True)
        ]
        self._lines[sample.sample_id] = rows
        with self.path.open("a") as file:
            file.write(json.dumps({"sample_id": sample.sample_id, "predictions": rows}) + "\n")
