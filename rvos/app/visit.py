"""One visitor: a film, what is asked of it, and the work on it. Nothing of it is shared with another visitor."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event, RLock
from typing import BinaryIO

import numpy as np

from image_core.errors import DataError, RvosError
from image_core.files import make_folder
from rvos.app.film import Film
from rvos.app.limits import Limits
from rvos.app.turns import Turns
from rvos.app.watching import Watching
from rvos.segmenter import VideoSegmenter


class State(StrEnum):
    """Where the work on a film is."""

    EMPTY = "empty"
    READY = "ready"
    WAITING = "waiting"
    WATCHING = "watching"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True)
class Status:
    """What is told of the work."""

    state: State
    #: Frames that have their results, of `total`.
    done: int = 0
    total: int = 0
    #: Frames of the first look that were looked at, of `looks`.
    looked: int = 0
    looks: int = 0
    #: Films before this one, where it waits.
    ahead: int = 0
    #: Why it failed, in one line.
    message: str = ""


class Job:
    """One go at a film, from where it stands to its end, or until somebody stops it."""

    def __init__(self, watching: Watching, turns: Turns) -> None:
        self.began = Event()
        self.ended = Event()
        self.failure = ""
        self._watching = watching
        self._turns = turns
        self._stop = Event()

    def run(self) -> None:
        """Work, a frame a turn. Whatever goes wrong is told in `failure`; a fault of ours is raised, too."""
        self.began.set()
        try:
            with closing(self._watching.steps()) as steps:
                while not self._stop.is_set():
                    with self._turns:
                        if next(steps, self) is self:
                            return
        except RvosError as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = f"error in the program ({type(error).__name__}); its log says more"
            raise
        finally:
            self.ended.set()

    @property
    def was_stopped(self) -> bool:
        """Somebody stopped it."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let it end after the frame that it is at; one that has not begun ends at once when its turn comes."""
        self._stop.set()


class Arriving:
    """A file that is on its way; `take` makes it the film of its visit."""

    def __init__(self, visit: Visit, path: Path, name: str, file: BinaryIO) -> None:
        self._visit = visit
        self._path = path
        self._file = file
        self._name = _called(name)

    def write(self, data: bytes) -> None:
        """The next bytes. Raises `DataError` where these are too many."""
        self._file.write(data)
        self._visit.limits.check_size(self._file.tell(), self._name)

    def take(self) -> Film:
        """`Visit.take` of what has come. Raises as it does."""
        self._file.close()
        return self._visit.take(self._path, self._name)


class Visit:
    """The state of one visitor. Every method may be called from any thread.

    token: a secret that stands for the visitor; folder: the visit's own, deleted with it; begin: puts a job in the
    queue of the page; ahead: how many jobs are before one.
    """

    def __init__(
        self,
        token: str,
        folder: Path,
        limits: Limits,
        turns: Turns,
        begin: Callable[[Job], None],
        ahead: Callable[[Job], int],
    ) -> None:
        self.token = token
        self.limits = limits
        self.film: Film | None = None
        self.watching: Watching | None = None
        self.version = 0
        """Rises with every film and every question, after it is there."""
        self._folder = folder
        self._turns = turns
        self._begin = begin
        self._ahead = ahead
        self._lock = RLock()
        self._job: Job | None = None
        self._asked = 0
        self._arrived = 0
        make_folder(folder)

    @property
    def exports_folder(self) -> Path:
        """Where files to take away are made."""
        return self._folder / "exports"

    @contextmanager
    def arriving(self, name: str) -> Iterator[Arriving]:
        """A film that comes from its owner, who calls it so. What is not taken is deleted when this is left."""
        with self._lock:
            self._arrived += 1
            path = self._folder / f"arriving_{self._arrived}{_ending(name)}"
        try:
            with path.open("xb") as file:
                yield Arriving(self, path, name, file)
        finally:
            path.unlink(missing_ok=True)

    def take(self, path: Path, name: str) -> Film:
        """Take a file over as the film of this visit, in the place of one before. path: it is moved away from there.
        Raises `DataError`: the file is no film, or beyond the limits; it is deleted then."""
        with self._lock:
            if not path.is_file():
                raise DataError(
                    f"'{name}': another video was uploaded meanwhile, or the visit has ended: upload it again"
                )
            self._halt()
            self._asked += 1
            kept = self._folder / f"film_{self._asked}{_ending(path.name)}"
            shutil.move(path, kept)
            try:
                film = Film(kept, name, self.limits)
            except RvosError:
                kept.unlink(missing_ok=True)
                raise
            for other in self._folder.iterdir():
                if other != kept:
                    _delete(other)
            self.film, self.watching, self._job = film, None, None
            self.version += 1
            return film

    def take_copy(self, path: Path, name: str) -> Film:
        """`take` of a copy: for a film that is there for everybody."""
        with self._lock:
            copy = self._folder / f"example{path.suffix}"
            shutil.copyfile(path, copy)
            return self.take(copy, name)

    def ask(self, expressions: tuple[str, ...], segmenter: VideoSegmenter) -> Watching:
        """Begin to watch the film for some expressions. Raises `DataError`."""
        self.limits.check_expressions(expressions)
        with self._lock:
            if self.film is None:
                raise DataError("video: expected one, got none: upload a video, or choose an example")
            self._halt()
            self._asked += 1
            _delete(self.exports_folder)
            self.watching = Watching(self.film, segmenter, expressions, self._folder / f"question_{self._asked}")
            self.version += 1
            self._go()
            return self.watching

    def stop(self) -> None:
        """Stop the work after the frame that it is at. What was found stays."""
        with self._lock:
            if self._job is not None and not self._job.ended.is_set():
                self._job.stop()

    def go_on(self) -> None:
        """Go on where it stopped. Raises `DataError` where nothing was asked."""
        with self._lock:
            self._asked_watching()
            self._halt()
            self._go()

    def correct(self, frame_index: int, expression_index: int, mask: np.ndarray | None) -> None:
        """From this frame on, mask (H, W) bool is what an expression means, None: it is not there; the film is watched
        again from there.
        Raises `DataError` or `ConfigError`."""
        with self._lock:
            watching = self._asked_watching()
            self._halt()
            try:
                watching.correct(frame_index, expression_index, mask)
            finally:
                self._go()

    def choose(self, frame_index: int, expression_index: int, candidate: int) -> None:
        """`correct` with the mask of a candidate, by its position among `candidates`. Raises as both do."""
        found = self.candidates(frame_index, expression_index)
        if not 0 <= candidate < len(found):
            raise DataError(f"candidate: expected one of the {len(found)} of this frame, got {candidate}")
        self.correct(frame_index, expression_index, found[candidate][0])

    def withdraw(self, frame_index: int, expression_index: int) -> None:
        """Take a correction back; the film is watched again from there. Raises `DataError`."""
        with self._lock:
            watching = self._asked_watching()
            self._halt()
            try:
                watching.withdraw(frame_index, expression_index)
            finally:
                self._go()

    def candidates(self, frame_index: int, expression_index: int) -> list[tuple[np.ndarray, float]]:
        """The regions of a frame that the image model holds possible, the likeliest first: masks (H, W) bool and how
        likely each is meant, in [0, 1]. Raises `DataError`."""
        watching = self._asked_watching()
        with self._turns:
            answers = watching.answers(frame_index)
        if not 0 <= expression_index < len(answers):
            raise DataError(f"expression: expected 0 to {len(answers) - 1}, got {expression_index}")
        found = answers[expression_index].candidates_at(watching.film.info.size)
        return [(candidate.mask, candidate.likelihood) for candidate in found]

    def status(self) -> Status:
        """Where the work is."""
        with self._lock:
            if self.film is None:
                return Status(State.EMPTY)
            watching, job = self.watching, self._job
            if watching is None or job is None:
                return Status(State.READY, total=self.film.frame_count)
            done, total = watching.done, self.film.frame_count
            if not job.ended.is_set():
                if job.began.is_set():
                    looked, looks = watching.first_look
                    return Status(State.WATCHING, done, total, looked, looks)
                if not job.was_stopped:
                    return Status(State.WAITING, done, total, ahead=self._ahead(job))
                return Status(State.STOPPED, done, total)
            if job.failure:
                return Status(State.FAILED, done, total, message=job.failure)
            return Status(State.DONE if watching.is_finished else State.STOPPED, done, total)

    def rest(self) -> None:
        """Give back what is held for frames that nobody asks for. Called now and then."""
        film = self.film
        if film is not None:
            film.rest()

    def leave(self) -> None:
        """End the work, and delete all that there is of the visit."""
        with self._lock:
            self._halt()
            self.film, self.watching, self._job = None, None, None
            _delete(self._folder)

    def _asked_watching(self) -> Watching:
        with self._lock:
            if self.watching is None:
                raise DataError("expressions: expected at least one, got none: enter what to look for first")
            return self.watching

    def _go(self) -> None:
        assert self.watching is not None
        self._job = Job(self.watching, self._turns)
        self._begin(self._job)

    def _halt(self) -> None:
        """Stop the work and wait until it has stopped: at most a frame."""
        if self._job is None:
            return
        self._job.stop()
        if self._job.began.is_set():
            self._job.ended.wait()


def _called(name: str) -> str:
    """A file's name without folders and what cannot be shown."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(sign if sign.isprintable() else " " for sign in last).strip()[:120] or "video"


def _ending(name: str) -> str:
    """The ending that tells the kind of a file; "" for one that tells nothing."""
    found = re.search(r"\.[A-Za-z0-9]{1,7}$", name)
    return "" if found is None else found[0]


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
