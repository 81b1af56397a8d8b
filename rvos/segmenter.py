"""A video and some sentences or masks in, a mask for every frame out: the door to `rvos` from Python."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from image_core.device import Precision
from image_core.mask_model import MaskModel, resolve_model, unseen_words
from image_core.segmenter import ImageSegmenter
from image_core.weights import DEFAULT
from rvos.agreement import agreed_parts, check_mask_settings
from rvos.defaults import PROPAGATION, TRACKER
from rvos.export.records import to_record
from rvos.reading.key_frames import parse_key_frames
from rvos.reading.reader import FeatureReader, MaskReader
from rvos.settings import StreamSettings
from rvos.types import Frame, VideoInfo, VideoResult
from rvos.video import open_video
from rvos.video.source import Source
from rvos.watch.mask_session import MaskSession
from rvos.watch.passes import look_through, lookahead_of
from rvos.watch.prompts import MaskPrompts, prompts_of
from rvos.watch.session import StreamSession
from rvos.watch.source import open_source
from rvos.watch.stream import Results, Session, watch

_LOG = logging.getLogger(__name__)


class VideoSegmenter:
    """An image model, a propagator and a tracker: together a video system.

    >>> segmenter = VideoSegmenter()
    >>> result = segmenter.segment("clip.mp4", ["the red circle"])
    >>> result.record(0).rle

    model: an embedded model's name, a model file, or a loaded `ImageSegmenter` (which brings its device and precision);
    device: auto, cpu, cuda or cuda:i; precision: fp32 or bf16; settings: how videos are read.

    Raises `UnknownNameError`, `CheckpointError` or `ConfigError`, before any video is touched; contradictions
    all in one, before the model is loaded.
    """

    def __init__(
        self,
        model: str | Path | MaskModel = DEFAULT,
        propagation: str = PROPAGATION,
        tracker: str = TRACKER,
        device: str = "auto",
        precision: Precision = "fp32",
        settings: StreamSettings | None = None,
    ) -> None:
        self.settings = settings or StreamSettings()
        # First of all: a misspelt name should not wait for weights.
        propagator_type, tracker_type = agreed_parts(propagation, tracker, self.settings)
        self.image = resolve_model(model, device, precision) if isinstance(model, str | Path) else model
        self.key_frames = parse_key_frames(self.settings.key_frames)
        self.propagator = propagator_type()
        config = tracker_type().config
        lookahead = lookahead_of(self.settings)
        self.tracker = tracker_type(replace(config, lookahead=lookahead)) if lookahead else tracker_type()
        self._named_words: set[str] = set()

    def session(self, expressions: Sequence[str]) -> StreamSession:
        """A session for one video. Words that the model has never seen are logged, each once. Raises `RvosError`."""
        if isinstance(self.image, ImageSegmenter):
            reader = FeatureReader(self.image, expressions, self.propagator, self.settings.decode == "every")
        else:
            reader = MaskReader(self.image, expressions)
        session = StreamSession(reader, self.tracker, self.key_frames)
        unseen = [word for word in unseen_words(self.image, expressions) if word not in self._named_words]
        if unseen:
            _LOG.warning("%s: not among the words this model was trained on", ", ".join(unseen))
            self._named_words.update(unseen)
        return session

    def stream(self, source: Source, expressions: Sequence[str]) -> Iterator[tuple[Frame, Results]]:
        """Each frame that is looked at with its E results, as they are made; memory does not grow with the video.

        source: a video file, a folder of pictures, `camera:N`, or (T, H, W, 3) uint8 RGB. Raises `RvosError` at once
        for expressions that cannot be asked, and `VideoError` on the way for a source that cannot be opened, or where
        it breaks: the frames before are given first.
        """
        return self._stream(source, self.session(expressions))

    def _stream(self, source: Source, session: StreamSession) -> Iterator[tuple[Frame, Results]]:
        if self.settings.both_ways:
            look_through(session, source, self.settings)
        with open_source(source, self.settings) as (_, frames):
            yield from watch(session, frames)

    def segment(self, source: Source, expressions: Sequence[str]) -> VideoResult:
        """All of `stream`, masks as run lengths. Raises as it does."""
        session = self.session(expressions)
        if self.settings.both_ways:
            look_through(session, source, self.settings)
        with open_source(source, self.settings) as (info, frames):
            return _collected(info, frames, session)

    def stream_masks(self, source: Source, masks: Mapping[int, np.ndarray]) -> Iterator[tuple[Frame, Results]]:
        """`rvos.segmenter.stream_masks` with this segmenter's settings."""
        return stream_masks(source, masks, self.settings)

    def track(self, source: Source, masks: Mapping[int, np.ndarray]) -> VideoResult:
        """`rvos.segmenter.track` with this segmenter's settings."""
        return track(source, masks, self.settings)


def stream_masks(
    source: Source, masks: Mapping[int, np.ndarray], settings: StreamSettings | None = None
) -> Iterator[tuple[Frame, Results]]:
    """Each frame that is looked at with where the objects of the masks are on it, by rising id; no model is loaded.

    >>> for frame, results in stream_masks("clip.mp4", {0: ids}):
    ...     print(frame.index, {result.object_id: result.mask.sum() for result in results})

    masks: position of a frame -> (H, W) bool, one object with the id 1, or (H, W) integers, 0 where there is none, 1 to
    254 the objects' ids, 255 void (of no object). An object may first appear on a later frame, and several frames may
    show it. Raises `DataError` at once for masks that cannot be, and on the way for masks of another size than the
    video, `ConfigError` for settings that mean nothing here, `VideoError` as `VideoSegmenter.stream` does and where a
    mask's frame is not there.
    """
    return _stream_masks(source, prompts_of(masks), settings or StreamSettings())


def _stream_masks(source: Source, prompts: MaskPrompts, settings: StreamSettings) -> Iterator[tuple[Frame, Results]]:
    with open_with_masks(source, prompts, settings) as (_, frames, session):
        yield from watch(session, frames)


def track(source: Source, masks: Mapping[int, np.ndarray], settings: StreamSettings | None = None) -> VideoResult:
    """All of `stream_masks`, masks as run lengths. Raises as it does."""
    with open_with_masks(source, prompts_of(masks), settings or StreamSettings()) as (info, frames, session):
        return _collected(info, frames, session)


@contextmanager
def open_with_masks(
    source: Source, prompts: MaskPrompts, settings: StreamSettings
) -> Iterator[tuple[VideoInfo, Iterator[Frame], MaskSession]]:
    """`open_source` for a video whose objects are given, and a session for them.

    Raises `ConfigError` for settings that mean nothing here, `DataError` for masks of another size than the video, and
    `VideoError` for one on a frame that is not there: at once where that can be known, else when the frames show it.
    """
    check_mask_settings(settings)
    with open_source(source, settings) as (info, frames):
        prompts.check_size(info.size)
        prompts.check_length(info, partial(_count_frames, source, settings))
        yield info, prompts.guard(frames, info.source), MaskSession(prompts)


def _count_frames(source: Source, settings: StreamSettings) -> int:
    with open_video(source, backend=settings.video_backend, stream=settings.video_stream, prefetch=0) as video:
        return video.count_frames()


def _collected(info: VideoInfo, frames: Iterable[Frame], session: Session) -> VideoResult:
    records = [to_record(result) for _, results in watch(session, frames) for result in results]
    return VideoResult(info, session.targets, records)
