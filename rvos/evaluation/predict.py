"""Runs a video system over the videos of a dataset. A video that fails is recorded, and the run goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from image_core.data.words import check_expressions
from image_core.errors import ConfigError, RvosError
from image_core.geometry.rle import encode_rle
from image_core.progress import Progress
from rvos.data.records import Expression, VideoRecord
from rvos.evaluation.layouts import Layout, MaskTree
from rvos.evaluation.records import ExpressionRecord, Records
from rvos.segmenter import VideoSegmenter
from rvos.types import FrameResult, OutputError

DIGITS = 6


@dataclass
class Predictor:
    """A system, and the folders that its predictions and records go to."""

    segmenter: VideoSegmenter
    #: Predictions that are not a tree of masks are stored as RLE in the records.
    layout: Layout
    #: The folder of the predictions.
    predictions: Path
    records: Records
    #: One entry for each expression that failed.
    failures: list[dict[str, Any]] = field(default_factory=list)
    #: Frames processed so far.
    frames: int = 0
    #: Ids of the videos that were processed, completely or not.
    attempted: set[str] = field(default_factory=set)

    def run(self, videos: Sequence[VideoRecord], progress: Progress) -> None:
        """Predict every expression of the videos that has no record yet. Raises `ConfigError` if the sampling
        leaves out frames, `OutputError`, and the errors of loading the model."""
        if self.segmenter.sampling != "all":
            sampling = self.segmenter.sampling
            raise ConfigError(
                f"sampling: expected all, because a dataset scores every frame that it lists, got {sampling}"
            )
        for done, video in enumerate(videos):
            pending = [e for e in video.expressions if self.records.load(video, e) is None]
            expressions = [e for e in pending if self._is_valid(video, e)]
            if expressions:
                self.segmenter.system.load()  # here, so that a model that cannot be loaded is no failure of a video
            progress(done, len(videos))
            if expressions:
                self._predict(video, expressions)
        progress(len(videos), len(videos))

    def _is_valid(self, video: VideoRecord, expression: Expression) -> bool:
        """Whether the text of an expression can be given to a model; if not, the expression has failed."""
        try:
            check_expressions([expression.text])
        except RvosError as error:
            self._add_failures(video, [expression], error)
            return False
        return True

    def _predict(self, video: VideoRecord, expressions: Sequence[Expression]) -> None:
        """Predict all expressions of a video together, so that its frames are decoded and encoded once."""
        self.attempted.add(video.video_id)
        writers = [_PredictionWriter(video, expression, self.layout, self.predictions) for expression in expressions]
        start = time.perf_counter()
        count = 0
        try:
            for writer in writers:
                writer.start()
            for _, results in self.segmenter.stream(video.stored_source, [e.text for e in expressions]):
                for writer, result in zip(writers, results, strict=True):
                    writer.add(result)
                count += 1
            for writer in writers:
                writer.finish()
        except OutputError:  # not a failure of the video: on a full disk all would fail
            raise
        except RvosError as error:
            for writer in writers:
                writer.discard()
            self._add_failures(video, expressions, error)
            return
        elapsed_s = time.perf_counter() - start
        self.frames += count
        for writer in writers:
            self.records.save(video, writer.expression, writer.record(elapsed_s / len(writers)))

    def _add_failures(self, video: VideoRecord, expressions: Sequence[Expression], error: RvosError) -> None:
        self.failures += [
            {"video": video.video_id, "expression": e.expression_id, "error": str(error)} for e in expressions
        ]


class _PredictionWriter:
    """Takes the results of one expression frame by frame, and stores them."""

    def __init__(self, video: VideoRecord, expression: Expression, layout: Layout, folder: Path) -> None:
        self.video, self.expression = video, expression
        self._layout, self._folder = layout if isinstance(layout, MaskTree) else None, folder
        self._scored = None if expression.scored is None else frozenset(expression.scored)
        self._scores: list[float] = []
        self._rles: dict[str, dict[str, Any]] = {}
        self._last_mask: np.ndarray | None = None

    def start(self) -> None:
        self.discard()
        if self._layout is not None:
            self._layout.start(self._folder, self.video, self.expression)

    def discard(self) -> None:
        """Remove the masks of another run, or of an incomplete video, so that they are not scored."""
        if self._layout is not None:
            self._layout.discard(self._folder, self.video, self.expression)

    def add(self, result: FrameResult) -> None:
        """Take the result of the next frame. As RLE only the scored frames are stored, as masks all frames."""
        self._scores.append(round(result.score, DIGITS))
        self._last_mask = result.mask
        if self._layout is not None:
            self._layout.write(self._folder, self.video, self.expression, result.frame_index, result.mask)
        elif self._scored is None or result.frame_index in self._scored:
            self._rles[str(result.frame_index)] = encode_rle(np.ascontiguousarray(result.mask))

    def finish(self) -> None:
        """Give a scored frame past the end of its clip the mask of the last frame, as the reference does."""
        if self._layout is None and self._last_mask is not None:
            for position in self.expression.scored or ():
                if position >= len(self._scores):
                    self._rles[str(position)] = encode_rle(np.ascontiguousarray(self._last_mask))

    def record(self, seconds: float) -> ExpressionRecord:
        return ExpressionRecord(self.expression.text, tuple(self._scores), round(seconds, 4), self._rles)
