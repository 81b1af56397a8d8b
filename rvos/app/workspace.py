"""All visits of the page, the image models that they share, and the queue of films."""

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
from rvos.app.limits import Limits
from rvos.app.turns import Turns
from rvos.app.visit import Job, Visit
from rvos.segmenter import VideoSegmenter

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a film is watched."""

    model: str
    tracker: str = "tracks"
    key_frames: str = "auto"


@dataclass(frozen=True)
class Example:
    """A film that is there for everybody."""

    name: str
    path: Path
    expressions: tuple[str, ...] = ()
    #: The model that knows it; "" for the one that is chosen.
    model: str = ""


@dataclass(frozen=True)
class Offer:
    """What a visitor may choose from; the first of each is the default. Raises `ConfigError` for nothing to choose."""

    models: tuple[str, ...]
    trackers: tuple[str, ...] = ("tracks", "none")
    key_frames: tuple[str, ...] = ("auto", "all", "every:2", "every:4", "every:8", "adaptive:8")
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        for name in ("models", "trackers", "key_frames"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: expected at least one to choose, got none")

    @property
    def settings(self) -> Settings:
        """The defaults."""
        return Settings(self.models[0], self.trackers[0], self.key_frames[0])

    def check(self, settings: Settings) -> None:
        """Raise `UnknownNameError` for what is not offered: a visitor names no file of this machine."""
        for kind, value, known in (
            ("model", settings.model, self.models),
            ("tracker", settings.tracker, self.trackers),
            ("key frames", settings.key_frames, self.key_frames),
        ):
            if value not in known:
                raise UnknownNameError(kind, value, list(known))


class Workspace:
    """The page without its face.

    folder: for the films of visitors, the page's own; offer: what there is to choose; make: builds the system of some
    settings, once; limits: of every visit; now: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        folder: Path,
        offer: Offer,
        make: Callable[[Settings], VideoSegmenter],
        limits: Limits,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.offer = offer
        self.limits = limits
        self._folder = folder
        self._make = make
        self._now = now
        self._lock = Lock()
        self._visits: dict[str, Visit] = {}
        self._seen: dict[str, float] = {}
        self._systems: dict[Settings, VideoSegmenter] = {}
        self._turns = Turns()
        self._waiting: list[Job] = []
        self._workers = ThreadPoolExecutor(limits.at_once, "film")

    def enter(self, token: str | None = None) -> Visit:
        """The visit of a token, or a new one where the token is none, or its visit has expired. Raises `DataError`
        where the page is full."""
        self.sweep()
        with self._lock:
            visit = self._visits.get(token or "")
            if visit is None:
                if len(self._visits) >= self.limits.visits:
                    raise DataError(
                        f"the page is full: expected at most {self.limits.visits} visitors: try again in some minutes"
                    )
                token = secrets.token_urlsafe(24)
                folder = self._folder / secrets.token_hex(8)  # no secret in a path
                visit = Visit(token, folder, self.limits, self._turns, self._begin, self._ahead)
                self._visits[token] = visit
            self._seen[visit.token] = self._now()
            return visit

    def visit(self, token: str) -> Visit:
        """The visit of a token. Raises `DataError` where it has expired."""
        with self._lock:
            visit = self._visits.get(token)
            if visit is None:
                raise DataError("this visit has expired and its video is deleted: reload the page")
            self._seen[token] = self._now()
            return visit

    def ask(self, visit: Visit, expressions: str, settings: Settings) -> None:
        """Begin to watch a visit's film. expressions: one a line, blank lines are left out. Raises `RvosError`."""
        self.offer.check(settings)
        lines = (" ".join(line.split()) for line in expressions.splitlines())
        visit.ask(tuple(dict.fromkeys(line for line in lines if line)), self.system(settings))

    def system(self, settings: Settings) -> VideoSegmenter:
        """The system of some settings, built once. Raises `RvosError`."""
        with self._lock:
            if settings not in self._systems:
                self._systems[settings] = self._make(settings)
            return self._systems[settings]

    def sweep(self) -> int:
        """Delete the visits that gave no sign for too long; how many these were."""
        oldest = self._now() - 60 * self.limits.kept_minutes
        with self._lock:
            gone = [self._visits.pop(token) for token, seen in list(self._seen.items()) if seen < oldest]
            for visit in gone:
                del self._seen[visit.token]
        for visit in gone:
            visit.leave()
        return len(gone)

    def rest(self) -> None:
        """Give back what is held for frames that nobody asks for. Called now and then."""
        with self._lock:
            visits = list(self._visits.values())
        for visit in visits:
            visit.rest()

    def close(self) -> None:
        """End all work and delete all films."""
        with self._lock:
            visits = list(self._visits.values())
            self._visits.clear()
            self._seen.clear()
        for visit in visits:
            visit.stop()
        self._workers.shutdown(cancel_futures=True)
        for visit in visits:
            visit.leave()

    def counts(self) -> Mapping[str, int]:
        """How many visits there are, and how many films wait."""
        with self._lock:
            return {"visits": len(self._visits), "waiting": len([job for job in self._waiting if not job.was_stopped])}

    def _begin(self, job: Job) -> None:
        with self._lock:
            self._waiting.append(job)
        self._workers.submit(self._run, job).add_done_callback(_tell)

    def _run(self, job: Job) -> None:
        with self._lock:
            self._waiting.remove(job)
        if job.was_stopped:
            job.ended.set()
            return
        job.run()

    def _ahead(self, job: Job) -> int:
        with self._lock:
            before = self._waiting[: self._waiting.index(job)] if job in self._waiting else []
            return len([other for other in before if not other.was_stopped])


def _tell(done: Future[None]) -> None:
    """A fault of ours belongs into the log."""
    if not done.cancelled() and (error := done.exception()) is not None:
        _LOG.error("the page: a film broke off", exc_info=error)
