"""Several runs of one video in one pass: a frame is decoded and encoded once for all that is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from image_core.progress import Progress
from rvos.export.table import build_exporters
from rvos.run.folder import RunDirectory
from rvos.run.job import Job, Report, finish, folder_of, is_finished, known_as, report_of
from rvos.run.recording import Recording
from rvos.run.remote import at_hand
from rvos.run.writing import RowWriters, RunWriter
from rvos.segmenter import VideoSegmenter
from rvos.types import OutputError
from rvos.watch.source import open_source


def run_together(jobs: Sequence[Job], segmenter: VideoSegmenter, progress: Progress) -> dict[int, Report | Exception]:
    """Watch one video once for the runs that have not begun yet: by their position, what each left or what broke it.
    Those that are missing have to be run by themselves: they are finished, or go on from where they were interrupted.

    jobs: of one source, which is no camera, with one expression each. What a run leaves is what it leaves by itself;
    only `timing.json` tells of the pass that was shared. Raises what breaks the pass for all of them, other than the
    end of a broken video: what was written before it stays, and each can go on by itself.
    """
    with ExitStack() as stack:
        here = stack.enter_context(at_hand(jobs[0].source))
        info, frames = stack.enter_context(open_source(here, segmenter.video, segmenter.sampling))
        info = known_as(jobs[0].source, info)
        endings: dict[int, Report | Exception] = {}
        entered: dict[int, RunDirectory] = {}
        for index, job in enumerate(jobs):
            try:
                directory = _entered(job, segmenter, stack)
            except OutputError as error:
                endings[index] = error
                continue
            if directory is not None:
                entered[index] = directory
        if len(entered) < 2:
            return endings
        chosen = [jobs[i] for i in entered]
        session = segmenter.system.session(
            [job.expressions[0] for job in chosen],
            apart=True,
            candidates_of=[row for row, job in enumerate(chosen) if job.tells_candidates],
        )
        if segmenter.first_pass(session, here):
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
            if len(rows.failures) < len(writers):  # not of a writer, nor of the video: one by one some may get over it
                raise
        told = session.decided()
        for row, (index, job, writer) in enumerate(zip(entered, chosen, writers, strict=True)):
            if row in rows.failures:
                endings[index] = rows.failures[row]
                continue
            timing = writer.timing(recording.seconds, len(writers))
            finish(job, segmenter, writer, info, session.latency, [told[row]], timing)
            endings[index] = report_of(job)
        return endings


def _entered(job: Job, segmenter: VideoSegmenter, stack: ExitStack) -> RunDirectory | None:
    """The folder of a run that begins with the first frame, entered; None for any other."""
    if not job.overwrite and is_finished(job.out):
        return None
    with ExitStack() as own:
        directory = own.enter_context(folder_of(job, segmenter))
        if directory.finished or directory.load_snapshot() is not None:
            return None
        stack.push(own.pop_all())
        return directory
