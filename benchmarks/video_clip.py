"""One synthetic video as every system of the gain benchmark gets it: frames, and what the image model says of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rvos.postprocess import Postprocessor

from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures, Prediction
from rvos.reading.propagation import NoPropagation
from rvos.synthetic import VideoSample
from rvos.tracking.tracker import NoTracker, NoTrackerConfig, NoTrackerState
from rvos.types import Frame, FrameResult
from rvos.view.frame_view import View, view_of
from rvos.watch.session import Decoded, StreamSession


@dataclass(frozen=True)
class Answer:
    """What a system says of one frame, before its presence is judged. mask: (H, W) bool; presence: [0, 1]."""

    mask: np.ndarray
    presence: float


@dataclass(frozen=True)
class Clip:
    """A video of T frames and E expressions.

    said: T rows of E, what the image model says; postprocess: one that lets every mask through; image_ms: processor
    time that the image model took, text included, per frame and expression.
    """

    sample: VideoSample
    said: tuple[tuple[Decoded, ...], ...]
    postprocess: Postprocessor
    image_ms: float

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

    def views(self, order: Iterable[int]) -> Iterator[View]:
        """The frames in some order, each with the one given before it. Every system computes its own, and pays."""
        picture = None
        for index in order:
            view = view_of(self.frames[index], picture)
            picture = view.picture
            yield view


class Scribe(NoTracker):
    """A tracker that does nothing but take down what it is told."""

    def __init__(self, postprocess: Postprocessor) -> None:
        super().__init__(postprocess, NoTrackerConfig(presence_threshold=0.0))
        self.said: list[Decoded] = []

    def step(
        self, view: View, prediction: Prediction | None, features: ImageFeatures | None, state: NoTrackerState
    ) -> tuple[FrameResult, NoTrackerState]:
        result, after = super().step(view, prediction, features, state)
        if prediction is not None and features is not None:
            self.said.append(Decoded(prediction, features))
        return result, after


def watch(sample: VideoSample, segmenter: ImageSegmenter) -> Clip:
    """Run the image model on every frame of a video, once for all expressions, as a session does."""
    start = time.process_time()
    scribe = Scribe(Postprocessor(segmenter.model, segmenter.preprocessing))
    sentences = [e.sentence for e in sample.expressions]
    session = StreamSession(segmenter, sentences, NoPropagation(), scribe)
    for frame in frames_of(sample):
        session.step(frame)
    count = len(sentences)
    said = tuple(tuple(scribe.said[i : i + count]) for i in range(0, len(scribe.said), count))
    return Clip(sample, said, scribe.postprocess, 1000 * (time.process_time() - start) / len(scribe.said))


def frames_of(sample: VideoSample) -> tuple[Frame, ...]:
    """The pictures of a sample as frames of a video."""
    return tuple(Frame(index, index / sample.rate, image) for index, image in enumerate(sample.frames))
