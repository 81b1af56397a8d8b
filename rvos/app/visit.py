"""One visitor: the video, its segmentation, and the job that computes it. Visitors share nothing of these."""

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
from rvos.app.fair_lock import FairLock
from rvos.app.limits import Limits
from rvos.app.segmentation import Segmentation
from rvos.app.uploaded_video import UploadedVideo
from rvos.segmenter import VideoSegmenter


class State(StrEnum):
    """What a visit is doing."""

    EMPTY = "empty"
    READY = "ready"
    WAITING = "waiting"
    PROCESSING = "processing"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True)
class Status:
    """The state and the progress of a visit."""

    state: State
    #: Frames that have their results, of `total`.
    done: int = 0
    total: int = 0
    #: Frames of the preview that are segmented, of `previews_total`.
    previews_done: int = 0
    previews_total: int = 0
    #: Videos before this one in the queue, while it waits.
    videos_ahead: int = 0
    #: Why it failed, in one line.
    error: str = ""


class Job:
    """Processes a video from where it stands to its end, or until it is stopped."""

    def __init__(self, segmentation: Segmentation, lock: FairLock) -> None:
        self.started = Event()
        self.ended = Event()
        self.error = ""
        self._segmentation = segmentation
        self._lock = lock
        self._stop = Event()

    def run(self) -> None:
        """Process the video; the lock is held for one frame at a time. An `RvosError` is reported in `error`. Any other
        exception is a fault of the program: it is reported there, too, and raised again."""
        self.started.set()
        try:
            with closing(self._segmentation.steps()) as steps:
                while not self._stop.is_set():
                    with self._lock:
                        if next(steps, self) is self:
                            return
        except RvosError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"error in the program ({type(error).__name__}); its log says more"
            raise
        finally:
            self.ended.set()

    @property
    def was_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let the job end after the current frame. A job that has not started ends as soon as it would start."""
        self._stop.set()


class Upload:
    """A file that is being uploaded. `finish` makes it the video of its visit."""

    def __init__(self, visit: Visit, path: Path, name: str, file: BinaryIO) -> None:
        self._visit = visit
        self._path = path
        self._file = file
        self._name = _display_name(name)

    def write(self, data: bytes) -> None:
        """Append bytes. Raises `DataError` if the file becomes too large."""
        self._file.write(data)
        self._visit.limits.check_size(self._file.tell(), self._name)

    def finish(self) -> UploadedVideo:
        """`Visit.set_video` with the uploaded file. Raises as it does."""
        self._file.close()
        return self._visit.set_video(self._path, self._name)


class Visit:
    """The state of one visitor. Every method may be called from any thread.

    token: a secret that identifies the visitor; folder: of this visit alone, deleted with it; lock: shared by the jobs
    of all visits; enqueue: puts a job into the queue of the page; jobs_ahead: how many jobs are before a job in it.
    """

    def __init__(
        self,
        token: str,
        folder: Path,
        limits: Limits,
        lock: FairLock,
        enqueue: Callable[[Job], None],
        jobs_ahead: Callable[[Job], int],
    ) -> None:
        self.token = token
        self.limits = limits
        self.video: UploadedVideo | None = None
        self.segmentation: Segmentation | None = None
        self.version = 0
        """Increases after every new video and every new set of expressions."""
        self._folder = folder
        self._model_lock = lock
        self._enqueue = enqueue
        self._jobs_ahead = jobs_ahead
        self._lock = RLock()
        self._job: Job | None = None
        self._file_count = 0
        self._upload_count = 0
        make_folder(folder)

    @property
    def downloads_folder(self) -> Path:
        """The folder in which files to download are made."""
        return self._folder / "exports"

    @contextmanager
    def upload(self, name: str) -> Iterator[Upload]:
        """Receive a file. name: as its owner calls it. The file is deleted on exit, except after `Upload.finish`."""
        with self._lock:
            self._upload_count += 1
            path = self._folder / f"upload_{self._upload_count}{_suffix(name)}"
        try:
            with path.open("xb") as file:
                yield Upload(self, path, name, file)
        finally:
            path.unlink(missing_ok=True)

    def set_video(self, path: Path, name: str) -> UploadedVideo:
        """Make a file the video of this visit; it replaces the video before and its results. path: the file is moved
        away from there. Raises `DataError` if the file is not a video or exceeds a limit; the file is deleted then, and
        the video before stays."""
        with self._lock:
            if not path.is_file():
                raise DataError(
                    f"'{name}': another video was uploaded meanwhile, or the visit has ended: upload it again"
                )
            self._stop_and_wait()
            self._file_count += 1
            video_path = self._folder / f"video_{self._file_count}{_suffix(path.name)}"
            shutil.move(path, video_path)
            try:
                video = UploadedVideo(video_path, name, self.limits)
            except RvosError:
                video_path.unlink(missing_ok=True)
                raise
            for other in self._folder.iterdir():
                if other != video_path:
                    _delete(other)
            self.video, self.segmentation, self._job = video, None, None
            self.version += 1
            return video

    def set_video_copy(self, path: Path, name: str) -> UploadedVideo:
        """`set_video` with a copy of a file, such as an example."""
        with self._lock:
            copy = self._folder / f"example{path.suffix}"
            shutil.copyfile(path, copy)
            return self.set_video(copy, name)

    def segment(self, expressions: tuple[str, ...], segmenter: VideoSegmenter) -> Segmentation:
        """Start to process the video for some expressions. Raises `DataError`."""
        self.limits.check_expressions(expressions)
        with self._lock:
            if self.video is None:
                raise DataError("video: expected one, got none: upload a video, or choose an example")
            self._stop_and_wait()
            self._file_count += 1
            _delete(self.downloads_folder)
            snapshots = self._folder / f"snapshots_{self._file_count}"
            self.segmentation = Segmentation(self.video, segmenter, expressions, snapshots)
            self.version += 1
            self._start()
            return self.segmentation

    def stop(self) -> None:
        """Stop processing after the current frame. The results are kept."""
        with self._lock:
            if self._job is not None and not self._job.ended.is_set():
                self._job.stop()

    def resume(self) -> None:
        """Continue where processing stopped. Raises `DataError` if no expressions were given."""
        with self._lock:
            self._require_segmentation()
            self._stop_and_wait()
            self._start()

    def correct(self, frame_index: int, expression_index: int, mask: np.ndarray | None) -> None:
        """`Segmentation.correct`; then the video is processed again from that frame on. Raises `DataError` or
        `ConfigError`."""
        with self._lock:
            segmentation = self._require_segmentation()
            self._stop_and_wait()
            try:
                segmentation.correct(frame_index, expression_index, mask)
            finally:
                self._start()

    def choose_candidate(self, frame_index: int, expression_index: int, candidate: int) -> None:
        """`correct` with the mask of a candidate, given by its position in `candidates`. Raises as both do."""
        candidates = self.candidates(frame_index, expression_index)
        if not 0 <= candidate < len(candidates):
            raise DataError(f"candidate: expected one of the {len(candidates)} of this frame, got {candidate}")
        self.correct(frame_index, expression_index, candidates[candidate][0])

    def undo_correction(self, frame_index: int, expression_index: int) -> None:
        """Remove a correction; then the video is processed again from that frame on. Raises `DataError`."""
        with self._lock:
            segmentation = self._require_segmentation()
            self._stop_and_wait()
            try:
                segmentation.undo_correction(frame_index, expression_index)
            finally:
                self._start()

    def candidates(self, frame_index: int, expression_index: int) -> list[tuple[np.ndarray, float]]:
        """The candidates of the image model on a frame, likeliest first: masks (H, W) bool and likelihoods in [0, 1].
        Raises `DataError`."""
        segmentation = self._require_segmentation()
        with self._model_lock:
            answers = segmentation.answers(frame_index)
        if not 0 <= expression_index < len(answers):
            raise DataError(f"expression: expected 0 to {len(answers) - 1}, got {expression_index}")
        candidates = answers[expression_index].candidates_at(segmentation.video.info.size)
        return [(candidate.mask, candidate.likelihood) for candidate in candidates]

    def status(self) -> Status:
        """The state and the progress of this visit."""
        with self._lock:
            if self.video is None:
                return Status(State.EMPTY)
            segmentation, job = self.segmentation, self._job
            if segmentation is None or job is None:
                return Status(State.READY, total=self.video.frame_count)
            done, total = segmentation.frames_done, self.video.frame_count
            if not job.ended.is_set():
                if job.started.is_set():
                    return Status(State.PROCESSING, done, total, *segmentation.preview_progress)
                if not job.was_stopped:
                    return Status(State.WAITING, done, total, videos_ahead=self._jobs_ahead(job))
                return Status(State.STOPPED, done, total)
            if job.error:
                return Status(State.FAILED, done, total, error=job.error)
            return Status(State.DONE if segmentation.is_finished else State.STOPPED, done, total)

    def release_idle(self) -> None:
        """Close the decoder of the video if no frame was requested since the last call."""
        video = self.video
        if video is not None:
            video.release_idle()

    def close(self) -> None:
        """Stop processing, and delete all files of the visit."""
        with self._lock:
            self._stop_and_wait()
            self.video, self.segmentation, self._job = None, None, None
            _delete(self._folder)

    def _require_segmentation(self) -> Segmentation:
        with self._lock:
            if self.segmentation is None:
                raise DataError("expressions: expected at least one, got none: enter what to look for first")
            return self.segmentation

    def _start(self) -> None:
        assert self.segmentation is not None
        self._job = Job(self.segmentation, self._model_lock)
        self._enqueue(self._job)

    def _stop_and_wait(self) -> None:
        """Stop the job and wait until it has ended, which takes one frame at most."""
        if self._job is None:
            return
        self._job.stop()
        if self._job.started.is_set():
            self._job.ended.wait()


def _display_name(name: str) -> str:
    """The name of a file without folders and without characters that cannot be printed."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(c if c.isprintable() else " " for c in last).strip()[:120] or "video"


def _suffix(name: str) -> str:
    """The suffix of a file name, such as ".mp4"; "" if there is none."""
    match = re.search(r"\.[A-Za-z0-9]{1,7}$", name)
    return "" if match is None else match[0]


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
