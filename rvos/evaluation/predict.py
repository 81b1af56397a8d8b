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
    #: Predictions that are not a tree of masks are kept as run lengths in the records.
    layout: Layout
    #: The folder of the masks.
    predictions: Path
    records: Records
    #: One row for each expression that failed.
    failures: list[dict[str, Any]] = field(default_factory=list)
    #: Frames watched so far.
    frames: int = 0
    #: Ids of the videos that were watched, completely or not.
    tried: set[str] = field(default_factory=set)

    def run(self, videos: Sequence[VideoRecord], progress: Progress) -> None:
        """Every expression of the videos that has no record yet. Raises `ConfigError` if the sampling leaves out
        frames, `OutputError`, and the errors of loading the model."""
        if self.segmenter.sampling != "all":
            sampling = self.segmenter.sampling
            raise ConfigError(f"sampling: expected all, for a dataset scores every frame that it lists, got {sampling}")
        for done, video in enumerate(videos):
            waiting = [e for e in video.expressions if self.records.load(video, e) is None]
            asked = [e for e in waiting if self._can_be_asked(video, e)]
            if asked:
                self.segmenter.system.load()  # raised here, since a broken model is not the failure of a video
            progress(done, len(videos))
            if asked:
                self._watch(video, asked)
        progress(len(videos), len(videos))

    def _can_be_asked(self, video: VideoRecord, expression: Expression) -> bool:
        try:
            check_expressions([expression.text])
        except RvosError as error:
            self._failed(video, [expression], error)
            return False
        return True

    def _watch(self, video: VideoRecord, expressions: Sequence[Expression]) -> None:
        """All expressions of a video at once: its frames are decoded and encoded once."""
        self.tried.add(video.video_id)
        rows = [_Row(video, expression, self.layout, self.predictions) for expression in expressions]
        start = time.perf_counter()
        count = 0
        try:
            for row in rows:
                row.start()
            for _, results in self.segmenter.stream(video.watched, [e.text for e in expressions]):
                for row, result in zip(rows, results, strict=True):
                    row.add(result)
                count += 1
            for row in rows:
                row.finish()
        except OutputError:  # no fault of the video: a full disk would fail all of them
            raise
        except RvosError as error:
            for row in rows:
                row.discard()
            self._failed(video, expressions, error)
            return
        spent = time.perf_counter() - start
        self.frames += count
        for row in rows:
            self.records.save(video, row.expression, row.record(spent / len(rows)))

    def _failed(self, video: VideoRecord, expressions: Sequence[Expression], error: RvosError) -> None:
        self.failures += [
            {"video": video.video_id, "expression": e.expression_id, "error": str(error)} for e in expressions
        ]


class _Row:
    """The predictions of one expression while they are made."""

    def __init__(self, video: VideoRecord, expression: Expression, layout: Layout, folder: Path) -> None:
        self.video, self.expression = video, expression
        self._layout, self._folder = layout if isinstance(layout, MaskTree) else None, folder
        self._wanted = None if expression.scored is None else frozenset(expression.scored)
        self._scores: list[float] = []
        self._rles: dict[str, dict[str, Any]] = {}
        self._last: np.ndarray | None = None

    def start(self) -> None:
        self.discard()
        if self._layout is not None:
            self._layout.start(self._folder, self.video, self.expression)

    def discard(self) -> None:
        """Remove the masks of another run, or of an incomplete video, so that they are not scored."""
        if self._layout is not None:
            self._layout.discard(self._folder, self.video, self.expression)

    def add(self, result: FrameResult) -> None:
        """The next frame. A dataset of run lengths keeps the frames that are scored, one of pictures keeps all."""
        self._scores.append(round(result.score, DIGITS))
        self._last = result.mask
        if self._layout is not None:
            self._layout.write(self._folder, self.video, self.expression, result.frame_index, result.mask)
        elif self._wanted is None or result.frame_index in self._wanted:
            self._rles[str(result.frame_index)] = encode_rle(np.ascontiguousarray(result.mask))

    def finish(self) -> None:
        """A scored frame past the end of its clip gets the answer of the last frame, as in the reference."""
        if self._layout is None and self._last is not None:
            for position in self.expression.scored or ():
                if position >= len(self._scores):
                    self._rles[str(position)] = encode_rle(np.ascontiguousarray(self._last))

    def record(self, seconds: float) -> ExpressionRecord:
        return ExpressionRecord(self.expression.text, tuple(self._scores), round(seconds, 4), self._rles)
