"""Runs a session over a video and passes its results to a writer; decoding, network and writing overlap."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from image_core.progress import Progress
from rvos.export.records import to_result
from rvos.run.run_writer import Writer
from rvos.types import Frame, FrameRecord, OutputError, VideoError, VideoInfo
from rvos.watch.stream import Results, Session, Stream

_LOG = logging.getLogger(__name__)
SNAPSHOT_EVERY = 50


class Recording:
    """One pass over a video.

    Frames that an interrupted run has logged are not computed again: their results are read from the log and passed to
    the exporters, so that outputs of the whole video are complete. The first `complete_frames` of them, whose outputs
    exist, are not even decoded: `run` is given the frames after those.
    """

    def __init__(self, session: Session, writer: Writer, complete_frames: int = 0) -> None:
        self._complete_frames = complete_frames
        self._session = session
        self._writer = writer
        self._seconds: dict[str, float] = defaultdict(float)

    @property
    def seconds(self) -> dict[str, float]:
        """The time of each part of the pass, by its name in `timing.json`."""
        return dict(self._seconds)

    def run(self, info: VideoInfo, frames: Iterable[Frame], progress: Progress) -> None:
        """Process every frame. Raises `VideoError` at damaged data, after all frames before it were written, and
        `OutputError` if a folder cannot be written or contains results of another video."""
        with self._timed("wall_s"):
            try:
                self._writer.open(info)
                self._pass(info, frames, progress)
                self._writer.close()
            except BaseException as error:
                reported = self._writer.abort(error)
                if reported is error:
                    raise
                raise reported from error

    def _pass(self, info: VideoInfo, frames: Iterable[Frame], progress: Progress) -> None:
        self._resume()
        for done, (frame, results, records) in enumerate(self._results(frames), 1 + self._complete_frames):
            with self._timed("waiting_for_writer_s"):
                self._writer.write(frame, results, records)
            progress(done, info.frame_count)

    def _results(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Results, list[FrameRecord] | None]]:
        """Every frame with its results, in order, and with its records if it is in the log already."""
        logged, frames_done, frames_seen = self._writer.frames(), self._writer.frames_done, self._complete_frames
        for records in islice(logged, self._complete_frames):
            self._writer.skip(records)
        stream = Stream(self._session, frames_done)
        try:
            for frame in self._timed_frames(frames):
                frames_seen += 1
                if frames_seen <= frames_done:
                    records = next(logged)
                    yield frame, tuple(map(to_result, records)), records
                    continue
                seen_before = self._session.frame_count
                with self._timed("network_s"):
                    ready = stream.step(frame)
                yield from ((*one, None) for one in ready)
                if self._session.frame_count // SNAPSHOT_EVERY > seen_before // SNAPSHOT_EVERY:
                    self._save_snapshot(stream)
        except VideoError:
            yield from self._remaining_results(stream)
            raise
        if frames_seen < self._session.frame_count:
            raise OutputError(
                f"{self._writer.name}: the video ends after {frames_seen} frames, an earlier run has seen "
                f"{self._session.frame_count}; the video has changed since: pass --overwrite to start over"
            )
        yield from self._remaining_results(stream)

    def _remaining_results(self, stream: Stream) -> Iterator[tuple[Frame, Results, None]]:
        """The results that wait for later frames, at the end of the video."""
        with self._timed("network_s"):
            remaining = stream.finish()
        yield from ((frame, results, None) for frame, results in remaining)

    def _save_snapshot(self, stream: Stream) -> None:
        answered = self._session.frame_count - stream.waiting
        with self._timed("waiting_for_writer_s"):
            self._writer.save_snapshot(answered, self._session)

    def _resume(self) -> None:
        """Restore the session from the snapshot."""
        snapshot = self._writer.stored_snapshot()
        if snapshot is None:
            return
        self._session.restore(snapshot)
        if self._writer.frames_done:  # the snapshot may be of the first of two passes
            _LOG.info("%s: continuing from frame %d", self._writer.name, self._writer.frames_done)

    def _timed_frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        iterator = iter(frames)
        while True:
            with self._timed("waiting_for_frames_s"):
                frame = next(iterator, None)
            if frame is None:
                return
            yield frame

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[what] += time.perf_counter() - started
