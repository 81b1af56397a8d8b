"""Frames through a session to those who write them; decoding, network and writing overlap."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from image_core.progress import Progress
from rvos.export.records import to_result
from rvos.run.writing import Writer
from rvos.types import Frame, FrameRecord, OutputError, VideoError, VideoInfo
from rvos.watch.stream import Results, Session, Stream

_LOG = logging.getLogger(__name__)
SNAPSHOT_EVERY = 50


class Recording:
    """One pass over a video.

    Frames that an earlier, interrupted run has logged are not computed again: their results are read from the log and
    shown to the exporters like the others, so that a video or a picture made of the whole is made of the whole. The
    first `standing` of them, whose outputs stand, are not even decoded: the pass is given the frames after those.
    """

    def __init__(self, session: Session, writer: Writer, standing: int = 0) -> None:
        self._standing = standing
        self._session = session
        self._writer = writer
        self._seconds: dict[str, float] = defaultdict(float)

    @property
    def seconds(self) -> dict[str, float]:
        """Where the time of the pass went, by its name in `timing.json`."""
        return dict(self._seconds)

    def run(self, info: VideoInfo, frames: Iterable[Frame], progress: Progress) -> None:
        """Record every frame. Raises `VideoError` where the video breaks, with all frames before it on disk, and
        `OutputError` when a folder cannot be written or holds the beginning of something else."""
        with self._measured("wall_s"):
            try:
                self._writer.open(info)
                self._pass(info, frames, progress)
                self._writer.close()
            except BaseException as error:
                told = self._writer.abort(error)
                if told is error:
                    raise
                raise told from error

    def _pass(self, info: VideoInfo, frames: Iterable[Frame], progress: Progress) -> None:
        self._resume()
        for done, (frame, results, records) in enumerate(self._answered(frames), 1 + self._standing):
            with self._measured("waiting_for_writer_s"):
                self._writer.write(frame, results, records)
            progress(done, info.frame_count)

    def _answered(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Results, list[FrameRecord] | None]]:
        """Every frame with its results, in order, and with its records where it is in the log already."""
        logged, frames_done, frames_seen = self._writer.frames(), self._writer.frames_done, self._standing
        for records in islice(logged, self._standing):
            self._writer.pass_over(records)
        stream = Stream(self._session, frames_done)
        try:
            for frame in self._waited_for(frames):
                frames_seen += 1
                if frames_seen <= frames_done:
                    records = next(logged)
                    yield frame, tuple(map(to_result, records)), records
                    continue
                seen_before = self._session.frame_count
                with self._measured("network_s"):
                    ready = stream.step(frame)
                yield from ((*one, None) for one in ready)
                if self._session.frame_count // SNAPSHOT_EVERY > seen_before // SNAPSHOT_EVERY:
                    self._keep_snapshot(stream)
        except VideoError:
            yield from self._owed(stream)
            raise
        if frames_seen < self._session.frame_count:
            raise OutputError(
                f"{self._writer.name}: the video ends after {frames_seen} frames, an earlier run has seen "
                f"{self._session.frame_count}; the video has changed since: pass --overwrite to start over"
            )
        yield from self._owed(stream)

    def _owed(self, stream: Stream) -> Iterator[tuple[Frame, Results, None]]:
        """What the session still has to tell of the frames that it has seen."""
        with self._measured("network_s"):
            owed = stream.finish()
        yield from ((frame, results, None) for frame, results in owed)

    def _keep_snapshot(self, stream: Stream) -> None:
        answered = self._session.frame_count - stream.waiting
        with self._measured("waiting_for_writer_s"):
            self._writer.keep(answered, self._session)

    def _resume(self) -> None:
        """Bring the session to where the log ends."""
        kept = self._writer.kept()
        if kept is None:
            return
        self._session.restore(kept)
        if self._writer.frames_done:  # what was kept may be the first of two passes alone
            _LOG.info("%s: going on from frame %d", self._writer.name, self._writer.frames_done)

    def _waited_for(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        iterator = iter(frames)
        while True:
            with self._measured("waiting_for_frames_s"):
                frame = next(iterator, None)
            if frame is None:
                return
            yield frame

    @contextmanager
    def _measured(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[what] += time.perf_counter() - started
