"""An evaluation of still images into a folder, resumable, with the figures of every protocol at the end."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from image_core.data.words import words_of
from image_core.errors import ConfigError, DataError
from image_core.evaluation.images import ImageSet
from image_core.evaluation.prediction_log import LoggedAnswer, PredictionLog
from image_core.evaluation.protocols import NATIVE, PROTOCOLS, SQUASHED, Plane, ProtocolScore
from image_core.evaluation.samples import check_can_be_shuffled, expressions_of_another, with_other_expressions
from image_core.files import remove, write_json
from image_core.folder import RunKind, run_folder
from image_core.mask_model import MaskModel, ask_many
from image_core.metrics import ReferringMetrics
from image_core.progress import Progress, no_progress
from image_core.sample import ImageSample

KIND = RunKind("rvos evaluation of pictures")
CROWD = "seqtr_crowd_iou"
GROUP = 8
"""Images in a batch. It makes no difference for a model that takes them one by one."""
OUTPUTS = ("metrics.json", "predictions.jsonl", "predictions.png", "timing.json")


class Sheet(Protocol):
    """Draws answers beside the true masks. Drawing is no part of this package, so it is passed in."""

    def add(self, sample: ImageSample, masks: Sequence[np.ndarray], presence: Sequence[float]) -> None:
        """An image with its E expressions and truth; E masks (H, W) bool as answered; E probabilities, [0, 1]."""
        ...

    def write(self, path: Path) -> None:
        """What was added, as PNG; nothing where nothing was. Raises `OutputError`."""
        ...


@dataclass(frozen=True)
class ImageEvaluation:
    """What is run. Raises `ConfigError` for what cannot be."""

    images: ImageSet
    #: Only so many images, the first ones; None for all.
    limit: int | None = None
    #: The text-blind control: each image gets the expressions of the next one that has some.
    shuffle_expressions: bool = False
    #: Also score by SeqTR's lenient rule. Nothing is predicted again, so a protocol on the same plane is needed.
    seqtr_crowd_iou: bool = False

    def __post_init__(self) -> None:
        if self.shuffle_expressions:
            check_can_be_shuffled(self.count)
        if self.seqtr_crowd_iou and PROTOCOLS[CROWD].plane not in self.planes:
            raise ConfigError(
                "--seqtr-crowd-iou: expected a dataset that is compared by SeqTR's rules (refcoco, refcoco+, refcocog, "
                f"refclef), got {self.images.name}: leave it out"
            )

    @property
    def count(self) -> int:
        """How many images."""
        return len(self.images) if self.limit is None else min(self.limit, len(self.images))

    @property
    def protocols(self) -> tuple[str, ...]:
        """By name, those beside the native one."""
        return (*self.images.protocols, *([CROWD] if self.seqtr_crowd_iou else []))

    @property
    def planes(self) -> list[Plane]:
        """The planes on which masks are logged besides the native one, with or without the crowd rule."""
        planes: list[Plane] = [PROTOCOLS[name].plane for name in self.images.protocols]
        return list(dict.fromkeys(planes))  # lavt and rela share one

    @property
    def settings(self) -> dict[str, Any]:
        """What predictions depend on; a folder with others is refused."""
        return self.images.settings | {"limit": self.limit, "shuffle_expressions": self.shuffle_expressions}

    def sample(self, index: int) -> ImageSample:
        """An image with the expressions it is evaluated on, and their true masks. Raises `DataError`."""
        sample = self.images.sample(index)
        if not self.shuffle_expressions or not sample.expressions:
            return sample
        return with_other_expressions(sample, expressions_of_another(self.images.expressions, index, self.count))


def run_image_evaluation(
    evaluation: ImageEvaluation,
    model: MaskModel,
    recorded: Mapping[str, Any],
    out: Path,
    sheet: Sheet,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Predict, score, and write `predictions.jsonl`, `metrics.json` and `predictions.png` into `out`.

    recorded: which model this is, as JSON values; a folder with predictions of another one is refused.
    Images that an interrupted run left in `predictions.jsonl` are not predicted again; those that cannot be read are
    listed under "failures", and each of their expressions counts 0. A finished run is given as it stands, unless
    something in it failed or the crowd rule is new. Raises `OutputError` for a folder that is in use, holds another
    run, or cannot be written.
    """
    settings = evaluation.settings | dict(recorded)

    def clear() -> None:
        remove(out / name for name in OUTPUTS)

    with run_folder(out, KIND, settings, clear if overwrite else None):
        stored_document = _finished(out, settings, evaluation.protocols)
        if stored_document is not None:
            progress(evaluation.count, evaluation.count)
            return stored_document
        run = _Run(evaluation, model, PredictionLog(out / "predictions.jsonl"), sheet)
        for first in range(0, evaluation.count, GROUP):
            group = range(evaluation.count)[first : first + GROUP]
            run.step(group)
            progress(group[-1] + 1, evaluation.count)
        document = {
            "dataset": evaluation.images.name,
            "protocol": NATIVE,
            "verified": True,
            **run.figures(),
            "images": evaluation.count,
            "settings": settings,
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
            "failures": run.failures,
        }
        sheet.write(out / "predictions.png")
        write_json(out / "timing.json", {"images_computed": run.computed, "network_s": round(run.seconds, 3)})
        write_json(out / "metrics.json", document)
        return document


def _finished(out: Path, settings: dict[str, Any], protocols: Sequence[str]) -> dict[str, Any] | None:
    """`metrics.json` of a run of these settings that left nothing to do: all outputs, no failure, every protocol."""
    if not all((out / name).is_file() for name in OUTPUTS):
        return None
    try:
        document = json.loads((out / "metrics.json").read_bytes())
    except ValueError:
        return None
    is_complete = document["settings"] == settings and not document["failures"]
    return document if is_complete and set(protocols) <= document.get("protocols", {}).keys() else None


@dataclass(frozen=True)
class _ReadableImage:
    """An image that could be read, with its expressions."""

    index: int
    #: All of its expressions.
    sample: ImageSample
    #: Positions of the expressions that have words.
    keep: tuple[int, ...]

    @property
    def query(self) -> ImageSample:
        """The image with the expressions that are passed to the model."""
        return _rows(self.sample, self.keep)


class _Run:
    """Predicts, logs and scores the images in groups."""

    def __init__(self, evaluation: ImageEvaluation, model: MaskModel, log: PredictionLog, sheet: Sheet) -> None:
        self.evaluation, self.model, self.log, self.sheet = evaluation, model, log, sheet
        self.failures: list[dict[str, str]] = []
        self.computed = 0
        self.seconds = 0.0
        self.native = ReferringMetrics()
        self.published = {name: ProtocolScore(PROTOCOLS[name]) for name in evaluation.protocols}

    def step(self, indices: Sequence[int]) -> None:
        """Evaluate some images: those without logged answers are passed to the model in one call."""
        images = [self._read(index) for index in indices]
        self._ask([p.query for p in images if isinstance(p, _ReadableImage) and p.keep])
        for index, image in zip(indices, images, strict=True):
            if isinstance(image, _ReadableImage):
                self._score(image)
            else:
                self._fail(index, str(image))

    def _read(self, index: int) -> _ReadableImage | DataError:
        try:
            sample = self.evaluation.sample(index)
        except DataError as error:
            return error
        return _ReadableImage(index, sample, tuple(i for i, text in enumerate(sample.expressions) if words_of(text)))

    def _ask(self, queries: Sequence[ImageSample]) -> None:
        """Ask the model about images without logged answers, and log the answers."""
        unanswered = [query for query in queries if self.log.find(query) is None]
        if not unanswered:
            return
        start = time.perf_counter()
        answered = ask_many(self.model, [q.image for q in unanswered], [q.expressions for q in unanswered])
        self.computed, self.seconds = self.computed + len(unanswered), self.seconds + time.perf_counter() - start
        for query, answers in zip(unanswered, answered, strict=True):
            planes = self.evaluation.planes
            self.log.append(query, [LoggedAnswer.of(answer, query.size, planes) for answer in answers])

    def _score(self, image: _ReadableImage) -> None:
        """Score the answers to one image, and a failure for each expression without words."""
        sample = image.sample
        for i in (i for i in range(len(sample.expressions)) if i not in image.keep):
            self._count_failure(sample.masks[i], bool(sample.masks[i].any()), sample.families[i])
            message = f"expected words, got the expression {sample.expressions[i]!r}"
            self.failures.append(
                {"picture": sample.sample_id, "expression": sample.expression_ids[i], "error": message}
            )
        if not image.keep:
            return
        query, polygons = image.query, self.evaluation.images.polygons(image.index)
        answers = self.log.find(query)
        if answers is None:
            raise ValueError(f"{query.sample_id}: expected its answers in the log, got none: two pictures of one id?")
        self.sheet.add(query, [answer.mask for answer in answers], [answer.presence for answer in answers])
        rasterised = self._rasterised(image)
        for row, i in enumerate(image.keep):
            answer, truth = answers[row], query.masks[row]
            self.native.update(answer.mask, truth, answer.present, query.families[row])
            for score in self.published.values():
                plane = score.protocol.plane
                rasterised_truth = rasterised[i] if score.protocol.rasterised else None
                score.add(answer.masks[plane], truth, answer.presence, polygons[i], rasterised_truth)

    def _rasterised(self, image: _ReadableImage) -> list[np.ndarray]:
        """The true masks of all expressions, rasterised at 480 x 480, where a protocol wants that."""
        is_needed = any(score.protocol.rasterised for score in self.published.values())
        return self.evaluation.images.rasterised_masks(image.index, SQUASHED) if is_needed else []

    def _fail(self, index: int, error: str) -> None:
        self.failures.append({"picture": self.evaluation.images.sample_id(index), "error": error})
        for has_target, truth in self.evaluation.images.true_masks(index):
            self._count_failure(truth, has_target, "")

    def _count_failure(self, truth: np.ndarray | None, has_target: bool, family: str) -> None:
        self.native.fail(truth, has_target, family)
        for score in self.published.values():
            score.fail(truth, has_target)

    def figures(self) -> dict[str, Any]:
        """The native figures on top, those of the published protocols below."""
        published = {name: score.compute() for name, score in self.published.items()}
        return self.native.compute() | ({"protocols": published} if published else {})


def _rows(sample: ImageSample, keep: Sequence[int]) -> ImageSample:
    """The sample with some of its expressions."""
    if len(keep) == len(sample.expressions):
        return sample

    def pick(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(values[i] for i in keep)

    return replace(
        sample,
        expressions=pick(sample.expressions),
        masks=sample.masks[list(keep)],
        families=pick(sample.families),
        expression_ids=pick(sample.expression_ids),
    )
