"""Several runs of one video in one pass: each frame is decoded and encoded once for all expressions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from image_core.progress import Progress
from rvos.export.table import build_exporters
from rvos.run.folder import RunDirectory
from rvos.run.job import Job, Report, finish, is_finished, read_report, run_directory_of, with_source_url
from rvos.run.recording import Recording
from rvos.run.remote import local_copy
from rvos.run.run_writer import RowWriters, RunWriter
from rvos.segmenter import VideoSegmenter
from rvos.types import OutputError
from rvos.watch.source import open_source


def run_in_one_pass(
    jobs: Sequence[Job], segmenter: VideoSegmenter, progress: Progress
) -> dict[int, Report | Exception]:
    """Process one video once for the runs that have not begun yet. Returns position of a job -> its report or error.
    Jobs that are missing in it have to be run by themselves: they are finished, or were interrupted.

    jobs: of one source, which is no camera, with one expression each. The outputs are those of separate runs, except
    for `timing.json`. Raises errors that concern all of them, except for damaged video data. What was written before
    stays, and each run can be continued by itself.
    """
    with ExitStack() as stack:
        local = stack.enter_context(local_copy(jobs[0].source))
        info, frames = stack.enter_context(open_source(local, segmenter.video, segmenter.sampling))
        info = with_source_url(jobs[0].source, info)
        results: dict[int, Report | Exception] = {}
        entered: dict[int, RunDirectory] = {}
        for index, job in enumerate(jobs):
            try:
                directory = _enter_folder(job, segmenter, stack)
            except OutputError as error:
                results[index] = error
                continue
            if directory is not None:
                entered[index] = directory
        if len(entered) < 2:
            return results
        chosen = [jobs[i] for i in entered]
        session = segmenter.system.session(
            [job.expressions[0] for job in chosen],
            apart=True,
            candidates_of=[row for row, job in enumerate(chosen) if job.saves_candidates],
        )
        if segmenter.first_pass(session, local):
            for row, directory in enumerate(entered.values()):
                directory.save_snapshot(0, session.snapshot_of(row))
        writers = [
            RunWriter(directory, job.targets, build_exporters(job.save, job.out, only_frames=job.only_frames))
            for job, directory in zip(chosen, entered.values(), strict=True)
        ]
        rows = RowWriters(writers)
        recording = Recording(session, rows)
        try:
            recording.run(info, frames, progress)
        except Exception:
            if len(rows.failures) < len(writers):  # no error of a writer or of the video: single runs may succeed
                raise
        decisions = session.decision_document()
        for row, (index, job, writer) in enumerate(zip(entered, chosen, writers, strict=True)):
            if row in rows.failures:
                results[index] = rows.failures[row]
                continue
            timing = writer.timing(recording.seconds, len(writers))
            finish(job, segmenter, writer, info, session.latency, [decisions[row]], timing)
            results[index] = read_report(job)
        return results


def _enter_folder(job: Job, segmenter: VideoSegmenter, stack: ExitStack) -> RunDirectory | None:
    """The folder of a run that has not begun, entered; None for any other."""
    if not job.overwrite and is_finished(job.out):
        return None
    with ExitStack() as own:
        directory = own.enter_context(run_directory_of(job, segmenter))
        if directory.finished or directory.load_snapshot() is not None:
            return None
        stack.push(own.pop_all())
        return directory
