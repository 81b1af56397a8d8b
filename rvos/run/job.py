"""Runs one job: segments one video into one folder, and continues an interrupted run."""

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
from rvos.run.remote import is_url, local_copy, url_fingerprint
from rvos.run.run_writer import RunWriter
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
    """One video, its expressions or prompts, and the folder for the results.

    source: a file, a folder of images, `camera:N`, or the URL of a file or folder (`s3://`, `gs://`).

    expressions: what to segment; prompts: masks of the objects to follow, in place of expressions; corrections: what
    expressions mean from some frames on; save: outputs by name; only_frames: frame indices (0-based, half-open) of the
    output `frames`, None for all; overwrite: replace another run in `out`.
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
        """The targets of the results, in their order."""
        return expression_targets(self.expressions) if self.prompts is None else self.prompts.targets

    @property
    def saves_candidates(self) -> bool:
        """Whether an output contains the candidates of the image model."""
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
            "source_sha256": source_fingerprint(self.source),
            **asked,
            **given,
            "save": list(self.save),
            "only_frames": None if self.only_frames is None else [self.only_frames.start, self.only_frames.stop],
        }


def source_fingerprint(source: str) -> str | None:
    """A hash that changes if the file, or an image of the folder, changes; None for a camera. Raises `VideoError`."""
    if camera_number(source) is not None:
        return None
    if is_url(source):
        return url_fingerprint(source)
    path = path_of(source)
    return fingerprint(p for p in entries_of(path) if is_image_file(p)) if path.is_dir() else fingerprint([path])


@dataclass(frozen=True)
class Report:
    """The outputs of a run. result: the content of `result.json`; outputs: name -> file or folder."""

    out: Path
    result: dict[str, Any]
    outputs: dict[str, Path]


def run(job: Job, segmenter: VideoSegmenter, progress: Progress = no_progress) -> Report:
    """Segment a video into `job.out`. An interrupted run of the same job is continued.

    One segmenter may serve many jobs: its model is loaded once, by the first that needs it.

    For a finished run nothing is computed. Raises `RvosError` for errors in the input; those that can be found before
    frames are read are raised before anything is written to `job.out`. Damaged data in the middle of a video raises
    `VideoError`: the frames before it are in `job.out`, and the run stays unfinished.
    """
    if not job.overwrite and is_finished(job.out):
        with RunDirectory(job.out, job.document(segmenter), job.targets):
            return read_report(job)
    exporters = build_exporters(job.save, job.out, only_frames=job.only_frames)
    with (
        local_copy(job.source) as local,
        _open_job(job, local, segmenter) as (info, frames, directory, session),
        directory,
    ):
        if directory.frames_done and camera_number(job.source) is not None:
            raise OutputError(f"{job.out}: a run of a camera cannot be continued; pass --overwrite")
        if isinstance(session, StreamSession) and directory.load_snapshot() is None:
            _first_pass(directory, session, local, segmenter)
        writer = RunWriter(directory, job.targets, exporters)
        # Prompts may lie on frames that are complete, so frames are skipped only without prompts.
        complete_frames = writer.complete_frames if isinstance(frames, SampledFrames) else 0
        watched = with_corrections(session, job.corrections) if isinstance(session, StreamSession) else session
        recording = Recording(watched, writer, complete_frames)
        recording.run(info, frames.after(complete_frames) if isinstance(frames, SampledFrames) else frames, progress)
        decided = session.decision_document() if isinstance(session, StreamSession) else []
        finish(job, segmenter, writer, info, session.latency, decided, writer.timing(recording.seconds))
    return read_report(job)


def finish(
    job: Job,
    segmenter: VideoSegmenter,
    writer: RunWriter,
    info: VideoInfo,
    latency: int,
    decided: Sequence[dict[str, Any] | None],
    timing: dict[str, float],
) -> None:
    """Write the documents of a run whose frames are written. latency, decided: those of its session. Raises
    `OutputError`."""
    recorded = Recorded.of_log(writer.directory.frames_log, writer.frame_count, info, job.targets)
    _write_documents(job, recorded)
    if job.only_frames is not None and job.only_frames.start > (last := recorded.last_frame_index):
        got = f"{job.only_frames.start}:{job.only_frames.stop}"
        _LOG.warning("--only-frames: expected frames up to %d, the last one, got %s: none is drawn", last, got)
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
    """Write the formats that are made of the whole log."""
    for name in job.save:
        if OUTPUTS[name].input is ExportInput.LOG:
            write_document(name, job.out / OUTPUTS[name].path, recorded)


def _first_pass(directory: RunDirectory, session: StreamSession, source: str, segmenter: VideoSegmenter) -> None:
    """The first of two passes, if there are two; the state after it is saved before the second begins."""
    if segmenter.first_pass(session, source):
        directory.save_snapshot(0, session.snapshot())


@contextmanager
def _open_job(
    job: Job, local: str, segmenter: VideoSegmenter
) -> Iterator[tuple[VideoInfo, SampledFrames | Iterator[Frame], RunDirectory, Session]]:
    """The video of a job, opened from the path `here`, its run folder, which is not entered yet, and a session."""
    if job.prompts is not None:
        carrier = segmenter.carrier_factory.build()
        with open_with_masks(local, job.prompts, segmenter.video, segmenter.sampling, carrier) as opened:
            info, frames, session = opened
            yield with_source_url(job.source, info), frames, run_directory_of(job, segmenter), session
        return
    with segmenter.open_frames(local, job.corrections) as (info, frames):
        # Before the model is loaded, whose weights may have to be downloaded.
        directory = run_directory_of(job, segmenter)
        session = segmenter.session(job.expressions, candidates=job.saves_candidates)
        yield with_source_url(job.source, info), frames, directory, session


def with_source_url(source: str, info: VideoInfo) -> VideoInfo:
    """The same information, with the URL as its source if there is one."""
    return replace(info, source=source) if is_url(source) else info


def run_directory_of(job: Job, segmenter: VideoSegmenter) -> RunDirectory:
    """The run folder of a job. Raises `OutputError` if it cannot be used."""
    directory = RunDirectory(job.out, job.document(segmenter), job.targets, job.overwrite)
    directory.check()
    return directory


def is_finished(out: Path) -> bool:
    """Whether `out` contains a finished run."""
    return path_exists(out / paths.RESULT)


def read_report(job: Job) -> Report:
    """The outputs of a finished run, read from its folder."""
    result = json.loads((job.out / paths.RESULT).read_bytes())
    return Report(job.out, result, {name: job.out / OUTPUTS[name].path for name in job.save})
