"""Files to download: every format of a run, made on request from the frames processed so far."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from image_core.errors import DataError, UnknownNameError
from image_core.files import make_folder
from rvos.app.segmentation import Segmentation
from rvos.export import paths
from rvos.export.outputs import OUTPUTS, ExportInput
from rvos.export.recorded import Recorded
from rvos.export.records import to_line
from rvos.export.table import build_exporters, write_document
from rvos.types import expression_targets

DOWNLOAD_NAMES = ("records", *OUTPUTS)
"""What can be downloaded: `frames.jsonl` ("records"), and every format of a run."""
DOWNLOAD_TITLES = {
    "records": "one line of JSON per frame and expression",
    **{name: output.title for name, output in OUTPUTS.items()},
}
"""Name -> description in one line."""


def build_download(segmentation: Segmentation, name: str, folder: Path) -> Path:
    """The file of a format with all frames processed so far: the output itself, or a ZIP if the output is a folder. The
    file is kept, and made again only after the results have changed.

    Raises `UnknownNameError`, `DataError` if no frame is processed yet, and `OutputError`.
    """
    if name not in DOWNLOAD_NAMES:
        raise UnknownNameError("download", name, list(DOWNLOAD_NAMES))
    frames_done = segmentation.frames_done
    if not frames_done:
        raise DataError("download: expected processed frames, got none yet: wait for the first one")
    out = folder / f"{segmentation.revision}" / name
    finished = out / "done"  # holds the name of the file, once that is complete
    if finished.is_file():
        return out / finished.read_text("utf-8")
    make_folder(out)
    if name == "records":
        written = _write_log(segmentation, frames_done, out)
    elif OUTPUTS[name].input is ExportInput.LOG:
        written = _write_document(segmentation, frames_done, name, out)
    else:
        written = _write_frames(segmentation, frames_done, name, out)
    finished.write_text(written.name, "utf-8")
    return written


def _write_log(segmentation: Segmentation, frames_done: int, out: Path) -> Path:
    path = out / paths.FRAMES_LOG
    with path.open("wb") as file:
        for index in range(frames_done):
            file.writelines(map(to_line, segmentation.records(index) or ()))
    return path


def _write_document(segmentation: Segmentation, frames_done: int, name: str, out: Path) -> Path:
    path, log = out / OUTPUTS[name].path, _write_log(segmentation, frames_done, out)
    targets = expression_targets(segmentation.expressions)
    write_document(name, path, Recorded.of_log(log, frames_done, segmentation.video.info, targets))
    return path


def _write_frames(segmentation: Segmentation, frames_done: int, name: str, out: Path) -> Path:
    (exporter,) = build_exporters([name], out, only_frames=None)
    exporter.open(segmentation.video.info, expression_targets(segmentation.expressions))
    with ExitStack() as on_error:
        on_error.callback(exporter.abort)
        with segmentation.video.frames() as frames:
            for frame in islice(frames, frames_done):
                exporter.write(frame, segmentation.results(frame.index))
        on_error.pop_all()
    exporter.close()
    path = out / OUTPUTS[name].path
    return path if path.is_file() else _zip_folder(path)


def _zip_folder(folder: Path) -> Path:
    """A ZIP of a folder. Images are stored without further compression, since they are compressed already."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            archive.write(file, Path(folder.name) / file.relative_to(folder))
    return path
