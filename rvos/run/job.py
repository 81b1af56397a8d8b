"""One video into one folder: what `rvos segment` and `rvos demo` do, interrupted or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_core.mask_model import unseen_words
from image_core.progress import Progress, no_progress
from rvos.export import paths
from rvos.export.report import result_document
from rvos.export.table import build_exporters
from rvos.run.folder import RunDirectory
from rvos.run.recording import Recording
from rvos.system import System
from rvos.types import Frame, OutputError, Target, VideoInfo, expression_targets
from rvos.watch.prompts import MaskPrompts
from rvos.watch.source import open_source
from rvos.watch.stream import Session

DEFAULT_SAVE = ("overlay", "contact_sheet")
_PLACES = {
    "overlay": paths.OVERLAY,
    "contact_sheet": paths.CONTACT_SHEET,
    "masks": paths.MASKS,
    "palette": paths.PALETTE,
    "frames": paths.FRAMES,
    "compare": paths.COMPARE,
}


@dataclass(frozen=True)
class Job:
    """One video, what is looked for in it, and the folder for what is found.

    expressions: what is asked in words; prompts: or the masks that objects are followed from, in place of expressions;
    save: outputs by name; only_frames: frame indices (0-based, half-open) that the output `frames` is made of, None for
    all; overwrite: replace another run that is in `out`.
    """

    source: str
    expressions: tuple[str, ...]
    out: Path
    save: tuple[str, ...] = DEFAULT_SAVE
    only_frames: range | None = None
    overwrite: bool = False
    prompts: MaskPrompts | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What results come of, in their order."""
        return expression_targets(self.expressions) if self.prompts is None else self.prompts.targets

    def document(self, system: System) -> dict[str, Any]:
        """Everything that the results depend on, as JSON values."""
        path = Path(self.source)
        if self.prompts is None:
            asked = {"expressions": list(self.expressions), **system.document()}
        else:
            asked = {"prompts": self.prompts.document(), **system.reading_document()}
        return {
            "source": self.source,
            "source_bytes": path.stat().st_size if path.is_file() else None,
            **asked,
            "save": list(self.save),
            "only_frames": None if self.only_frames is None else [self.only_frames.start, self.only_frames.stop],
        }


@dataclass(frozen=True)
class Report:
    """What a run left. result: the content of `result.json`; outputs: name -> file or folder."""

    out: Path
    result: dict[str, Any]
    outputs: dict[str, Path]


def run(job: Job, system: System, progress: Progress = no_progress) -> Report:
    """Segment a video into `job.out`, going on from where an earlier run of the same job stopped.

    A finished run is done at once. Raises `RvosError` for whatever is wrong with the input; what can be known before
    frames are read is found before `job.out` is touched. When the video breaks in the middle, `VideoError`: the frames
    before are in `job.out`, and it stays unfinished.
    """
    if not job.overwrite and is_finished(job.out):
        with RunDirectory(job.out, job.document(system), job.targets):
            return _report(job)
    exporters = build_exporters(job.save, job.out, only_frames=job.only_frames)
    with _opened(job, system) as (info, frames, session):
        settings = job.document(system)
        with RunDirectory(job.out, settings, job.targets, job.overwrite) as directory:
            if directory.frames_done and job.source.startswith("camera:"):
                raise OutputError(f"{job.out}: what a camera showed is past and cannot be continued; pass --overwrite")
            if system.settings.both_ways:
                _look_through_once(directory, session, job.source, system)
            recording = Recording(directory, session, exporters)
            recording.run(info, frames, progress)
            unseen = unseen_words(system.segmenter.image, job.expressions) if job.prompts is None else ()
            result = result_document(info, settings, job.targets, unseen, recording.summary, session.latency)
            directory.finish(result, recording.timing())
    return _report(job)


def _look_through_once(directory: RunDirectory, session: Session, source: str, system: System) -> None:
    """The first of two passes, unless an earlier run has made it: what it taught is kept before the second begins."""
    from rvos.watch.passes import look_through
    from rvos.watch.session import StreamSession

    if isinstance(session, StreamSession) and directory.load_snapshot() is None:
        look_through(session, source, system.settings)
        directory.save_snapshot(0, session.snapshot())


@contextmanager
def _opened(job: Job, system: System) -> Iterator[tuple[VideoInfo, Iterator[Frame], Session]]:
    """The video of a job, and a session for what is looked for in it."""
    if job.prompts is not None:
        from rvos.segmenter import open_with_masks

        with open_with_masks(job.source, job.prompts, system.settings) as opened:
            yield opened
        return
    system.check()
    with open_source(job.source, system.settings) as (info, frames):
        yield info, frames, system.segmenter.session(job.expressions)


def is_finished(out: Path) -> bool:
    """A run that came to its end lies in `out`."""
    return (out / paths.RESULT).is_file()


def _report(job: Job) -> Report:
    result = json.loads((job.out / paths.RESULT).read_bytes())
    return Report(job.out, result, {name: job.out / _PLACES[name] for name in job.save})
