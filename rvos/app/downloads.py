"""Files to take away: every output that there is, made when it is asked for from what was found by then."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from image_core.errors import DataError, UnknownNameError
from image_core.files import make_folder
from rvos.app.watching import Watching
from rvos.export import paths
from rvos.export.outputs import OUTPUTS, Made
from rvos.export.recorded import Recorded
from rvos.export.records import to_line
from rvos.export.table import build_exporters, write_document
from rvos.types import expression_targets

NAMES = ("records", *OUTPUTS)
"""What may be taken away: the log of what was found, and every output of a run."""
TITLES = {
    "records": "one line of JSON per frame and expression",
    **{name: each.title for name, each in OUTPUTS.items()},
}
"""Name -> what it is, a line for people."""


def made(watching: Watching, name: str, folder: Path) -> Path:
    """One file with an output of all frames that have been watched: the output itself, or a ZIP of its folder. It is
    made once for what was found by now.

    Raises `UnknownNameError`, `DataError` where no frame was watched yet, and `OutputError`.
    """
    if name not in NAMES:
        raise UnknownNameError("download", name, list(NAMES))
    done = watching.done
    if not done:
        raise DataError("download: expected processed frames, got none yet: wait for the first one")
    place = folder / f"{watching.revision}" / name
    ready = place / "done"
    if ready.is_file():
        return place / ready.read_text("utf-8")
    make_folder(place)
    if name == "records":
        written = _log(watching, done, place)
    elif OUTPUTS[name].made_of is Made.LOG:
        written = _document(watching, done, name, place)
    else:
        written = _output(watching, done, name, place)
    ready.write_text(written.name, "utf-8")
    return written


def _log(watching: Watching, done: int, place: Path) -> Path:
    path = place / paths.FRAMES_LOG
    with path.open("wb") as file:
        for index in range(done):
            file.writelines(map(to_line, watching.records(index) or ()))
    return path


def _document(watching: Watching, done: int, name: str, place: Path) -> Path:
    path, log = place / OUTPUTS[name].place, _log(watching, done, place)
    targets = expression_targets(watching.expressions)
    write_document(name, path, Recorded.of_log(log, done, watching.film.info, targets))
    return path


def _output(watching: Watching, done: int, name: str, place: Path) -> Path:
    (exporter,) = build_exporters([name], place, only_frames=None)
    exporter.open(watching.film.info, expression_targets(watching.expressions))
    with ExitStack() as broken:
        broken.callback(exporter.abort)
        with watching.film.frames() as frames:
            for frame in islice(frames, done):
                exporter.write(frame, watching.results(frame.index))
        broken.pop_all()
    exporter.close()
    path = place / OUTPUTS[name].place
    return path if path.is_file() else _packed(path)


def _packed(folder: Path) -> Path:
    """A ZIP of a folder; pictures are stored as they are, for they are small already."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            packed.write(file, Path(folder.name) / file.relative_to(folder))
    return path
