"""The first of two passes over a video."""

from __future__ import annotations

import logging

from image_core.errors import ConfigError
from rvos.types import VideoError
from rvos.video.config import VideoConfig
from rvos.video.source import Source, camera_number
from rvos.watch.session import StreamSession
from rvos.watch.source import open_source
from rvos.watch.stream import process

_LOG = logging.getLogger(__name__)


def first_pass(session: StreamSession, source: Source, video: VideoConfig, sampling: str) -> bool:
    """Give a session all frames of a video and rewind it, if it needs two passes; False if it does not.

    Raises `ConfigError` for a camera, and `VideoError` for a source that cannot be opened.
    """
    if not session.both_ways:
        return False
    if camera_number(source) is not None:
        raise ConfigError(
            f"tracker.both_ways: expected false for {source}, which can be read only once, got true: leave it out"
        )
    with open_source(source, video, sampling) as (info, frames):
        _LOG.info("%s: first of two passes", info.source)
        try:
            for _ in process(session, frames):
                pass
        except VideoError:
            # The second pass stops at the same frame and raises the error then, with all frames before it on disk.
            _LOG.info("%s: the first pass ends at frame %d", info.source, session.frame_count)
    session.rewind()
    return True
