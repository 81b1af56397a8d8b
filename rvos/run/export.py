"""Exports a finished run in another format. The output is made in a hidden folder and moved into place when
complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image_core.errors import ConfigError, OutputError
from image_core.files import make_folder, output_errors
from image_core.progress import Progress, no_progress
from rvos.export.base import OverlayPainter
from rvos.export.outputs import OUTPUTS, ExportInput
from rvos.export.style import OVERLAY_STYLE, OverlayStyle
from rvos.export.table import build_exporter, check_names, write_document
from rvos.run.finished import FinishedRun

_ELSEWHERE = "choose another --out"
_FILE_SUFFIXES = {*(output.suffix for output in OUTPUTS.values() if output.suffix), ".zip", ".tar", ".gz", ".jpg"}


def export_run(
    run: FinishedRun,
    name: str,
    path: Path,
    *,
    style: OverlayStyle = OVERLAY_STYLE,
    only_frames: range | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Write a run in the format `name` (`rvos.export.outputs`) to `path`, which must not exist yet, and return `path`.

    style: of the formats that draw; only_frames (0-based, half-open): the frames of the format `frames`, None for all.
    A killed call leaves nothing at `path`, but a hidden folder beside it.
    Raises `RvosError`: an unknown format, a `path` that exists, has a wrong suffix or cannot be written, or a video
    that is missing or has changed.
    """
    (name,) = check_names([name])
    check_path(name, path)
    if only_frames is not None and only_frames.start > run.recorded.last_frame_index:
        raise ConfigError(
            f"--only-frames: expected frames up to {run.recorded.last_frame_index}, the last of the run, got "
            f"{only_frames.start}:{only_frames.stop}"
        )
    with _atomic_output(path) as partial:
        if OUTPUTS[name].input is ExportInput.LOG:
            write_document(name, partial, run.recorded)
        else:
            _export_frames(run, name, partial, OverlayPainter(style), only_frames, progress)
    return path


def check_path(name: str, path: Path) -> None:
    """Raise `ConfigError` for a `path` whose suffix does not fit the format, and `OutputError` for one that exists."""
    suffix, given = OUTPUTS[name].suffix, path.suffix.lower()
    if suffix and given != suffix:
        raise ConfigError(f"--out: expected a file with the suffix {suffix} for {name}, got '{path}'")
    if not suffix and given in _FILE_SUFFIXES:
        raise ConfigError(f"--out: expected a folder for {name}, got '{path}', which has the suffix of a file")
    _check_free(path)


def _export_frames(
    run: FinishedRun, name: str, path: Path, overlay: OverlayPainter, only_frames: range | None, progress: Progress
) -> None:
    exporter = build_exporter(name, path, overlay, only_frames=only_frames)
    exporter.open(run.recorded.info, run.recorded.targets)
    try:
        for done, (frame, results) in enumerate(run.frames(OUTPUTS[name].input), 1):
            exporter.write(frame, results)
            progress(done, run.recorded.frame_count)
    except BaseException:
        exporter.abort()
        raise
    exporter.close()


@contextmanager
def _atomic_output(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which is renamed to `path` after the block. If the block raises, nothing is
    left."""
    make_folder(path.parent, _ELSEWHERE)
    with output_errors(path, _ELSEWHERE):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=path.parent))
    try:
        partial = temporary / path.name
        yield partial
        with output_errors(path, _ELSEWHERE):
            if partial.is_file():
                with partial.open("rb+") as file:
                    os.fsync(file.fileno())
            _check_free(path)
            partial.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_free(path: Path) -> None:
    """Raise `OutputError` if the path exists."""
    if os.path.lexists(path):
        raise OutputError(
            f"{path}: expected a path that does not exist, got a file or a folder: remove it, or {_ELSEWHERE}"
        )
