"""A synthetic video as every system gets it: its frames, and the answers of the image model on each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.harness.clips import frames_of
from benchmarks.harness.recorded import RecordedReader
from image_core.answer import MaskAnswer
from image_core.segmenter import ImageSegmenter
from rvos.reading.key_frames import KeyFrames
from rvos.reading.propagation import NoPropagation
from rvos.reading.reader import FeatureReader
from rvos.synthetic.dataset import VideoSample
from rvos.tracking.tracker import NoTracker, NoTrackerConfig, NoTrackerState, Tracker
from rvos.tracking.tracks import TracksTracker
from rvos.types import Frame, FrameResult
from rvos.view.frame_view import View, view_of
from rvos.watch.session import StreamSession, questions
from rvos.watch.stream import process


@dataclass(frozen=True)
class FrameAnswer:
    """The answer of a system on one frame, before the presence threshold. mask: (H, W) bool; presence: [0, 1]."""

    mask: np.ndarray
    presence: float


@dataclass(frozen=True)
class Clip:
    """A video of T frames and E expressions with the answers of the image model."""

    sample: VideoSample
    #: Question to the image model, which is the text of an expression or what a tracker asks for it -> T answers.
    recorded: Mapping[str, tuple[MaskAnswer, ...]]
    #: Processor time of the image model, text included, per frame and expression.
    image_ms: float

    @cached_property
    def answers(self) -> tuple[tuple[MaskAnswer, ...], ...]:
        """T rows of E answers to the texts of the expressions."""
        return self._rows([e.text for e in self.sample.expressions])

    def _rows(self, texts: Sequence[str]) -> tuple[tuple[MaskAnswer, ...], ...]:
        return tuple(zip(*(self.recorded[text] for text in texts), strict=True))

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
        return self.answers[frame][expression].score

    def views(self, order: Iterable[int]) -> Iterator[View]:
        """Views of the frames in the given order, each with its predecessor in that order. Each system computes its
        own, so that the time counts for it."""
        small_image = None
        for index in order:
            view = view_of(self.frames[index], small_image)
            small_image = view.small_image
            yield view

    def session(self, tracker: Tracker[Any], decode_every: int = 1) -> StreamSession:
        """A session of a tracker on the recorded answers, so that the image model does not run again. The tracker gets
        an answer every `decode_every` frames, and no further ones on request."""
        texts = [e.text for e in self.sample.expressions]
        query_texts = questions(texts, tracker, draws_candidates=False)
        reader = RecordedReader(query_texts, dict(enumerate(self._rows(query_texts))), self.sample.video_id)
        return StreamSession(reader, tracker, KeyFrames(decode_every), texts)


class Recorder(NoTracker):
    """A tracker that records the answers that it gets."""

    def __init__(self) -> None:
        super().__init__(NoTrackerConfig(presence_threshold=0.0))
        self.answers: list[MaskAnswer] = []

    def step(self, view: View, answer: MaskAnswer | None, state: NoTrackerState) -> tuple[FrameResult, NoTrackerState]:
        result, after = super().step(view, answer, state)
        if answer is not None:
            self.answers.append(answer)
        return result, after


def record(sample: VideoSample, segmenter: ImageSegmenter) -> Clip:
    """Run the image model on every frame of a video, once for all questions, as a session does."""
    start = time.process_time()
    recorder, texts = Recorder(), [e.text for e in sample.expressions]
    texts = list(dict.fromkeys([*texts, *questions(texts, TracksTracker(), draws_candidates=False)]))
    for _ in process(StreamSession(FeatureReader(segmenter, texts, NoPropagation()), recorder), frames_of(sample)):
        pass  # the recorder keeps them
    rows, count = recorder.answers, len(texts)
    answers = {text: tuple(rows[i::count]) for i, text in enumerate(texts)}
    return Clip(sample, answers, 1000 * (time.process_time() - start) / len(rows))
