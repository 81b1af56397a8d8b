"""Writes the outputs, logs and snapshots of runs, in background threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol

from rvos.export.base import Exporter, PerFrameExporter
from rvos.export.report import Summary
from rvos.run.folder import RunDirectory
from rvos.run.worker import Worker
from rvos.types import Frame, FrameRecord, OutputError, Target, VideoError, VideoInfo
from rvos.watch.session import StreamSession
from rvos.watch.stream import Results, Session

_LOG = logging.getLogger(__name__)
_IMAGE_THREADS = 4
"""Threads per output of image files; their encoding releases the interpreter lock."""


class Writer(Protocol):
    """Takes the frames of a pass: `open`, any number of `write` and `save_snapshot`, then either `close` or `abort`."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...

    @property
    def frames_done(self) -> int:
        """Number of frames whose results are in the log of an earlier pass."""
        ...

    def frames(self) -> Iterator[list[FrameRecord]]:
        """The records of those frames, in order."""
        ...

    def skip(self, records: list[FrameRecord]) -> None:
        """Count one of those frames without writing it again."""
        ...

    def stored_snapshot(self) -> bytes | None:
        """The snapshot of the session from an earlier pass; None if there is none."""
        ...

    def open(self, info: VideoInfo) -> None:
        """Open the outputs. Raises `OutputError`."""
        ...

    def write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        """Write a frame and its results. records: those of the log, if the frame is in it. Raises the errors of the
        background threads."""
        ...

    def save_snapshot(self, frames_logged: int, session: Any) -> None:
        """Save the state of the session after `frames_logged` results. Raises as `write` does."""
        ...

    def close(self) -> None:
        """Finish all waiting tasks and close the outputs. Raises `OutputError`."""
        ...

    def abort(self, error: BaseException) -> BaseException:
        """Finish the waiting tasks after an error in the pass, and close the outputs so that they are readable as far
        as possible. Returns the exception to raise."""
        ...


class RunWriter:
    """The writer of one run."""

    def __init__(self, directory: RunDirectory, targets: Sequence[Target], exporters: Sequence[Exporter]) -> None:
        self.directory = directory
        self.summary = Summary(targets)
        self._targets = tuple(targets)
        self._exporters = exporters
        self._opened: list[Exporter] = []
        # Each output has a thread of its own, so that only the slowest one is waited for.
        self._export_workers = [Worker("exports", threads=_threads_for(exporter)) for exporter in exporters]
        self._log_worker = Worker("log")
        self._threads = ExitStack()
        self._written = 0

    @property
    def name(self) -> str:
        return str(self.directory.path)

    @property
    def frames_done(self) -> int:
        return self.directory.frames_done

    @property
    def frame_count(self) -> int:
        """Number of frames in the log."""
        return self._written

    def frames(self) -> Iterator[list[FrameRecord]]:
        return self.directory.frames()

    @property
    def complete_frames(self) -> int:
        """Number of the frames in the log that the exporters need not see again: all if every output consists of files
        per frame, 0 if one is made of the whole video."""
        return self.frames_done if all(map(_writes_one_file_per_frame, self._exporters)) else 0

    def skip(self, records: list[FrameRecord]) -> None:
        self.summary.add(records)
        self._written += 1

    def stored_snapshot(self) -> bytes | None:
        snapshot = self.directory.load_snapshot()
        return None if snapshot is None else snapshot[1]

    def open(self, info: VideoInfo) -> None:
        for worker in (self._log_worker, *self._export_workers):
            self._threads.enter_context(worker)
        for exporter in self._exporters:
            exporter.open(info, self._targets)
            self._opened.append(exporter)

    def write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        if records is not None and records[0].frame_index != frame.index:
            raise OutputError(
                f"{self.name}: expected frame {records[0].frame_index}, as in the log, got {frame.index}; the video "
                "has changed since: pass --overwrite to start over"
            )
        for exporter, worker in zip(self._exporters, self._export_workers, strict=True):
            worker.submit(partial(exporter.write, frame, results))
        self._log_worker.submit(partial(self._log, results, records))

    def save_snapshot(self, frames_logged: int, session: Session) -> None:
        self.save_snapshot_bytes(frames_logged, session.snapshot())

    def save_snapshot_bytes(self, frames_logged: int, snapshot: bytes) -> None:
        """`save_snapshot` for a state that is bytes already."""
        for worker in self._export_workers:
            worker.wait()  # a run that continues from this snapshot needs the files of these frames
        self._log_worker.submit(partial(self.directory.save_snapshot, frames_logged, snapshot))

    def close(self) -> None:
        self._threads.close()
        while self._opened:
            self._opened.pop(0).close()

    def abort(self, error: BaseException) -> BaseException:
        self._threads.__exit__(type(error), error, error.__traceback__)
        while self._opened:
            try:
                self._opened.pop(0).abort()
            except OutputError as other:
                _LOG.error("%s", other)  # the caller gets the first exception
        if isinstance(error, VideoError):
            return VideoError(f"{error}{_kept_frames_note(self._written, self.name)}")
        return error

    def timing(self, seconds: dict[str, float], together: int = 1) -> dict[str, float]:
        """The content of `timing.json`: frames, frames per second, and the time of each part of the pass. `waiting_*`
        is time of the main thread; `writing_s` is the sum over the writer's threads. together: number of runs in the
        pass."""
        document = {"frames": self._written, "frames_replayed": self.frames_done, "runs_together": together}
        rate = {
            "frames_per_s": self._written / seconds["wall_s"],
            "writing_s": sum(worker.busy_s for worker in (self._log_worker, *self._export_workers)),
        }
        return document | rate | seconds

    def _log(self, results: Results, records: list[FrameRecord] | None) -> None:
        """Runs in the log's thread. records: those of a frame that is in the log already."""
        self.summary.add(self.directory.append(results) if records is None else records)
        self._written += 1


def _kept_frames_note(frames: int, name: str) -> str:
    """The part of an error message about the frames before damaged data."""
    if not frames:
        return ""
    return f"; the {f'{frames} frames before are' if frames > 1 else 'frame before is'} kept in {name}"


def _threads_for(exporter: Exporter) -> int:
    return _IMAGE_THREADS if _writes_one_file_per_frame(exporter) else 1


def _writes_one_file_per_frame(exporter: Exporter) -> bool:
    return isinstance(exporter, PerFrameExporter)


class RowWriters:
    """The writers of several runs in one pass, one expression each, all from the first frame.

    If one fails, the others go on; `failures` contains its exception, by position. The failure of the last one is
    raised.
    """

    frames_done = 0

    def __init__(self, writers: Sequence[RunWriter]) -> None:
        self.failures: dict[int, Exception] = {}
        self._writers = dict(enumerate(writers))

    @property
    def name(self) -> str:
        return ", ".join(writer.name for writer in self._writers.values())

    def frames(self) -> Iterator[list[FrameRecord]]:
        return iter(())

    def skip(self, records: list[FrameRecord]) -> None:
        raise ValueError("rows of one pass begin with the first frame")

    def stored_snapshot(self) -> bytes | None:
        return None

    def open(self, info: VideoInfo) -> None:
        self._each(lambda index, writer: writer.open(info))

    def write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        self._each(lambda index, writer: writer.write(frame, (results[index],), None))

    def save_snapshot(self, frames_logged: int, session: StreamSession) -> None:
        self._each(lambda index, writer: writer.save_snapshot_bytes(frames_logged, session.snapshot_of(index)))

    def close(self) -> None:
        self._each(lambda index, writer: writer.close())

    def abort(self, error: BaseException) -> BaseException:
        reported = {index: writer.abort(error) for index, writer in self._writers.items()}
        if isinstance(error, VideoError):  # damaged data concerns all of them
            self.failures |= {index: each for index, each in reported.items() if isinstance(each, Exception)}
        return error

    def _each(self, do: Callable[[int, RunWriter], None]) -> None:
        for index, writer in list(self._writers.items()):
            try:
                do(index, writer)
            except Exception as error:
                writer.abort(error)
                self.failures[index] = error
                del self._writers[index]
                if not self._writers:
                    raise
