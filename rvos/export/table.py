"""What writes each format of `rvos.export.outputs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from image_core.errors import UnknownNameError
from rvos.export.base import Exporter, OverlayPainter
from rvos.export.contact_sheet import ContactSheetExporter
from rvos.export.davis import DavisExporter
from rvos.export.documents.boxes_csv import write_boxes_csv
from rvos.export.documents.coco import write_coco
from rvos.export.documents.cvat import write_cvat_boxes, write_cvat_masks
from rvos.export.documents.via import write_via
from rvos.export.documents.youtube_vis import write_youtube_vis
from rvos.export.html.run_report import RunReportExporter
from rvos.export.outputs import OUTPUTS, Made
from rvos.export.overlay import CompareExporter, OverlayExporter
from rvos.export.pictures import FramesExporter, MaskExporter, PaletteExporter, PicturesExporter
from rvos.export.recorded import Recorded
from rvos.export.style import OVERLAY_STYLE

_EXPORTERS: dict[str, Callable[[Path, OverlayPainter, range | None], Exporter]] = {
    "overlay": lambda path, overlay, only: OverlayExporter(path, overlay),
    "contact_sheet": lambda path, overlay, only: ContactSheetExporter(path, overlay.painter.style),
    "compare": lambda path, overlay, only: CompareExporter(path, overlay),
    "frames": lambda path, overlay, only: FramesExporter(path, overlay, only),
    "report": lambda path, overlay, only: RunReportExporter(path, overlay.painter.style),
    "pictures": lambda path, overlay, only: PicturesExporter(path),
    "masks": lambda path, overlay, only: MaskExporter(path),
    "palette": lambda path, overlay, only: PaletteExporter(path),
    "davis": lambda path, overlay, only: DavisExporter(path),
}
_DOCUMENTS: dict[str, Callable[[Path, Recorded], None]] = {
    "coco": write_coco,
    "youtube_vis": write_youtube_vis,
    "cvat": write_cvat_masks,
    "cvat_boxes": write_cvat_boxes,
    "csv": write_boxes_csv,
    "via": write_via,
}


def known(names: Sequence[str]) -> list[str]:
    """`names` in their order, one given twice once; hyphens count as underscores. Raises `UnknownNameError`."""
    unique = list(dict.fromkeys(name.replace("-", "_") for name in names))
    for name in unique:
        if name not in OUTPUTS:
            raise UnknownNameError("output", name, list(OUTPUTS))
    return unique


def build_exporter(name: str, path: Path, overlay: OverlayPainter, *, only_frames: range | None = None) -> Exporter:
    """What writes a format that is made frame by frame to `path`. only_frames (0-based, half-open): holds for `frames`
    alone."""
    return _EXPORTERS[name](path, overlay, only_frames)


def build_exporters(names: Sequence[str], out: Path, *, only_frames: range | None) -> list[Exporter]:
    """The exporters of those of `names` that are made frame by frame, each for its place in the folder of a run. Raises
    `UnknownNameError`."""
    overlay = OverlayPainter(OVERLAY_STYLE)
    streamed = [name for name in known(names) if OUTPUTS[name].made_of is not Made.LOG]
    return [build_exporter(name, out / OUTPUTS[name].place, overlay, only_frames=only_frames) for name in streamed]


def write_document(name: str, path: Path, run: Recorded) -> None:
    """Write a format that is made of the log, in one step. Raises `OutputError`."""
    _DOCUMENTS[name](path, run)
