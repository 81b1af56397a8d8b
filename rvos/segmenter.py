"""The Python interface: a video and some expressions or masks in, a mask for every frame out."""

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
from rvos.carriers import CarrierFactory
from rvos.export.records import to_record
from rvos.image_model import ImageModelHandle
from rvos.parts import PartConfig, Reading
from rvos.reading import DEFAULT as DEFAULT_PROPAGATION
from rvos.reading.key_frames import AUTO, KeyFrames
from rvos.reading.propagation import Propagator
from rvos.system import SystemConfig, VideoSystem
from rvos.tracking import DEFAULT as DEFAULT_TRACKER
from rvos.tracking.carrying.mask_carrier import MaskCarrier
from rvos.tracking.carrying.object_tracker import ObjectTracker, ObjectTrackerConfig
from rvos.tracking.carrying.refining import NO_MASKER, RefiningConfig
from rvos.tracking.tracker import Tracker
from rvos.types import Frame, VideoInfo, VideoResult
from rvos.video.config import VideoConfig
from rvos.video.reader import open_video
from rvos.video.sampling import ALL_FRAMES, Sampling, parse_sampling
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

DEFAULT_VIDEO = VideoConfig()
DEFAULT_OBJECT_TRACKER = ObjectTrackerConfig()
DEFAULT_REFINING = RefiningConfig()
DEFAULT_CARRIER = ObjectTracker()


class VideoSegmenter:
    """A video system, with the settings by which it opens videos.

    >>> segmenter = VideoSegmenter()  # after `rvos models fetch photo`
    >>> result = segmenter.segment("clip.mp4", ["the dog"])
    >>> result.record(0).rle

    model: `photo`, an embedded model's name, a model file, `module:factory`, or any object with `segment` (which has
    its own device and precision);
    propagation, tracker: names, descriptions with numbers (`rvos.parts.tracker_config`), or objects; key_frames,
    decode, chunk, sampling, device, precision, object_tracker, masker, refining: as in `SystemConfig`, whose objects
    `VideoSegmenter.of` takes whole.

    The model is loaded when it is first needed: `session`, `stream` and `segment` raise `UnknownNameError` or
    `CheckpointError` if that fails, before the video is opened. All other errors raise `UnknownNameError` or
    `ConfigError` here, contradictions in one message.
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
        video: VideoConfig = DEFAULT_VIDEO,
        sampling: str = "all",
        device: str = "auto",
        precision: str = "fp32",
        object_tracker: ObjectTrackerConfig = DEFAULT_OBJECT_TRACKER,
        masker: str = NO_MASKER,
        refining: RefiningConfig = DEFAULT_REFINING,
    ) -> None:
        handle = ImageModelHandle.of(model, device, precision)
        faults = Faults()
        chosen: Sampling = ALL_FRAMES
        with faults.gathered():
            chosen = parse_sampling(sampling)
        for key, value, kind in (
            ("video", video, VideoConfig),
            ("object_tracker", object_tracker, ObjectTrackerConfig),
            ("refining", refining, RefiningConfig),
        ):
            if not isinstance(value, kind):
                faults.add(f"{key}: expected {kind.__module__}.{kind.__name__}(...), got {type(value).__name__}")
        with faults.gathered():
            self.system = VideoSystem(handle, Reading(key_frames, decode, propagation, chunk, chosen), tracker)
        faults.raise_all()
        self.video = video
        self.sampling = sampling
        self.carrier_factory = CarrierFactory(handle, self.system.tracker, object_tracker, masker, refining)

    @classmethod
    def of(cls, config: SystemConfig, weights: WeightsProvider = weights_of) -> VideoSegmenter:
        """A segmenter for a `SystemConfig`. weights: as in `ImageModelHandle`."""
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
        include the candidates of the image model (`FrameResult.candidates`). Raises `RvosError`."""
        return self.system.session(expressions, candidates_of=range(len(expressions)) if candidates else ())

    def first_pass(self, session: StreamSession, source: Source) -> bool:
        """`rvos.watch.passes.first_pass`, with the video opened and sampled by this segmenter."""
        return first_pass(session, source, self.video, self.sampling)

    def stream(
        self,
        source: Source,
        expressions: Sequence[str],
        corrections: Mapping[int, FrameCorrections] = NO_FRAMES_CORRECTED,
        *,
        candidates: bool = False,
    ) -> Iterator[tuple[Frame, Results]]:
        """Each processed frame with its E results, as they are made. Memory does not grow with the video.

        source: a video file, a folder of images, `camera:N`, or (T, H, W, 3) uint8 RGB; corrections: position of a
        frame -> position of an expression -> (H, W) bool, what it means from that frame on, or None if the target is
        absent, as in `StreamSession.step`; candidates: results include the candidates of the image model, as in
        `session`.
        Raises `RvosError` at once for invalid expressions and corrections. While iterating, raises `VideoError` for a
        source that cannot be opened, for damaged data (after the frames before it), and for a correction of a frame
        that does not exist.
        """
        session = self.session(expressions, candidates=candidates)
        given = self._given(expressions, corrections)
        return self._stream(source, session, given)

    def _stream(
        self, source: Source, session: StreamSession, corrections: Corrections | None
    ) -> Iterator[tuple[Frame, Results]]:
        self.first_pass(session, source)
        with self.open_frames(source, corrections) as (_, frames):
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
        with self.open_frames(source, given) as (info, frames):
            return _collect_results(info, frames, with_corrections(session, given))

    @contextmanager
    def open_frames(
        self, source: Source, corrections: Corrections | None
    ) -> Iterator[tuple[VideoInfo, SampledFrames | Iterator[Frame]]]:
        """A video and its sampled frames. Raises as `open_source` does, `DataError` for corrections of another size,
        and `ConfigError` if the tracker takes none."""
        if corrections is None:
            with open_source(source, self.video, self.sampling) as (info, frames):
                yield info, frames
            return
        self.system.tracker.check_correctable()
        with _open_with_marked_frames(source, corrections, self.video, self.sampling) as (info, frames):
            yield info, frames

    def _given(self, expressions: Sequence[str], corrections: Mapping[int, FrameCorrections]) -> Corrections | None:
        return corrections_of(corrections, len(expressions)) if corrections else None

    def stream_masks(self, source: Source, masks: Mapping[int, np.ndarray]) -> Iterator[tuple[Frame, Results]]:
        """`rvos.segmenter.stream_masks`, with the video opened and sampled by this segmenter. No image model is loaded.
        Raises `RvosError` if a network that carries or redraws the masks is not available."""
        return stream_masks(source, masks, self.video, self.sampling, self.carrier_factory.build())

    def track(self, source: Source, masks: Mapping[int, np.ndarray]) -> VideoResult:
        """All of `stream_masks`, masks as run lengths. Raises as it does."""
        return track(source, masks, self.video, self.sampling, self.carrier_factory.build())

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values: all of `SystemConfig` except the device and `video.prefetch`."""
        return {**self.system.document(), **self.video_document()}

    def video_document(self) -> dict[str, Any]:
        """The part of `document` that concerns the video."""
        video = {key: value for key, value in asdict(self.video).items() if key != "prefetch"}
        return {"video": video, "sampling": self.sampling}

    def mask_document(self) -> dict[str, Any]:
        """What the results of masks depend on, as JSON values."""
        return {**self.video_document(), **self.carrier_factory.document()}


def stream_masks(
    source: Source,
    masks: Mapping[int, np.ndarray],
    video: VideoConfig = DEFAULT_VIDEO,
    sampling: str = "all",
    carrier: MaskCarrier = DEFAULT_CARRIER,
) -> Iterator[tuple[Frame, Results]]:
    """Each processed frame with the results of the objects that the masks show, by rising id. No image model is loaded.
    carrier: carries the masks.

    >>> for frame, results in stream_masks("clip.mp4", {0: ids}):
    ...     print(frame.index, {result.object_id: result.mask.sum() for result in results})

    masks: position of a frame -> (H, W) bool, one object with the id 1, or (H, W) integers, 0 where there is none, 1 to
    254 the objects' ids, 255 void (of no object). An object may first appear on a later frame, and several frames may
    show it. Raises `DataError` at once for invalid masks. While iterating, raises `DataError` for masks of another size
    than the video, and `VideoError` as `VideoSegmenter.stream` does and for a mask on a frame that does not exist.
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
    video: VideoConfig = DEFAULT_VIDEO,
    sampling: str = "all",
    carrier: MaskCarrier = DEFAULT_CARRIER,
) -> VideoResult:
    """All of `stream_masks`, masks as run lengths. Raises as it does."""
    with open_with_masks(source, prompts_of(masks), video, sampling, carrier) as (info, frames, session):
        return _collect_results(info, frames, session)


@contextmanager
def open_with_masks(
    source: Source, prompts: MaskPrompts, video: VideoConfig, sampling: str, carrier: MaskCarrier
) -> Iterator[tuple[VideoInfo, Iterator[Frame], MaskSession]]:
    """`open_source` for a video whose objects are given by masks, and a session for them.

    Raises `DataError` for masks of another size than the video, and `VideoError` for one on a frame that does not
    exist: at once if the length is known, else at the end of the video.
    """
    with _open_with_marked_frames(source, prompts, video, sampling) as (info, frames):
        yield info, frames, MaskSession(prompts, carrier)


@contextmanager
def _open_with_marked_frames(
    source: Source, masks: UserMasks, video: VideoConfig, sampling: str
) -> Iterator[tuple[VideoInfo, Iterator[Frame]]]:
    with open_source(source, video, sampling) as (info, frames):
        masks.check_size(info.size)
        masks.check_length(info, partial(_count_frames, source, video))
        yield info, masks.check_frames(frames, info.source)


def _count_frames(source: Source, video: VideoConfig) -> int:
    with open_video(source, **asdict(replace(video, prefetch=0))) as opened:
        return opened.count_frames()


def _collect_results(info: VideoInfo, frames: Iterable[Frame], session: Session) -> VideoResult:
    records = [to_record(result) for _, results in process(session, frames) for result in results]
    return VideoResult(info, session.targets, records)
