"""A finished run in another format: made beside its place, and moved there when it is whole."""

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
_OF_FILES = {*(output.suffix for output in OUTPUTS.values() if output.suffix), ".zip", ".tar", ".gz", ".jpg"}


def export_run(
    run: FinishedRun,
    name: str,
    path: Path,
    *,
    style: OverlayStyle = OVERLAY_STYLE,
    only_frames: range | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Write a run in the format `name` (`rvos.export.outputs`) to `path`, which must not be there yet, and give it.

    style: of the formats that draw; only_frames (0-based, half-open): what `frames` is made of, None for all. A killed
    call leaves nothing at `path`, but a hidden folder beside it.
    Raises `RvosError`: an unknown format, a `path` that is there, has another ending, or cannot be written, a video
    that is gone or has changed.
    """
    (name,) = check_names([name])
    check_path(name, path)
    if only_frames is not None and only_frames.start > run.recorded.last_frame_index:
        raise ConfigError(
            f"--only-frames: expected frames up to {run.recorded.last_frame_index}, the last of the run, got "
            f"{only_frames.start}:{only_frames.stop}"
        )
    with _whole(path) as partial:
        if OUTPUTS[name].input is ExportInput.LOG:
            write_document(name, partial, run.recorded)
        else:
            _drawn(run, name, partial, OverlayPainter(style), only_frames, progress)
    return path


def check_path(name: str, path: Path) -> None:
    """See whether a format can be written to `path`. Raises `ConfigError` for a wrong ending, `OutputError` for a place
    that is taken."""
    suffix, given = OUTPUTS[name].suffix, path.suffix.lower()
    if suffix and given != suffix:
        raise ConfigError(f"--out: expected a file that ends in {suffix} for {name}, got '{path}'")
    if not suffix and given in _OF_FILES:
        raise ConfigError(f"--out: expected a folder for {name}, got '{path}', which has the ending of a file")
    _check_free(path)


def _drawn(
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
def _whole(path: Path) -> Iterator[Path]:
    """A place to write to; after the block what lies there is on the disk and takes its name. Where the block raises
    nothing stays."""
    make_folder(path.parent, _ELSEWHERE)
    with output_errors(path, _ELSEWHERE):
        workshop = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=path.parent))
    try:
        partial = workshop / path.name
        yield partial
        with output_errors(path, _ELSEWHERE):
            if partial.is_file():
                with partial.open("rb+") as file:
                    os.fsync(file.fileno())
            _check_free(path)
            partial.rename(path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _check_free(path: Path) -> None:
    """Raise `OutputError` where something has this name."""
    if os.path.lexists(path):
        raise OutputError(f"{path}: expected nothing there, got a file or a folder: remove it, or {_ELSEWHERE}")
