"""A video and some sentences in, a mask for every frame out: the door to `rvos` from Python."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from image_core.device import Precision
from image_core.segmenter import ImageSegmenter
from image_core.weights import DEFAULT
from rvos.export.records import to_record
from rvos.postprocess import Postprocessor
from rvos.sampling import parse_key_frames
from rvos.session import StreamSession
from rvos.settings import StreamSettings
from rvos.source import Source, open_source
from rvos.temporal import find_propagator
from rvos.tracking import find_tracker
from rvos.types import Frame, FrameResult, VideoResult

_LOG = logging.getLogger(__name__)


class VideoSegmenter:
    """An image model, a propagator and a tracker: together a video system.

    >>> segmenter = VideoSegmenter()
    >>> result = segmenter.segment("clip.mp4", ["the red circle"])
    >>> result.record(0).rle

    model: an embedded model's name, a model file, or a loaded `ImageSegmenter` (which brings its device and precision);
    device: auto, cpu, cuda or cuda:i; precision: fp32 or bf16; settings: how videos are read.

    Raises `UnknownNameError`, `CheckpointError` or `ConfigError`, before any video is touched.
    """

    def __init__(
        self,
        model: str | Path | ImageSegmenter = DEFAULT,
        propagation: str = "none",
        tracker: str = "none",
        device: str = "auto",
        precision: Precision = "fp32",
        settings: StreamSettings | None = None,
    ) -> None:
        # The names come first: a misspelt one should not wait for weights.
        propagator_type, tracker_type = find_propagator(propagation), find_tracker(tracker)
        self.settings = settings or StreamSettings()
        self.image = model if isinstance(model, ImageSegmenter) else ImageSegmenter.load(model, device, precision)
        self.key_frames = parse_key_frames(self.settings.key_frames)
        self.propagator = propagator_type()
        self.tracker = tracker_type(Postprocessor(self.image.model, self.image.preprocessing))
        self._named_words: set[str] = set()

    def session(self, expressions: Sequence[str]) -> StreamSession:
        """A session for one video. Words that the model has never seen are logged, each once. Raises `RvosError`."""
        session = StreamSession(
            self.image,
            expressions,
            self.propagator,
            self.tracker,
            self.key_frames,
            decode_every=self.settings.decode == "every",
        )
        unseen = [word for word in self.image.unseen_words(expressions) if word not in self._named_words]
        if unseen:
            _LOG.warning("%s: not among the words this model was trained on", ", ".join(unseen))
            self._named_words.update(unseen)
        return session

    def stream(self, source: Source, expressions: Sequence[str]) -> Iterator[tuple[Frame, tuple[FrameResult, ...]]]:
        """Each frame that is looked at with its E results, as they are made; memory does not grow with the video.

        source: a video file, a folder of pictures, `camera:N`, or (T, H, W, 3) uint8 RGB. Raises `RvosError` at once
        for expressions that cannot be asked, and `VideoError` on the way for a source that cannot be opened, or where
        it breaks: the frames before are given first.
        """
        return self._stream(source, self.session(expressions))

    def _stream(self, source: Source, session: StreamSession) -> Iterator[tuple[Frame, tuple[FrameResult, ...]]]:
        with open_source(source, self.settings) as (_, frames):
            for frame in frames:
                yield frame, session.step(frame)

    def segment(self, source: Source, expressions: Sequence[str]) -> VideoResult:
        """All of `stream`, masks as run lengths. Raises as it does."""
        session = self.session(expressions)
        with open_source(source, self.settings) as (info, frames):
            records = [to_record(result) for frame in frames for result in session.step(frame)]
        return VideoResult(info, session.expressions, records)
