"""From predictions on disk to the scores of every expression, one process a core."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from image_core.errors import DataError, RvosError
from image_core.progress import Progress, no_progress
from rvos.data import Expression, VideoDataset, VideoRecord
from rvos.evaluation.layouts import Layout
from rvos.metrics.expression import ExpressionScorer, ExpressionScores

Task = TypeVar("Task")
Done = TypeVar("Done")

NO_PREDICTION = "no prediction"
_DIGITS = 6
WORD_RANGES = ((1, 4), (5, 8), (9, 12))
"""Numbers of words that figures are broken down by; longer sentences follow."""


@dataclass(frozen=True)
class ExpressionRow:
    """One expression and how its prediction fared.

    has_target: as the dataset's metadata says; motion: only what moves tells what is meant; frame_names: of the scored
    frames, (T,); scores: None where there is no prediction, or where something broke; missing_frames: those without a
    file, which count as empty masks; error: what broke.
    """

    video_id: str
    expression_id: str
    sentence: str
    labels: dict[str, str]
    frame_names: tuple[str, ...]
    has_target: bool
    motion: bool
    scores: ExpressionScores | None = None
    missing_frames: tuple[str, ...] = ()
    error: str | None = None

    @property
    def key(self) -> str:
        """<video>/<expression>."""
        return f"{self.video_id}/{self.expression_id}"

    @property
    def means(self) -> tuple[float, float]:
        """J and F over all scored frames; 0 where there is nothing to score."""
        return (0.0, 0.0) if self.scores is None else self.scores.on_all

    def value(self, boundary: bool) -> float:
        """J&F over all scored frames, J where the boundary is not scored."""
        return sum(self.means) / 2 if boundary else self.means[0]

    def document(self, boundary: bool) -> dict[str, Any]:
        """A line of `expressions.jsonl`; boundary: False where the dataset scores regions alone."""
        found = self.scores
        return {
            "video_id": self.video_id,
            "expression_id": self.expression_id,
            "sentence": self.sentence,
            "labels": self.labels,
            "frame_names": list(self.frame_names),
            "J": [] if found is None else found.region.round(_DIGITS).tolist(),
            "F": None if not boundary else [] if found is None else found.boundary.round(_DIGITS).tolist(),
            "visible": [] if found is None else found.visible.tolist(),
            "predicted": [] if found is None else found.predicted.tolist(),
            "J&F": round(self.value(boundary), _DIGITS),
            "missing_frames": list(self.missing_frames),
            "error": self.error,
        }


@dataclass(frozen=True)
class MaskScoring:
    """Scores the masks of a dataset's expressions, a video at a time.

    missing_is_empty: an expression without prediction counts as empty masks where its video has any prediction;
    otherwise it counts 0.
    """

    dataset: VideoDataset
    layout: Layout
    predictions: Path
    missing_is_empty: bool = False

    def __call__(self, video: VideoRecord) -> list[ExpressionRow]:
        """Its expressions side by side, frame after frame: each picture of its truth is then decoded once."""
        running = [self._expression(video, expression) for expression in video.expressions]
        rows: list[ExpressionRow | None] = [None] * len(running)
        while any(row is None for row in rows):
            for position, steps in enumerate(running):
                if rows[position] is None:
                    try:
                        next(steps)
                    except StopIteration as end:
                        rows[position] = end.value
        return [row for row in rows if row is not None]

    def _any(self, video: VideoRecord) -> bool:
        return any(self.layout.has(self.predictions, video, expression) for expression in video.expressions)

    def _expression(self, video: VideoRecord, expression: Expression) -> Generator[None, None, ExpressionRow]:
        """One frame a step."""
        positions = range(len(video.frame_names)) if expression.scored is None else expression.scored
        names = tuple(video.frame_name(position) for position in positions)
        labels = {**expression.labels, "words": word_range(expression.sentence)}
        said = (expression.expression_id, expression.sentence, labels, names)
        row = (video.video_id, *said, expression.has_target, expression.motion)
        there = self.layout.has(self.predictions, video, expression)
        if not there and not (self.missing_is_empty and self._any(video)):
            return ExpressionRow(*row, error=NO_PREDICTION)
        scorer, missing = ExpressionScorer(), []
        try:
            for position, truth in zip(positions, self.dataset.truth(video, expression), strict=True):
                mask = self.layout.read(self.predictions, video, expression, position)
                if mask is None:
                    missing.append(video.frame_name(position))
                    mask = np.zeros_like(truth)
                if mask.shape != truth.shape:
                    raise DataError(
                        f"{self.predictions}, {video.video_id}/{expression.expression_id}, frame "
                        f"{video.frame_name(position)}: came a mask of {mask.shape}, wanted {truth.shape}: resize it"
                    )
                scorer.add(mask, truth)
                yield
        except RvosError as error:
            return ExpressionRow(*row, error=str(error))
        if len(missing) == len(names) and not self.missing_is_empty:
            return ExpressionRow(*row, error=NO_PREDICTION)
        return ExpressionRow(*row, scores=scorer.scores(), missing_frames=tuple(missing))


def word_range(sentence: str) -> str:
    """The range that a sentence's number of words is in, such as "5-8"."""
    count = len(sentence.split())
    for first, last in WORD_RANGES:
        if count <= last:
            return f"{first}-{last}"
    return f"{WORD_RANGES[-1][1] + 1}+"


def over_cores(
    call: Callable[[Task], Done],
    tasks: Sequence[Task],
    workers: int,
    progress: Progress = no_progress,
) -> Iterator[Done]:
    """`call` of every task, in order, shared out to processes where there is more than one worker."""
    if workers == 1 or len(tasks) < 2:
        yield from _counted(map(call, tasks), len(tasks), progress)
        return
    # Spawned: a process that has loaded torch must not be forked.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _start, (call,)) as pool:
        yield from _counted(pool.map(_called, tasks), len(tasks), progress)


def _counted(found: Iterable[Done], total: int, progress: Callable[[int, int], None]) -> Iterator[Done]:
    for done, each in enumerate(found, 1):
        yield each
        progress(done, total)


_call: Callable[[Any], Any]
"""What a worker process was started for: sent once, not with every task."""


def _start(call: Callable[[Any], Any]) -> None:
    global _call
    _call = call


def _called(task: Any) -> Any:
    return _call(task)


def check_truth(dataset: VideoDataset) -> None:
    """Raise `DataError` for a split without truth."""
    if not has_truth(dataset):
        raise DataError(f"{dataset.name}: split '{dataset.split}' has no truth here: score another, or submit it")


def has_truth(dataset: VideoDataset) -> bool:
    """Some mask of the split is there, and the metadata says what it is of."""
    return any(_is_there(dataset, video, expression) for video in dataset.videos for expression in video.expressions)


def _is_there(dataset: VideoDataset, video: VideoRecord, expression: Expression) -> bool:
    try:
        next(dataset.truth(video, expression))
    except (DataError, StopIteration):
        return False
    return True
