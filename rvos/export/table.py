"""The names of `--save` and what writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from image_core.errors import UnknownNameError
from rvos.export.base import Exporter, OverlayPainter
from rvos.export.contact_sheet import ContactSheetExporter
from rvos.export.overlay import CompareExporter, OverlayExporter
from rvos.export.pictures import FramesExporter, MaskExporter, PaletteExporter
from rvos.export.style import OVERLAY_STYLE

_EXPORTERS: dict[str, Callable[[Path, OverlayPainter, range | None], Exporter]] = {
    "overlay": lambda out, overlay, only: OverlayExporter(out, overlay),
    "contact_sheet": lambda out, overlay, only: ContactSheetExporter(out, overlay.painter.style),
    "masks": lambda out, overlay, only: MaskExporter(out),
    "palette": lambda out, overlay, only: PaletteExporter(out),
    "frames": lambda out, overlay, only: FramesExporter(out, overlay, only),
    "compare": lambda out, overlay, only: CompareExporter(out, overlay),
}


def build_exporters(names: Sequence[str], out: Path, *, only_frames: range | None) -> list[Exporter]:
    """The exporters of `names`, in that order, a name given twice once; hyphens count as underscores.

    `only_frames` (0-based, half-open) holds for `frames` alone. Raises `UnknownNameError`.
    """
    overlay = OverlayPainter(OVERLAY_STYLE)
    unique = dict.fromkeys(name.replace("-", "_") for name in names)
    for name in unique:
        if name not in _EXPORTERS:
            raise UnknownNameError("output", name, list(_EXPORTERS))
    return [_EXPORTERS[name](out, overlay, only_frames) for name in unique]
