"""One video into one folder: what `rvos segment` and `rvos demo` do, interrupted or not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from image_core.entries import entries_of, fingerprint, path_exists
from image_core.images import is_image_file
from image_core.progress import Progress, no_progress
from rvos.export import paths
from rvos.export.outputs import DEFAULT, OUTPUTS, ExportInput
from rvos.export.recorded import Recorded
from rvos.export.report import result_document
from rvos.export.table import build_exporters, write_document
from rvos.run.folder import RunDirectory
from rvos.run.recording import Recording
from rvos.run.remote import at_hand, is_url, state_of_url
from rvos.run.writing import RunWriter
from rvos.segmenter import VideoSegmenter, open_with_masks
from rvos.types import Frame, OutputError, Target, VideoInfo, expression_targets
from rvos.video.source import camera_number, path_of
from rvos.watch.corrected_session import with_corrections
from rvos.watch.corrections import Corrections
from rvos.watch.prompts import MaskPrompts
from rvos.watch.session import StreamSession
from rvos.watch.source import SampledFrames
from rvos.watch.stream import Session

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One video, what is asked of it, and the folder for the results.

    source: a file, a folder of pictures, `camera:N`, or the URL of a file or folder (`s3://`, `gs://`).

    expressions: what is asked in words; prompts: or the masks that objects are followed from, in place of expressions;
    corrections: what expressions mean from some frames on; save: outputs by name; only_frames: frame indices (0-based,
    half-open) that the output `frames` is made of, None for all; overwrite: replace another run that is in `out`.
    """

    source: str
    expressions: tuple[str, ...]
    out: Path
    save: tuple[str, ...] = DEFAULT
    only_frames: range | None = None
    overwrite: bool = False
    prompts: MaskPrompts | None = None
    corrections: Corrections | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What results come of, in their order."""
        return expression_targets(self.expressions) if self.prompts is None else self.prompts.targets

    @property
    def tells_candidates(self) -> bool:
        """An output shows what the image model held possible on the frames that it was asked about."""
        return self.prompts is None and any(OUTPUTS[name].has_candidates for name in self.save)

    def document(self, segmenter: VideoSegmenter) -> dict[str, Any]:
        """Everything that the results depend on, as JSON values."""
        if self.prompts is None:
            asked = {"expressions": list(self.expressions), **segmenter.document()}
        else:
            asked = {"prompts": self.prompts.document(), **segmenter.mask_document()}
        given = {} if self.corrections is None else {"corrections": self.corrections.document()}
        return {
            "source": self.source,
            "source_sha256": state_of(self.source),
            **asked,
            **given,
            "save": list(self.save),
            "only_frames": None if self.only_frames is None else [self.only_frames.start, self.only_frames.stop],
        }


def state_of(source: str) -> str | None:
    """Another text where the file, or a picture of the folder, has changed; None for a camera. Raises `VideoError`."""
    if camera_number(source) is not None:
        return None
    if is_url(source):
        return state_of_url(source)
    path = path_of(source)
    return fingerprint(p for p in entries_of(path) if is_image_file(p)) if path.is_dir() else fingerprint([path])


@dataclass(frozen=True)
class Report:
    """What a run left. result: the content of `result.json`; outputs: name -> file or folder."""

    out: Path
    result: dict[str, Any]
    outputs: dict[str, Path]


def run(job: Job, segmenter: VideoSegmenter, progress: Progress = no_progress) -> Report:
    """Segment a video into `job.out`, going on from where an earlier run of the same job stopped.

    One segmenter may serve many jobs: its model is loaded once, by the first that needs it.

    A finished run is done at once. Raises `RvosError` for whatever is wrong with the input; what can be known before
    frames are read is found before `job.out` is touched. When the video breaks in the middle, `VideoError`: the frames
    before are in `job.out`, and it stays unfinished.
    """
    if not job.overwrite and is_finished(job.out):
        with RunDirectory(job.out, job.document(segmenter), job.targets):
            return report_of(job)
    exporters = build_exporters(job.save, job.out, only_frames=job.only_frames)
    with at_hand(job.source) as here, _opened(job, here, segmenter) as (info, frames, directory, session), directory:
        if directory.frames_done and camera_number(job.source) is not None:
            raise OutputError(f"{job.out}: what a camera showed is past and cannot be continued; pass --overwrite")
        if isinstance(session, StreamSession) and directory.load_snapshot() is None:
            _first_pass(directory, session, here, segmenter)
        writer = RunWriter(directory, job.targets, exporters)
        # Masks may be for frames among those that stand.
        standing = writer.frames_standing if isinstance(frames, SampledFrames) else 0
        watched = with_corrections(session, job.corrections) if isinstance(session, StreamSession) else session
        recording = Recording(watched, writer, standing)
        recording.run(info, frames.after(standing) if isinstance(frames, SampledFrames) else frames, progress)
        decided = session.decided() if isinstance(session, StreamSession) else []
        finish(job, segmenter, writer, info, session.latency, decided, writer.timing(recording.seconds))
    return report_of(job)


def finish(
    job: Job,
    segmenter: VideoSegmenter,
    writer: RunWriter,
    info: VideoInfo,
    latency: int,
    decided: Sequence[dict[str, Any] | None],
    timing: dict[str, float],
) -> None:
    """Leave the documents of a run whose frames are written. latency, decided: as its session tells them. Raises
    `OutputError`."""
    recorded = Recorded.of_log(writer.directory.frames_log, writer.frame_count, info, job.targets)
    _write_documents(job, recorded)
    if job.only_frames is not None and job.only_frames.start > (last := recorded.last_frame_index):
        got = f"{job.only_frames.start}:{job.only_frames.stop}"
        _LOG.warning("--only-frames: expected frames up to %d, the last, got %s: none is drawn", last, got)
    system, asked = segmenter.system, job.prompts is None
    result = result_document(
        info,
        writer.directory.settings,
        job.targets,
        system.unseen_words(job.expressions) if asked else (),
        writer.summary,
        latency,
        understood=system.understood(job.expressions) if asked else None,
        decided=decided if any(decided) else None,
    )
    writer.directory.finish(result, timing)


def _write_documents(job: Job, recorded: Recorded) -> None:
    """Those formats that are made of the whole log."""
    for name in job.save:
        if OUTPUTS[name].input is ExportInput.LOG:
            write_document(name, job.out / OUTPUTS[name].path, recorded)


def _first_pass(directory: RunDirectory, session: StreamSession, source: str, segmenter: VideoSegmenter) -> None:
    """The first of two passes where there are two: what it taught is kept before the second begins."""
    if segmenter.first_pass(session, source):
        directory.save_snapshot(0, session.snapshot())


@contextmanager
def _opened(
    job: Job, here: str, segmenter: VideoSegmenter
) -> Iterator[tuple[VideoInfo, SampledFrames | Iterator[Frame], RunDirectory, Session]]:
    """The video of a job, which lies `here`, the folder for it, which is not entered yet, and a session for what is
    asked."""
    if job.prompts is not None:
        carrier = segmenter.carriers.ready()
        with open_with_masks(here, job.prompts, segmenter.video, segmenter.sampling, carrier) as opened:
            info, frames, session = opened
            yield known_as(job.source, info), frames, folder_of(job, segmenter), session
        return
    with segmenter.opened(here, job.corrections) as (info, frames):
        # Before the model is loaded, for which weights may have to be brought.
        directory = folder_of(job, segmenter)
        session = segmenter.session(job.expressions, candidates=job.tells_candidates)
        yield known_as(job.source, info), frames, directory, session


def known_as(source: str, info: VideoInfo) -> VideoInfo:
    """What is known of a video, under its URL where it has one."""
    return replace(info, source=source) if is_url(source) else info


def folder_of(job: Job, segmenter: VideoSegmenter) -> RunDirectory:
    """The folder of a job, which will be had. Raises `OutputError`."""
    directory = RunDirectory(job.out, job.document(segmenter), job.targets, job.overwrite)
    directory.check()
    return directory


def is_finished(out: Path) -> bool:
    """A run that came to its end lies in `out`."""
    return path_exists(out / paths.RESULT)


def report_of(job: Job) -> Report:
    """What a finished run left."""
    result = json.loads((job.out / paths.RESULT).read_bytes())
    return Report(job.out, result, {name: job.out / OUTPUTS[name].path for name in job.save})
