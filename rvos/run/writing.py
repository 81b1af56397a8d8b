"""What runs leave of their frames: outputs, logs and snapshots, made in threads behind the session."""

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
_PICTURE_THREADS = 4
"""That write pictures of one kind; encoding them holds no lock of the interpreter."""


class Writer(Protocol):
    """Takes the frames of a pass: `open`, any number of `write` and `keep`, then either `close` or `abort`."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def frames_done(self) -> int:
        """Of how many frames an earlier pass has left the results."""
        ...

    def frames(self) -> Iterator[list[FrameRecord]]:
        """The records of those frames, in order."""
        ...

    def pass_over(self, records: list[FrameRecord]) -> None:
        """Take in one of those frames that need not be written again."""
        ...

    def kept(self) -> bytes | None:
        """The snapshot of the session that an earlier pass has left."""
        ...

    def open(self, info: VideoInfo) -> None:
        """Make ready. Raises `OutputError`."""
        ...

    def write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        """Take in a frame and its results; records: what the log has of it, where it is among those done. Raises what
        went wrong behind."""
        ...

    def keep(self, frames_logged: int, session: Any) -> None:
        """Keep the state of the session in which that many frames have their results. Raises as `write` does."""
        ...

    def close(self) -> None:
        """Do what waits and finish. Raises `OutputError`."""
        ...

    def abort(self, error: BaseException) -> BaseException:
        """The pass broke: do what waits, for it belongs to what came before, and leave readable what can be. What is to
        be told of it."""
        ...


class RunWriter:
    """The writer of one run."""

    def __init__(self, directory: RunDirectory, targets: Sequence[Target], exporters: Sequence[Exporter]) -> None:
        self.directory = directory
        self.summary = Summary(targets)
        self._targets = tuple(targets)
        self._exporters = exporters
        self._opened: list[Exporter] = []
        # Each output in a thread of its own, so that the slowest of them is all that is waited for.
        self._exporting = [Worker("exports", threads=_PICTURE_THREADS if _is_apart(e) else 1) for e in exporters]
        self._logging = Worker("log")
        self._behind = ExitStack()
        self._written = 0

    @property
    def name(self) -> str:
        return str(self.directory.path)

    @property
    def frames_done(self) -> int:
        return self.directory.frames_done

    @property
    def frame_count(self) -> int:
        """The frames that have their results in the log."""
        return self._written

    def frames(self) -> Iterator[list[FrameRecord]]:
        return self.directory.frames()

    @property
    def frames_standing(self) -> int:
        """How many of the frames that are done need not be shown again: all where what was written of each stands; none
        where a video or a picture is made of the whole."""
        return self.frames_done if all(map(_is_apart, self._exporters)) else 0

    def pass_over(self, records: list[FrameRecord]) -> None:
        self.summary.add(records)
        self._written += 1

    def kept(self) -> bytes | None:
        snapshot = self.directory.load_snapshot()
        return None if snapshot is None else snapshot[1]

    def open(self, info: VideoInfo) -> None:
        for worker in (self._logging, *self._exporting):
            self._behind.enter_context(worker)
        for exporter in self._exporters:
            exporter.open(info, self._targets)
            self._opened.append(exporter)

    def write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        if records is not None and records[0].frame_index != frame.index:
            raise OutputError(
                f"{self.name}: expected frame {records[0].frame_index}, as in the log, got {frame.index}; the video "
                "has changed since: pass --overwrite to start over"
            )
        for exporter, worker in zip(self._exporters, self._exporting, strict=True):
            worker.submit(partial(exporter.write, frame, results))
        self._logging.submit(partial(self._log, results, records))

    def keep(self, frames_logged: int, session: Session) -> None:
        self.keep_snapshot(frames_logged, session.snapshot())

    def keep_snapshot(self, frames_logged: int, snapshot: bytes) -> None:
        """`keep` for a state that is bytes already."""
        for worker in self._exporting:
            worker.wait()  # a run that goes on from here finds the pictures of these frames
        self._logging.submit(partial(self.directory.save_snapshot, frames_logged, snapshot))

    def close(self) -> None:
        self._behind.close()
        while self._opened:
            self._opened.pop(0).close()

    def abort(self, error: BaseException) -> BaseException:
        self._behind.__exit__(type(error), error, error.__traceback__)
        while self._opened:
            try:
                self._opened.pop(0).abort()
            except OutputError as other:
                _LOG.error("%s", other)  # the caller is told of what came first
        if isinstance(error, VideoError):
            return VideoError(f"{error}{_kept(self._written, self.name)}")
        return error

    def timing(self, seconds: dict[str, float], together: int = 1) -> dict[str, float]:
        """For `timing.json`: frames, frames per second, and where the time of the pass went. `waiting_*` are the main
        thread's; `writing_s` is the time that the writer's threads were busy, added up; together: runs that shared the
        pass."""
        document = {"frames": self._written, "frames_replayed": self.frames_done, "runs_together": together}
        rate = {
            "frames_per_s": self._written / seconds["wall_s"],
            "writing_s": sum(worker.busy_s for worker in (self._logging, *self._exporting)),
        }
        return document | rate | seconds

    def _log(self, results: Results, records: list[FrameRecord] | None) -> None:
        """In the log's thread. `records` are those of a frame that is in the log already."""
        self.summary.add(self.directory.append(results) if records is None else records)
        self._written += 1


def _kept(frames: int, name: str) -> str:
    """What is said of the frames before the one where a video broke."""
    if not frames:
        return ""
    return f"; the {f'{frames} frames before are' if frames > 1 else 'frame before is'} kept in {name}"


def _is_apart(exporter: Exporter) -> bool:
    return isinstance(exporter, PerFrameExporter)


class RowWriters:
    """The writers of several runs whose expressions are watched together, one each, all from the first frame.

    One that fails is left out, and the others go on; `failures` tells why, by its position. When the last one is out,
    its failure is raised.
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

    def pass_over(self, records: list[FrameRecord]) -> None:
        raise ValueError("rows that are watched together begin together")

    def kept(self) -> bytes | None:
        return None

    def open(self, info: VideoInfo) -> None:
        self._each(lambda index, writer: writer.open(info))

    def write(self, frame: Frame, results: Results, records: list[FrameRecord] | None) -> None:
        self._each(lambda index, writer: writer.write(frame, (results[index],), None))

    def keep(self, frames_logged: int, session: StreamSession) -> None:
        self._each(lambda index, writer: writer.keep_snapshot(frames_logged, session.snapshot_of(index)))

    def close(self) -> None:
        self._each(lambda index, writer: writer.close())

    def abort(self, error: BaseException) -> BaseException:
        told = {index: writer.abort(error) for index, writer in self._writers.items()}
        if isinstance(error, VideoError):  # it breaks for each of them at the same place
            self.failures |= {index: each for index, each in told.items() if isinstance(each, Exception)}
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
