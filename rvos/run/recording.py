"""Frames through a session onto disk: the log, the exporters, the snapshots; decoding, network and writing overlap."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from image_core.progress import Progress
from rvos.export.base import Exporter
from rvos.export.records import to_result
from rvos.export.report import Summary
from rvos.run.folder import RunDirectory
from rvos.run.worker import Worker
from rvos.types import Frame, FrameRecord, OutputError, VideoError, VideoInfo
from rvos.watch.stream import Results, Session, Stream

_LOG = logging.getLogger(__name__)
SNAPSHOT_EVERY = 50


class Recording:
    """One pass over a video into a run's folder, from its first frame.

    Frames that an earlier, interrupted run has logged are not computed again: their results are read from the log and
    shown to the exporters like the others, so that a video or a picture made of the whole is made of the whole.
    """

    def __init__(self, directory: RunDirectory, session: Session, exporters: Sequence[Exporter]) -> None:
        self.summary = Summary(session.targets)
        self._directory = directory
        self._session = session
        self._exporters = exporters
        self._written = 0
        self._seconds: dict[str, float] = defaultdict(float)

    def run(self, info: VideoInfo, frames: Iterable[Frame], progress: Progress) -> None:
        """Record every frame. Raises `VideoError` where the video breaks, with all frames before it on disk, and
        `OutputError` when the folder cannot be written or holds the beginning of something else."""
        with self._measured("wall_s"):
            opened: list[Exporter] = []
            try:
                for exporter in self._exporters:
                    exporter.open(info, self._session.targets)
                    opened.append(exporter)
                with Worker("exports") as worker:
                    self._pass(worker, info, frames, progress)
                self._seconds["writing_s"] = worker.busy_s
                while opened:
                    opened.pop(0).close()
            except VideoError as error:
                kept = f"the {self._written} frames before are kept in {self._directory.path}"
                raise VideoError(f"{error}; {kept}") from error
            finally:
                _abort(opened)

    @property
    def frame_count(self) -> int:
        """The frames that have their results in the log."""
        return self._written

    def _pass(self, worker: Worker, info: VideoInfo, frames: Iterable[Frame], progress: Progress) -> None:
        self._resume()
        for done, (frame, results, records) in enumerate(self._answered(worker, frames), 1):
            with self._measured("waiting_for_writer_s"):
                worker.submit(partial(self._write, frame, results, records))
            progress(done, info.frame_count)

    def _answered(
        self, worker: Worker, frames: Iterable[Frame]
    ) -> Iterator[tuple[Frame, Results, list[FrameRecord] | None]]:
        """Every frame with its results, in order, and with its records where it is in the log already."""
        logged, frames_done, frames_seen = iter(self._directory.frames()), self._directory.frames_done, 0
        stream = Stream(self._session, frames_done)
        try:
            for frame in self._waited_for(frames):
                frames_seen += 1
                if frames_seen <= frames_done:
                    records = next(logged)
                    yield frame, tuple(map(to_result, records)), records
                    continue
                is_new = stream.behind == 0
                with self._measured("network_s"):
                    ready = stream.step(frame)
                if ready is not None:
                    yield *ready, None
                if is_new and self._session.frame_count % SNAPSHOT_EVERY == 0:
                    self._keep_snapshot(worker, stream)
        except VideoError:
            yield from self._owed(stream)
            raise
        if frames_seen < self._session.frame_count:
            raise OutputError(
                f"{self._directory.path}: the video ends after {frames_seen} frames, an earlier run has seen "
                f"{self._session.frame_count}; the video has changed since: pass --overwrite to start over"
            )
        yield from self._owed(stream)

    def _owed(self, stream: Stream) -> Iterator[tuple[Frame, Results, None]]:
        """What the session still has to tell of the frames that it has seen."""
        with self._measured("network_s"):
            owed = stream.finish()
        yield from ((frame, results, None) for frame, results in owed)

    def _keep_snapshot(self, worker: Worker, stream: Stream) -> None:
        answered = self._session.frame_count - stream.waiting
        with self._measured("waiting_for_writer_s"):
            worker.submit(partial(self._directory.save_snapshot, answered, self._session.snapshot()))

    def _resume(self) -> None:
        """Bring the session to where the log ends."""
        kept = self._directory.load_snapshot()
        if kept is None:
            return
        self._session.restore(kept[1])
        if self._directory.frames_done:  # what was kept may be the first of two passes alone
            _LOG.info("%s: going on from frame %d", self._directory.path, self._directory.frames_done)

    def _write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        """In the worker: one frame to all outputs. `records` are those of a frame that is in the log already."""
        if records is not None and records[0].frame_index != frame.index:
            raise OutputError(
                f"{self._directory.path}: expected frame {records[0].frame_index}, as in the log, got "
                f"{frame.index}; the video has changed since: pass --overwrite to start over"
            )
        for exporter in self._exporters:
            exporter.write(frame, results)
        self.summary.add(self._directory.append(results) if records is None else records)
        self._written += 1

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

    def timing(self) -> dict[str, float]:
        """Where the time of the last pass went, for `timing.json`: seconds, frames, and frames per second.

        `waiting_*` are the main thread's; `writing_s` is the time that the writer's own thread was busy.
        """
        wall_s = self._seconds["wall_s"]
        document = {"frames": self._written, "frames_replayed": self._directory.frames_done}
        return document | {"frames_per_s": self._written / wall_s} | dict(self._seconds)


def _abort(exporters: Sequence[Exporter]) -> None:
    """Leave readable what can be; the run has failed already, for a reason that the caller is told."""
    for exporter in exporters:
        try:
            exporter.abort()
        except OutputError as error:
            _LOG.error("%s", error)
