"""Imports masks of other tools as a finished run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from image_core.entries import fingerprint
from image_core.errors import DataError
from image_core.progress import Progress, no_progress
from rvos.export.report import Summary, result_document
from rvos.imports.annotations import Annotations
from rvos.imports.table import READERS
from rvos.run.folder import RunDirectory
from rvos.run.job import is_finished, source_fingerprint
from rvos.types import Frame, VideoError, VideoInfo
from rvos.video.config import VideoConfig
from rvos.video.source import camera_number
from rvos.watch.source import open_source


def import_run(
    path: Path, name: str, source: str, out: Path, *, overwrite: bool = False, progress: Progress = no_progress
) -> Path:
    """Read masks in the format `name` (`rvos.imports.table`) and write them to `out` as a run over the video `source`.

    A visible target has the confidence given in the file, 1 by default, and presence 1. The same call on a finished
    `out` does nothing. Raises `RvosError`: an unknown format, a file that cannot be read, masks that do not fit the
    video, or a damaged video. `out` is then unchanged.
    """
    name = READERS.canonical_name(name)
    if camera_number(source) is not None:
        raise VideoError(f"--source: expected the video that the masks were made on, got {source}: pass its file")
    if not path.exists():
        raise DataError(f"{path}: expected a file or a folder of masks, got none: check the path")
    annotations = READERS[name](path)
    if not annotations.targets:
        raise DataError(f"{path}: expected masks of at least one target, got none: choose another file")
    video = VideoConfig()
    settings = _settings(path, name, source, annotations, video)
    directory = RunDirectory(out, settings, annotations.targets, overwrite)
    directory.check()
    if not is_finished(out) or overwrite:
        with open_source(source, video, "all") as (info, frames):
            annotations.check_size(info.size)
            times = _times(frames, info, progress)
        annotations.check_count(len(times))
    with directory:
        if not directory.finished:
            _write(directory, annotations, info, times)
    return out


def _settings(path: Path, name: str, source: str, annotations: Annotations, video: VideoConfig) -> dict[str, Any]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {
        "source": source,
        "source_sha256": source_fingerprint(source),
        "imported": {"format": name, "path": str(path), "sha256": fingerprint(files)},
        "targets": [target.name for target in annotations.targets],
        "video": {key: value for key, value in asdict(video).items() if key != "prefetch"},
        "sampling": "all",
    }


def _times(frames: Iterable[Frame], info: VideoInfo, progress: Progress) -> list[tuple[int, float]]:
    """(index, time in seconds) of every frame, by reading the whole video."""
    times: list[tuple[int, float]] = []
    for frame in frames:
        times.append((frame.index, frame.time_s))
        progress(len(times), info.frame_count)
    return times


def _write(
    directory: RunDirectory, annotations: Annotations, info: VideoInfo, times: Sequence[tuple[int, float]]
) -> None:
    summary = Summary(annotations.targets)
    for frame_index, time_s in times:
        summary.add(directory.append(annotations.results(frame_index, time_s, info.size)))
    document = result_document(info, directory.settings, annotations.targets, [], summary)
    directory.finish(document, {"frames": len(times)})
