"""The exporter or writer of each format of `rvos.export.outputs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from image_core.errors import UnknownNameError
from rvos.export.base import Exporter, OverlayPainter
from rvos.export.contact_sheet import ContactSheetExporter
from rvos.export.cutouts import CutoutExporter, MatteExporter, on_blur, on_green, with_alpha
from rvos.export.davis import DavisExporter
from rvos.export.documents.boxes_csv import write_boxes_csv
from rvos.export.documents.coco import write_coco
from rvos.export.documents.cvat import write_cvat_boxes, write_cvat_masks
from rvos.export.documents.label_studio import write_label_studio
from rvos.export.documents.via import write_via
from rvos.export.documents.youtube_vis import write_youtube_vis
from rvos.export.frame_pngs import FramesExporter, MaskExporter, PaletteExporter, PicturesExporter
from rvos.export.html.run_report import RunReportExporter
from rvos.export.outputs import OUTPUTS, ExportInput
from rvos.export.overlay import CompareExporter, OverlayExporter
from rvos.export.recorded import Recorded
from rvos.export.style import OVERLAY_STYLE
from rvos.video.encoding import PRORES_4444, VP9_ALPHA

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
    "cutouts": lambda path, overlay, only: CutoutExporter(path),
    "alpha_mov": lambda path, overlay, only: MatteExporter(path, with_alpha, PRORES_4444),
    "alpha_webm": lambda path, overlay, only: MatteExporter(path, with_alpha, VP9_ALPHA),
    "green_screen": lambda path, overlay, only: MatteExporter(path, on_green),
    "blur": lambda path, overlay, only: MatteExporter(path, on_blur),
}
_DOCUMENT_WRITERS: dict[str, Callable[[Path, Recorded], None]] = {
    "coco": write_coco,
    "youtube_vis": write_youtube_vis,
    "cvat": write_cvat_masks,
    "cvat_boxes": write_cvat_boxes,
    "label_studio": write_label_studio,
    "csv": write_boxes_csv,
    "via": write_via,
}


def check_names(names: Sequence[str]) -> list[str]:
    """The names of formats in their order, without repetitions, with underscores for hyphens. Raises
    `UnknownNameError`."""
    unique = list(dict.fromkeys(name.replace("-", "_") for name in names))
    for name in unique:
        if name not in OUTPUTS:
            raise UnknownNameError("output", name, list(OUTPUTS))
    return unique


def build_exporter(name: str, path: Path, overlay: OverlayPainter, *, only_frames: range | None = None) -> Exporter:
    """The exporter of a format that is written frame by frame. only_frames: 0-based, half-open; used by the format
    `frames` only."""
    return _EXPORTERS[name](path, overlay, only_frames)


def build_exporters(names: Sequence[str], out: Path, *, only_frames: range | None) -> list[Exporter]:
    """The exporters of those formats in `names` that are written frame by frame, with their paths in the folder of a
    run. Raises `UnknownNameError`."""
    overlay = OverlayPainter(OVERLAY_STYLE)
    streamed = [name for name in check_names(names) if OUTPUTS[name].input is not ExportInput.LOG]
    return [build_exporter(name, out / OUTPUTS[name].path, overlay, only_frames=only_frames) for name in streamed]


def write_document(name: str, path: Path, run: Recorded) -> None:
    """Write a format that is made from the log. Raises `OutputError`."""
    _DOCUMENT_WRITERS[name](path, run)
