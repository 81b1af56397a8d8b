"""Opens a video for a run, and selects the frames that the sampling names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rvos.types import Frame, VideoInfo
from rvos.video.config import VideoConfig
from rvos.video.reader import VideoReader, open_video
from rvos.video.sampling import Sampling, parse_sampling
from rvos.video.source import Source


class SampledFrames:
    """The frames of an open video that the sampling selects. Every iteration starts with the first one."""

    def __init__(self, video: VideoReader, sampling: Sampling) -> None:
        self._video = video
        self._sampling = sampling

    def __iter__(self) -> Iterator[Frame]:
        return self._sampling.select(self._video)

    def after(self, count: int) -> Iterator[Frame]:
        """The frames after the first `count`, by seeking if that is exact."""
        return self._sampling.select(self._video, count)


@contextmanager
def open_source(source: Source, video: VideoConfig, sampling: str) -> Iterator[tuple[VideoInfo, SampledFrames]]:
    """The metadata of a video, and the frames that the sampling selects.

    source: a video file, a folder of images, images in order, `camera:N`, or (T, H, W, 3) uint8 RGB;
    sampling: all, stride:K or uniform:N. Raises `ConfigError`, `VideoError`.
    """
    parsed = parse_sampling(sampling)
    with open_video(source, **asdict(video)) as opened:
        yield opened.info, SampledFrames(opened, parsed)
