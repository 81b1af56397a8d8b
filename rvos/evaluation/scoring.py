"""Scores the predictions on disk for every expression of a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import DataError, RvosError
from rvos.data.base import VideoDataset, missing_target_message
from rvos.data.records import Expression, VideoRecord
from rvos.evaluation.layouts import Layout
from rvos.metrics.expression import ExpressionScorer, ExpressionScores

NO_PREDICTION = "no prediction"
_DIGITS = 6
WORD_RANGES = ((1, 4), (5, 8), (9, 12))
"""Ranges of the number of words by which figures are broken down; longer expressions are in one more range."""


@dataclass(frozen=True)
class ExpressionRow:
    """One expression with the scores of its prediction."""

    video_id: str
    expression_id: str
    text: str
    #: Labels by which figures are broken down: name -> value.
    labels: dict[str, str]
    #: Names of the T scored frames.
    frame_names: tuple[str, ...]
    #: Whether it has a target, by the metadata of the dataset.
    has_target: bool
    #: Whether only its motion tells the target from other objects.
    motion: bool
    #: None if there is no prediction, or the scoring failed.
    scores: ExpressionScores | None = None
    #: Frames without a file, which count as empty masks.
    missing_frames: tuple[str, ...] = ()
    #: Message of the failure; None if nothing failed.
    error: str | None = None

    @property
    def key(self) -> str:
        """<video>/<expression>."""
        return f"{self.video_id}/{self.expression_id}"

    @property
    def means(self) -> tuple[float, float]:
        """J and F over all scored frames; 0 where there is nothing to score."""
        return (0.0, 0.0) if self.scores is None else self.scores.mean_all

    def value(self, boundary: bool) -> float:
        """J&F over all scored frames, J where the boundary is not scored."""
        return sum(self.means) / 2 if boundary else self.means[0]

    def document(self, boundary: bool) -> dict[str, Any]:
        """A line of `expressions.jsonl`; boundary: False where the dataset scores regions alone."""
        scores = self.scores
        return {
            "video_id": self.video_id,
            "expression_id": self.expression_id,
            "sentence": self.text,
            "labels": self.labels,
            "frame_names": list(self.frame_names),
            "J": [] if scores is None else scores.region.round(_DIGITS).tolist(),
            "F": None if not boundary else [] if scores is None else scores.boundary.round(_DIGITS).tolist(),
            "visible": [] if scores is None else scores.visible.tolist(),
            "predicted": [] if scores is None else scores.predicted.tolist(),
            "J&F": round(self.value(boundary), _DIGITS),
            "missing_frames": list(self.missing_frames),
            "error": self.error,
        }


@dataclass(frozen=True)
class MaskScorer:
    """Scores the masks of a dataset's expressions, a video at a time.

    missing_is_empty: an expression without prediction counts as empty masks where its video has any prediction;
    otherwise it counts 0.
    """

    dataset: VideoDataset
    layout: Layout
    predictions: Path
    missing_is_empty: bool = False

    def __call__(self, video: VideoRecord) -> list[ExpressionRow]:
        """The scores of all expressions of a video. All expressions of a frame are scored together, so that its truth
        is decoded once and not kept."""
        states = [_ExpressionState(video, expression) for expression in video.expressions]
        has_predictions = [self.layout.has(self.predictions, video, state.expression) for state in states]
        for state, has_prediction in zip(states, has_predictions, strict=True):
            if has_prediction or (self.missing_is_empty and any(has_predictions)):
                state.truth = self.dataset.truth(video, state.expression)
            else:
                state.error = NO_PREDICTION
        for position in sorted({position for state in states for position in state.positions}):
            for state in states:
                if state.error is None and position in state.positions:
                    self._score(state, position)
        return [self._row(state) for state in states]

    def _score(self, state: _ExpressionState, position: int) -> None:
        """Score one expression on one frame. A failure stops this expression and no other."""
        video, expression, name = state.video, state.expression, state.video.frame_name(position)
        try:
            truth = next(state.truth, None)
            if truth is None:
                raise DataError(
                    f"{self.dataset.name}, {video.video_id}/{expression.expression_id}: expected truth for frame "
                    f"{name}, got fewer masks: download it again"
                )
            mask = self.layout.read(self.predictions, video, expression, position)
            if mask is None:
                state.missing.append(name)
                mask = np.zeros_like(truth)
            if mask.shape != truth.shape:
                raise DataError(
                    f"{self.predictions}, {video.video_id}/{expression.expression_id}, frame {name}: "
                    f"expected a mask of {truth.shape}, got {mask.shape}: resize it"
                )
            state.scorer.add(mask, truth)
        except RvosError as error:
            state.error = str(error)

    def _row(self, state: _ExpressionState) -> ExpressionRow:
        expression = state.expression
        row = ExpressionRow(
            video_id=state.video.video_id,
            expression_id=expression.expression_id,
            text=expression.text,
            labels={**expression.labels, "words": word_range(expression.text)},
            frame_names=tuple(state.video.frame_name(position) for position in state.positions),
            has_target=expression.has_target,
            motion=expression.motion,
        )
        if state.error is not None:
            return replace(row, error=state.error)
        if len(state.missing) == len(row.frame_names) and not self.missing_is_empty:
            return replace(row, error=NO_PREDICTION)
        scores = state.scorer.scores()
        if not scores.visible.any() and self.dataset.expects_target(state.video, expression):
            return replace(row, error=missing_target_message(self.dataset, state.video, expression))
        return replace(row, scores=scores, missing_frames=tuple(state.missing))


class _ExpressionState:
    """One expression while its video is scored: its truth, which is read frame by frame, and its scores so far."""

    def __init__(self, video: VideoRecord, expression: Expression) -> None:
        self.video, self.expression = video, expression
        #: Positions of the scored frames, increasing.
        self.positions: Sequence[int] = (
            range(len(video.frame_names)) if expression.scored is None else expression.scored
        )
        self.truth: Iterator[np.ndarray] = iter(())
        self.scorer = ExpressionScorer()
        self.missing: list[str] = []
        self.error: str | None = None


def word_range(text: str) -> str:
    """The range that the number of words of a text is in, such as "5-8"."""
    count = len(text.split())
    for first, last in WORD_RANGES:
        if count <= last:
            return f"{first}-{last}"
    return f"{WORD_RANGES[-1][1] + 1}+"


def check_truth(dataset: VideoDataset) -> None:
    """Raise `DataError` for a split without truth."""
    if not has_truth(dataset):
        raise DataError(f"{dataset.name}: split '{dataset.split}' has no truth: score another split, or submit it")


def has_truth(dataset: VideoDataset) -> bool:
    """Whether the true mask of any expression of the split can be read."""
    return any(
        _has_readable_truth(dataset, video, expression) for video in dataset.videos for expression in video.expressions
    )


def _has_readable_truth(dataset: VideoDataset, video: VideoRecord, expression: Expression) -> bool:
    try:
        next(dataset.truth(video, expression))
    except (DataError, StopIteration):
        return False
    return True
