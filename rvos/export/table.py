"""The names of `--save` and what writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from image_core.errors import UnknownNameError
from rvos.export.base import Exporter, OverlayPainter
from rvos.export.contact_sheet import ContactSheetExporter
from rvos.export.overlay import CompareExporter, OverlayExporter
from rvos.export.pictures import FramesExporter, MaskExporter, PaletteExporter

_EXPORTERS: dict[str, Callable[[Path, OverlayPainter, range | None], Exporter]] = {
    "overlay": lambda out, painter, only: OverlayExporter(out, painter),
    "contact_sheet": lambda out, painter, only: ContactSheetExporter(out),
    "masks": lambda out, painter, only: MaskExporter(out),
    "palette": lambda out, painter, only: PaletteExporter(out),
    "frames": lambda out, painter, only: FramesExporter(out, painter, only),
    "compare": lambda out, painter, only: CompareExporter(out, painter),
}
EXPORTER_NAMES = tuple(_EXPORTERS)


def build_exporters(names: Sequence[str], out: Path, *, only_frames: range | None) -> list[Exporter]:
    """The exporters of `names`, in that order, a name given twice once; hyphens count as underscores.

    `only_frames` (0-based, half-open) holds for `frames` alone. Raises `UnknownNameError`.
    """
    painter = OverlayPainter()
    wanted = dict.fromkeys(name.replace("-", "_") for name in names)
    for name in wanted:
        if name not in _EXPORTERS:
            raise UnknownNameError("output", name, list(_EXPORTERS))
    return [_EXPORTERS[name](out, painter, only_frames) for name in wanted]
