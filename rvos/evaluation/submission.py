"""Packs predictions as a zip for the server of a dataset, after every file was checked against the metadata.

Expected in the folder of predictions, and written to the zip: a mask for every listed frame, in the layout
`MaskFolders` of the dataset, 8-bit grey, 0 or 255, of the size of the frames.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from image_core.entries import is_hidden
from image_core.errors import ConfigError, DataError
from image_core.files import output_errors, temporary_of
from image_core.images import open_image
from rvos.data import DATASETS
from rvos.data.base import VideoDataset
from rvos.data.frame_size import frame_size
from rvos.data.protocol import MaskFolders, Server
from rvos.data.records import VideoRecord

MAX_LISTED = 20
"""Most faults that an error names; the others are counted."""

_DATE = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16
_BIT_DEPTH, _COLOUR_TYPE = 24, 25
_COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "indexed colour", 4: "grey with alpha", 6: "RGB with alpha"}


@dataclass(frozen=True)
class Fault:
    """kind: "missing", "superfluous", "a link", "of the wrong size" or "of the wrong form"; text: the fault, with the
    name of the file."""

    kind: str
    text: str


def server_of(dataset: str) -> Server:
    """The server of a dataset, named with underscores or hyphens. Raises `ConfigError` where there is none."""
    adapter = DATASETS.get(dataset.replace("-", "_"))
    server = None if adapter is None else adapter.server
    if server is None:
        raise ConfigError(
            f"submit: expected a dataset with a server ({', '.join(datasets_with_server())}), got '{dataset}'"
        )
    return server


def datasets_with_server() -> list[str]:
    """The names of the datasets that have a server, as on the command line."""
    return sorted(name.replace("_", "-") for name, adapter in DATASETS.items() if adapter.server is not None)


def expected_files(dataset: VideoDataset) -> dict[str, VideoRecord]:
    """Every file of a submission: path with slashes -> its video, sorted by path."""
    folders = _mask_folders(dataset)
    files = {
        folders.path(video.video_id, e.expression_id, name): video
        for video in dataset.videos
        for e in video.expressions
        for name in video.frame_names
    }
    return dict(sorted(files.items()))


def submission_faults(dataset: VideoDataset, predictions: Path) -> list[Fault]:
    """Everything that is wrong with a folder of predictions; [] if it can be packed.

    Raises `DataError` where there is no such folder, or it has none of the expected files.
    """
    if not predictions.is_dir():
        raise DataError(
            f"{predictions}: expected a folder of predictions, as rvos evaluate writes them, got none: check the path"
        )
    expected = expected_files(dataset)
    present = dict(_files_under(predictions))
    if expected.keys().isdisjoint(present):
        raise DataError(
            f"{predictions}: expected the {len(expected)} files of {dataset.name}, {_format(dataset)}, "
            "got none: check the path"
        )
    faults = [Fault("missing", f"{name} is missing") for name in expected if name not in present]
    faults += [Fault("a link", f"{name} is a link") for name in present if present[name]]
    faults += [Fault("superfluous", f"{name} is superfluous") for name in present if name not in expected]
    sizes: dict[str, tuple[int, int]] = {}
    for name, video in expected.items():
        if present.get(name) is False:
            if video.video_id not in sizes:
                sizes[video.video_id] = frame_size(video)
            faults += _mask_faults(name, predictions / name, sizes[video.video_id])
    return sorted(faults, key=lambda fault: fault.text)


def pack_submission(dataset: VideoDataset, predictions: Path, out: Path) -> int:
    """Check the predictions and write them to the zip `out`, atomically; the same files give the same bytes.

    Returns the number of files. Raises `DataError`, with the first `MAX_LISTED` faults and a count of each kind, before
    anything is written; `ConfigError` for an `out` that is no zip or is inside the predictions; `OutputError`.
    """
    if out.suffix.lower() != ".zip":
        raise ConfigError(f"--out: expected a file that ends in .zip, got '{out}': rename it")
    if out.resolve().is_relative_to(predictions.resolve()):
        raise ConfigError(f"--out: expected a path outside the predictions, {predictions}, got '{out}': choose another")
    faults = submission_faults(dataset, predictions)
    if faults:
        raise DataError(f"{predictions}: expected {_format(dataset)}, got {_summary(faults)}")
    names = list(expected_files(dataset))
    temporary = temporary_of(out)
    try:
        with output_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            # Stored, because PNGs are already compressed.
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
                for name in names:
                    entry = zipfile.ZipInfo(name, _DATE)
                    entry.external_attr = _FILE_MODE
                    archive.writestr(entry, (predictions / name).read_bytes())
            temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return len(names)


def _files_under(folder: Path) -> Iterator[tuple[str, bool]]:
    """Every file: its path with slashes, and whether it is a link. A link to a folder counts as a file."""
    for parent, folders, files in os.walk(folder):
        base = Path(parent)
        folders[:] = [name for name in folders if not is_hidden(name)]
        files = [name for name in files if not is_hidden(name)]
        links = [name for name in folders if (base / name).is_symlink()]
        for name in sorted([*files, *links]):
            yield (base / name).relative_to(folder).as_posix(), (base / name).is_symlink()


def _mask_faults(name: str, path: Path, size: tuple[int, int]) -> Iterator[Fault]:
    data = path.read_bytes()
    try:
        with open_image(path, png_only=True) as image:
            actual, counts = (image.height, image.width), image.histogram()
    except DataError:
        yield Fault("of the wrong form", f"{name} is not a readable PNG")
        return
    if actual != size:
        text = f"{name} is {actual[0]} x {actual[1]} px (height x width), its video {size[0]} x {size[1]}"
        yield Fault("of the wrong size", text)
    if (data[_BIT_DEPTH], data[_COLOUR_TYPE]) != (8, 0):
        form = f"{data[_BIT_DEPTH]}-bit {_COLOUR_TYPES.get(data[_COLOUR_TYPE], 'colour')}"
        yield Fault("of the wrong form", f"{name} is {form}, not 8-bit grey")
    elif any(counts[1:255]):
        yield Fault(
            "of the wrong form", f"{name} has the value {next(v for v in range(1, 255) if counts[v])}, not 0 or 255"
        )


def _summary(faults: list[Fault]) -> str:
    counts = Counter(fault.kind for fault in faults)
    listed = "; ".join(fault.text for fault in faults[:MAX_LISTED])
    rest = f"; and {len(faults) - MAX_LISTED} more" if len(faults) > MAX_LISTED else ""
    return f"files that are {', '.join(f'{kind} ({n})' for kind, n in counts.items())}: {listed}{rest}"


def _mask_folders(dataset: VideoDataset) -> MaskFolders:
    layout = dataset.rules.layout
    if not isinstance(layout, MaskFolders):
        raise ConfigError(f"submit: expected a dataset whose predictions are masks, got {dataset.name}")
    return layout


def _format(dataset: VideoDataset) -> str:
    return f"{_mask_folders(dataset).text}, 8-bit grey, 0 and 255, of the video's size"
