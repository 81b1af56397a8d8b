"""One synthetic video as every system gets it: its frames, and what the image model says of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.harness.clips import frames_of
from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.reading import NoPropagation
from rvos.synthetic import VideoSample
from rvos.tracking.tracker import NoTracker, NoTrackerState
from rvos.types import Frame, FrameResult
from rvos.view.frame_view import View, view_of
from rvos.watch.session import Decoded, StreamSession
from rvos.watch.stream import watch


@dataclass(frozen=True)
class FrameAnswer:
    """What a system answers on one frame, before its presence is judged. mask: (H, W) bool; presence: [0, 1]."""

    mask: np.ndarray
    presence: float


@dataclass(frozen=True)
class Clip:
    """A video of T frames and E expressions with what the image model says of it."""

    sample: VideoSample
    decoded: tuple[tuple[Decoded, ...], ...]  # T rows of E
    postprocess: Postprocessor  # lets every mask through
    image_ms: float  # processor time of the image model, text included, per frame and expression

    @property
    def frame_count(self) -> int:
        """T."""
        return len(self.sample.frames)

    @property
    def expression_count(self) -> int:
        """E."""
        return len(self.sample.expressions)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """T of them."""
        return frames_of(self.sample)

    def score(self, frame: int, expression: int) -> float:
        """The image model's confidence in its mask, [0, 1]."""
        return float(self.decoded[frame][expression].prediction.score.float())

    def views(self, order: Iterable[int]) -> Iterator[View]:
        """The frames in some order, each with the one given before it. Every system computes its own, and pays."""
        picture = None
        for index in order:
            view = view_of(self.frames[index], picture)
            picture = view.picture
            yield view


class Recorder(NoTracker):
    """A tracker that keeps what it is given."""

    def __init__(self, postprocess: Postprocessor) -> None:
        super().__init__(postprocess)
        self.decoded: list[Decoded] = []

    def step(
        self, view: View, prediction: Prediction | None, features: ImageFeatures | None, state: NoTrackerState
    ) -> tuple[FrameResult, NoTrackerState]:
        result, after = super().step(view, prediction, features, state)
        if prediction is not None and features is not None:
            self.decoded.append(Decoded(prediction, features))
        return result, after


def record(sample: VideoSample, segmenter: ImageSegmenter) -> Clip:
    """Run the image model on every frame of a video, once for all expressions, as a session does."""
    start = time.process_time()
    recorder = Recorder(Postprocessor(segmenter.model, segmenter.preprocessing, presence_threshold=0.0))
    texts = [e.sentence for e in sample.expressions]
    session = StreamSession(segmenter, texts, NoPropagation(), recorder)
    for _ in watch(session, frames_of(sample)):
        pass  # the recorder keeps them
    rows, count = recorder.decoded, len(texts)
    decoded = tuple(tuple(rows[i : i + count]) for i in range(0, len(rows), count))
    return Clip(sample, decoded, recorder.postprocess, 1000 * (time.process_time() - start) / len(rows))
