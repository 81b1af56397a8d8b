"""The first of two passes over a video: what it teaches is there when the second one begins."""

from __future__ import annotations

import logging

from image_core.errors import ConfigError
from rvos.settings import StreamSettings
from rvos.types import VideoError
from rvos.video.source import Source
from rvos.watch.session import StreamSession
from rvos.watch.source import open_source

_LOG = logging.getLogger(__name__)

LOOKAHEAD = 12
"""Frames that the second pass looks ahead: by then the presence of later frames bears on a frame no more."""


def lookahead_of(settings: StreamSettings) -> int:
    """How many later frames the answer to a frame waits for; two passes wait for some by themselves."""
    return settings.tracker_lookahead or (LOOKAHEAD if settings.both_ways else 0)


def look_through(session: StreamSession, source: Source, settings: StreamSettings) -> None:
    """Show a session all of a video, and bring it back to the beginning. Raises `ConfigError` for a camera, and
    `VideoError` for what cannot be opened."""
    if isinstance(source, str) and source.startswith("camera:"):
        raise ConfigError(f"tracker.both_ways: came yes for {source}, which shows everything once; leave it out")
    with open_source(source, settings) as (info, frames):
        _LOG.info("%s: watching it once, to know how it goes on", info.source)
        try:
            for frame in frames:
                session.step(frame)
        except VideoError:
            # The second pass comes to the same place, and says so with all frames before it on disk.
            _LOG.info("%s: the first pass ends at frame %d", info.source, session.frame_count)
    session.rewind()
