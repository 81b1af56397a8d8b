"""All visits of the page, the systems that they share, and the queue of videos. Independent of the web server."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from image_core.errors import ConfigError, DataError, UnknownNameError
from rvos.app.fair_lock import FairLock
from rvos.app.limits import Limits
from rvos.app.visit import Job, Visit
from rvos.segmenter import VideoSegmenter

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """The system that a visitor has chosen."""

    model: str
    tracker: str = "tracks"
    key_frames: str = "auto"


@dataclass(frozen=True)
class Example:
    """A video that every visitor may choose."""

    name: str
    path: Path
    expressions: tuple[str, ...] = ()
    #: The model to choose with it; "" to keep the chosen one.
    model: str = ""


@dataclass(frozen=True)
class Choices:
    """What a visitor may choose from; the first of each is the default. Raises `ConfigError` if one of them is
    empty."""

    models: tuple[str, ...]
    trackers: tuple[str, ...] = ("tracks", "none")
    key_frames: tuple[str, ...] = ("auto", "all", "every:2", "every:4", "every:8", "adaptive:8")
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        for name in ("models", "trackers", "key_frames"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: expected at least one to choose, got none")

    @property
    def default_settings(self) -> Settings:
        """The first of each."""
        return Settings(self.models[0], self.trackers[0], self.key_frames[0])

    def check(self, settings: Settings) -> None:
        """Raise `UnknownNameError` for a value that is not among the choices: a visitor must not name a file of this
        machine."""
        for kind, value, names in (
            ("model", settings.model, self.models),
            ("tracker", settings.tracker, self.trackers),
            ("key frames", settings.key_frames, self.key_frames),
        ):
            if value not in names:
                raise UnknownNameError(kind, value, list(names))


class Workspace:
    """All visits, the systems that they share, and the queue of videos.

    folder: for the files of visitors; choices: what visitors may choose from; build_segmenter: called once for each
    `Settings`; limits: of every visit; clock: seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path,
        choices: Choices,
        build_segmenter: Callable[[Settings], VideoSegmenter],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.choices = choices
        self.limits = limits
        self._folder = folder
        self._build_segmenter = build_segmenter
        self._clock = clock
        self._lock = Lock()
        self._visits: dict[str, Visit] = {}
        self._last_seen: dict[str, float] = {}
        self._segmenters: dict[Settings, VideoSegmenter] = {}
        self._model_lock = FairLock()
        self._queue: list[Job] = []
        self._workers = ThreadPoolExecutor(limits.at_once, "video")

    def open_visit(self, token: str | None = None) -> Visit:
        """The visit with this token, or a new one if there is none. Raises `DataError` if there are too many visits."""
        self.delete_expired()
        with self._lock:
            visit = self._visits.get(token or "")
            if visit is None:
                if len(self._visits) >= self.limits.visits:
                    raise DataError(
                        f"the page is full: expected at most {self.limits.visits} visitors: try again in some minutes"
                    )
                token = secrets.token_urlsafe(24)
                folder = self._folder / secrets.token_hex(8)  # not the token: paths are not secret
                visit = Visit(token, folder, self.limits, self._model_lock, self._enqueue, self._jobs_ahead)
                self._visits[token] = visit
            self._last_seen[visit.token] = self._clock()
            return visit

    def visit(self, token: str) -> Visit:
        """The visit with this token. Raises `DataError` if it has expired."""
        with self._lock:
            visit = self._visits.get(token)
            if visit is None:
                raise DataError("this visit has expired and its video is deleted: reload the page")
            self._last_seen[token] = self._clock()
            return visit

    def segment(self, visit: Visit, expressions: str, settings: Settings) -> None:
        """Start to process the video of a visit. expressions: one per line; empty and repeated lines are ignored.
        Raises `RvosError`."""
        self.choices.check(settings)
        lines = (" ".join(line.split()) for line in expressions.splitlines())
        visit.segment(tuple(dict.fromkeys(line for line in lines if line)), self.segmenter(settings))

    def segmenter(self, settings: Settings) -> VideoSegmenter:
        """The segmenter with these settings, built on the first call. Raises `RvosError`."""
        with self._lock:
            if settings not in self._segmenters:
                self._segmenters[settings] = self._build_segmenter(settings)
            return self._segmenters[settings]

    def delete_expired(self) -> int:
        """Delete the visits without a request for `Limits.kept_minutes`. Returns their number."""
        oldest = self._clock() - 60 * self.limits.kept_minutes
        with self._lock:
            expired = [self._visits.pop(token) for token, seen in list(self._last_seen.items()) if seen < oldest]
            for visit in expired:
                del self._last_seen[visit.token]
        for visit in expired:
            visit.close()
        return len(expired)

    def release_idle(self) -> None:
        """`Visit.release_idle` of every visit."""
        with self._lock:
            visits = list(self._visits.values())
        for visit in visits:
            visit.release_idle()

    def close(self) -> None:
        """Stop all jobs and delete all visits."""
        with self._lock:
            visits = list(self._visits.values())
            self._visits.clear()
            self._last_seen.clear()
        for visit in visits:
            visit.stop()
        self._workers.shutdown(cancel_futures=True)
        for visit in visits:
            visit.close()

    def counts(self) -> Mapping[str, int]:
        """The numbers of visits and of waiting videos."""
        with self._lock:
            return {"visits": len(self._visits), "waiting": len([job for job in self._queue if not job.was_stopped])}

    def _enqueue(self, job: Job) -> None:
        with self._lock:
            self._queue.append(job)
        self._workers.submit(self._run, job).add_done_callback(_log_exception)

    def _run(self, job: Job) -> None:
        with self._lock:
            self._queue.remove(job)
        if job.was_stopped:
            job.ended.set()
            return
        job.run()

    def _jobs_ahead(self, job: Job) -> int:
        with self._lock:
            before = self._queue[: self._queue.index(job)] if job in self._queue else []
            return len([other for other in before if not other.was_stopped])


def _log_exception(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _LOG.error("rvos app: processing a video failed", exc_info=error)
