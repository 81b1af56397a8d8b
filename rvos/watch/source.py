"""A video as a run looks at it: opened by the settings, and of its frames those that the sampling names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rvos.settings import StreamSettings
from rvos.types import Frame, VideoInfo
from rvos.video import open_video
from rvos.video.sampling import parse_sampling
from rvos.video.source import Source


@contextmanager
def open_source(source: Source, settings: StreamSettings) -> Iterator[tuple[VideoInfo, Iterator[Frame]]]:
    """What is known of the video, and the frames that are looked at.

    Raises `VideoError`.
    """
    sampling = parse_sampling(settings.sampling)
    with open_video(
        source, backend=settings.video_backend, stream=settings.video_stream, prefetch=settings.video_prefetch
    ) as video:
        yield video.info, sampling.select(video)
