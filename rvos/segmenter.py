"""A video and some expressions or masks in, a mask for every frame out: the door to `rvos` from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from image_core.faults import Faults
from image_core.mask_model import MaskModel, WeightsProvider
from image_core.weights import DEFAULT
from image_core.weights.cache import weights_of
from rvos.carriers import Carriers
from rvos.export.records import to_record
from rvos.image_model import ImageModelHandle
from rvos.parts import PartConfig
from rvos.reading import DEFAULT as DEFAULT_PROPAGATION
from rvos.reading.key_frames import AUTO, KeyFrames
from rvos.reading.propagation import Propagator
from rvos.system import Reading, SystemConfig, VideoSystem
from rvos.tracking import DEFAULT as DEFAULT_TRACKER
from rvos.tracking.carrying.mask_carrier import MaskCarrier
from rvos.tracking.carrying.object_tracker import ObjectTracker, ObjectTrackerConfig
from rvos.tracking.carrying.refining import NO_MASKER, RefiningConfig
from rvos.tracking.tracker import Tracker
from rvos.types import Frame, VideoInfo, VideoResult
from rvos.video.config import VideoConfig
from rvos.video.reader import open_video
from rvos.video.sampling import parse_sampling
from rvos.video.source import Source
from rvos.watch.corrected_session import with_corrections
from rvos.watch.corrections import Corrections, corrections_of
from rvos.watch.mask_session import MaskSession
from rvos.watch.passes import first_pass
from rvos.watch.prompts import MaskPrompts, prompts_of
from rvos.watch.session import NO_FRAMES_CORRECTED, FrameCorrections, StreamSession
from rvos.watch.source import SampledFrames, open_source
from rvos.watch.stream import Results, Session, process
from rvos.watch.user_masks import UserMasks

PLAIN_VIDEO = VideoConfig()
PLAIN_OBJECTS = ObjectTrackerConfig()
PLAIN_REFINING = RefiningConfig()
PLAIN_CARRIER = ObjectTracker()


class VideoSegmenter:
    """A video system, and how videos are opened for it.

    >>> segmenter = VideoSegmenter()  # after `rvos models fetch photo`
    >>> result = segmenter.segment("clip.mp4", ["the dog"])
    >>> result.record(0).rle

    model: `photo`, an embedded model's name, a model file, `module:factory`, or any object with `segment` (which brings
    its own device and precision);
    propagation, tracker: names, descriptions with numbers (`rvos.parts.tracker_config`), or objects; key_frames,
    decode, chunk, sampling, device, precision, object_tracker, masker, refining: as in `SystemConfig`, whose objects
    `VideoSegmenter.of` takes whole.

    The model is loaded when it is first needed: `session`, `stream` and `segment` raise `UnknownNameError` or
    `CheckpointError` for one that cannot be, before the video is touched. Everything else that is wrong raises
    `UnknownNameError` or `ConfigError` here, contradictions all in one.
    """

    def __init__(
        self,
        model: str | Path | MaskModel | ImageModelHandle = DEFAULT,
        propagation: str | PartConfig | Propagator[Any] = DEFAULT_PROPAGATION,
        tracker: str | PartConfig | Tracker[Any] = DEFAULT_TRACKER,
        *,
        key_frames: str | KeyFrames = AUTO,
        decode: str = AUTO,
        chunk: int = 1,
        video: VideoConfig = PLAIN_VIDEO,
        sampling: str = "all",
        device: str = "auto",
        precision: str = "fp32",
        object_tracker: ObjectTrackerConfig = PLAIN_OBJECTS,
        masker: str = NO_MASKER,
        refining: RefiningConfig = PLAIN_REFINING,
    ) -> None:
        handle = ImageModelHandle.of(model, device, precision)
        faults = Faults()
        with faults.gathered():
            parse_sampling(sampling)
        for key, value, kind in (
            ("video", video, VideoConfig),
            ("object_tracker", object_tracker, ObjectTrackerConfig),
            ("refining", refining, RefiningConfig),
        ):
            if not isinstance(value, kind):
                faults.add(f"{key}: expected {kind.__module__}.{kind.__name__}(...), got {type(value).__name__}")
        with faults.gathered():
            self.system = VideoSystem(handle, Reading(key_frames, decode, propagation, chunk), tracker)
        faults.raise_all()
        self.video = video
        self.sampling = sampling
        self.carriers = Carriers(handle, self.system.tracker, object_tracker, masker, refining)

    @classmethod
    def of(cls, config: SystemConfig, weights: WeightsProvider = weights_of) -> VideoSegmenter:
        """The system that a description describes. weights: as in `ImageModelHandle`."""
        return cls(
            ImageModelHandle(config.model, config.device, config.precision, weights),
            config.propagation,
            config.tracker,
            key_frames=config.key_frames,
            decode=config.decode,
            chunk=config.chunk,
            video=config.video,
            sampling=config.sampling,
            object_tracker=config.object_tracker,
            masker=config.masker,
            refining=config.refining,
        )

    def session(self, expressions: Sequence[str], *, candidates: bool = False) -> StreamSession:
        """A session for one video. Words that the model has never seen are logged, each once. candidates: results come
        with what the image model held possible (`FrameResult.candidates`). Raises `RvosError`."""
        return self.system.session(expressions, candidates_of=range(len(expressions)) if candidates else ())

    def first_pass(self, session: StreamSession, source: Source) -> bool:
        """`rvos.watch.passes.first_pass`, the video opened and sampled as here."""
        return first_pass(session, source, self.video, self.sampling)

    def stream(
        self,
        source: Source,
        expressions: Sequence[str],
        corrections: Mapping[int, FrameCorrections] = NO_FRAMES_CORRECTED,
        *,
        candidates: bool = False,
    ) -> Iterator[tuple[Frame, Results]]:
        """Each frame that is watched with its E results, as they are made; memory does not grow with the video.

        source: a video file, a folder of pictures, `camera:N`, or (T, H, W, 3) uint8 RGB; corrections: position of a
        frame -> position of an expression -> (H, W) bool, what it means from that frame on, or None where it is not
        there, as in `StreamSession.step`; candidates: results come with what the image model held possible, as in
        `session`.
        Raises `RvosError` at once for expressions and corrections that cannot be, and on the way `VideoError` for a
        source that cannot be opened, or where it breaks (the frames before are given first), and for a correction of a
        frame that is not there.
        """
        session = self.session(expressions, candidates=candidates)
        given = self._given(expressions, corrections)
        return self._stream(source, session, given)

    def _stream(
        self, source: Source, session: StreamSession, corrections: Corrections | None
    ) -> Iterator[tuple[Frame, Results]]:
        self.first_pass(session, source)
        with self.opened(source, corrections) as (_, frames):
            yield from process(with_corrections(session, corrections), frames)

    def segment(
        self,
        source: Source,
        expressions: Sequence[str],
        corrections: Mapping[int, FrameCorrections] = NO_FRAMES_CORRECTED,
        *,
        candidates: bool = False,
    ) -> VideoResult:
        """All of `stream`, masks as run lengths. Raises as it does."""
        session = self.session(expressions, candidates=candidates)
        given = self._given(expressions, corrections)
        self.first_pass(session, source)
        with self.opened(source, given) as (info, frames):
            return _collected(info, frames, with_corrections(session, given))

    @contextmanager
    def opened(
        self, source: Source, corrections: Corrections | None
    ) -> Iterator[tuple[VideoInfo, SampledFrames | Iterator[Frame]]]:
        """A video as it is watched. Raises as `open_source` does, `DataError` for corrections of another size, and
        `ConfigError` where the tracker takes none."""
        if corrections is None:
            with open_source(source, self.video, self.sampling) as (info, frames):
                yield info, frames
            return
        self.system.tracker.check_correctable()
        with _open_marked(source, corrections, self.video, self.sampling) as (info, frames):
            yield info, frames

    def _given(self, expressions: Sequence[str], corrections: Mapping[int, FrameCorrections]) -> Corrections | None:
        return corrections_of(corrections, len(expressions)) if corrections else None

    def stream_masks(self, source: Source, masks: Mapping[int, np.ndarray]) -> Iterator[tuple[Frame, Results]]:
        """`rvos.segmenter.stream_masks`, the video opened and sampled as here. No image model is loaded; raises
        `RvosError` where a network is to follow the masks, or to draw them anew, and cannot be had."""
        return stream_masks(source, masks, self.video, self.sampling, self.carriers.ready())

    def track(self, source: Source, masks: Mapping[int, np.ndarray]) -> VideoResult:
        """All of `stream_masks`, masks as run lengths. Raises as it does."""
        return track(source, masks, self.video, self.sampling, self.carriers.ready())

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values: all of `SystemConfig` but the device, and how far ahead is read."""
        return {**self.system.document(), **self.video_document()}

    def video_document(self) -> dict[str, Any]:
        """The part of `document` that counts whatever is asked."""
        video = {key: value for key, value in asdict(self.video).items() if key != "prefetch"}
        return {"video": video, "sampling": self.sampling}

    def mask_document(self) -> dict[str, Any]:
        """What the results of masks depend on, as JSON values."""
        return {**self.video_document(), **self.carriers.document()}


def stream_masks(
    source: Source,
    masks: Mapping[int, np.ndarray],
    video: VideoConfig = PLAIN_VIDEO,
    sampling: str = "all",
    carrier: MaskCarrier = PLAIN_CARRIER,
) -> Iterator[tuple[Frame, Results]]:
    """Each frame that is watched with where the objects of the masks are on it, by rising id; no image model is
    loaded. carrier: what follows them.

    >>> for frame, results in stream_masks("clip.mp4", {0: ids}):
    ...     print(frame.index, {result.object_id: result.mask.sum() for result in results})

    masks: position of a frame -> (H, W) bool, one object with the id 1, or (H, W) integers, 0 where there is none, 1 to
    254 the objects' ids, 255 void (of no object). An object may first appear on a later frame, and several frames may
    show it. Raises `DataError` at once for masks that cannot be, and on the way for masks of another size than the
    video, `VideoError` as `VideoSegmenter.stream` does and where a mask's frame is not there.
    """
    return _stream_masks(source, prompts_of(masks), video, sampling, carrier)


def _stream_masks(
    source: Source, prompts: MaskPrompts, video: VideoConfig, sampling: str, carrier: MaskCarrier
) -> Iterator[tuple[Frame, Results]]:
    with open_with_masks(source, prompts, video, sampling, carrier) as (_, frames, session):
        yield from process(session, frames)


def track(
    source: Source,
    masks: Mapping[int, np.ndarray],
    video: VideoConfig = PLAIN_VIDEO,
    sampling: str = "all",
    carrier: MaskCarrier = PLAIN_CARRIER,
) -> VideoResult:
    """All of `stream_masks`, masks as run lengths. Raises as it does."""
    with open_with_masks(source, prompts_of(masks), video, sampling, carrier) as (info, frames, session):
        return _collected(info, frames, session)


@contextmanager
def open_with_masks(
    source: Source, prompts: MaskPrompts, video: VideoConfig, sampling: str, carrier: MaskCarrier
) -> Iterator[tuple[VideoInfo, Iterator[Frame], MaskSession]]:
    """`open_source` for a video whose objects are given, and a session for them.

    Raises `DataError` for masks of another size than the video, and `VideoError` for one on a frame that is not there:
    at once where that can be known, else when the frames show it.
    """
    with _open_marked(source, prompts, video, sampling) as (info, frames):
        yield info, frames, MaskSession(prompts, carrier)


@contextmanager
def _open_marked(
    source: Source, masks: UserMasks, video: VideoConfig, sampling: str
) -> Iterator[tuple[VideoInfo, Iterator[Frame]]]:
    with open_source(source, video, sampling) as (info, frames):
        masks.check_size(info.size)
        masks.check_length(info, partial(_count_frames, source, video))
        yield info, masks.check_frames(frames, info.source)


def _count_frames(source: Source, video: VideoConfig) -> int:
    with open_video(source, **asdict(replace(video, prefetch=0))) as opened:
        return opened.count_frames()


def _collected(info: VideoInfo, frames: Iterable[Frame], session: Session) -> VideoResult:
    records = [to_record(result) for _, results in process(session, frames) for result in results]
    return VideoResult(info, session.targets, records)
