"""Exporters that write one PNG per frame: frames, masks, id maps with a palette, annotated frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from image_core.files import make_folder, output_errors
from rvos.export import paths
from rvos.export.base import OverlayPainter, PerFrameExporter, frame_caption
from rvos.export.legend import video_font_px
from rvos.export.palette import davis_palette
from rvos.export.png import write_png
from rvos.export.records import mask_bytes, rounded
from rvos.export.text import line_height
from rvos.types import Frame, FrameResult, OutputError, Target, VideoInfo

# 255 is "void" in DAVIS, not the id of an object.
_MAX_ID = 254
_PALETTE = davis_palette().tobytes()


def write_palette_png(path: Path, ids: np.ndarray) -> None:
    """Write (H, W) uint8 ids as a PNG with the palette of DAVIS. Raises `OutputError`."""
    image = Image.fromarray(ids)
    image.putpalette(_PALETTE)
    with output_errors(path):
        image.save(path, compress_level=1)


def palette_ids(targets: Sequence[Target]) -> list[int]:
    """The id of each target in an id map: its label. Raises `OutputError` for more than 254 targets."""
    if len(targets) > _MAX_ID:
        raise OutputError(f"palette: expected at most {_MAX_ID} targets, got {len(targets)}: save masks instead")
    return [target.label for target in targets]


def id_map(size: tuple[int, int], results: Sequence[FrameResult], target_ids: Sequence[int]) -> np.ndarray:
    """(H, W) uint8: the id of the target at each pixel, 0 for none. Where masks overlap, the one with the highest
    score wins, rounded as in `frames.jsonl`; of equal scores the first."""
    ids = np.zeros(size, np.uint8)
    for result in sorted(results, key=lambda r: (rounded(r.score), -r.expression_index)):
        ids[result.mask] = target_ids[result.expression_index]
    return ids


class PicturesExporter(PerFrameExporter):
    """`<frame index>.png`: the frames themselves, with the names that the formats coco, cvat and via use."""

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_png(self.folder / paths.frame_file_name(frame.index), frame.image)


class MaskExporter(PerFrameExporter):
    """`<expression index>/<frame index>.png`, or `object_<id>/...`: 0 or 255, one for every frame, all zero if the
    target is absent."""

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._folders = [self.folder / paths.mask_folder(target) for target in targets]
        for folder in self._folders:
            make_folder(folder)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for folder, result in zip(self._folders, results, strict=True):
            write_png(folder / paths.frame_file_name(frame.index), mask_bytes(result.mask) * np.uint8(255))

    def close(self) -> list[Path]:
        return list(self._folders)


class PaletteExporter(PerFrameExporter):
    """`<frame index>.png`: `id_map` as a PNG with a palette; the id of a target is its `label`."""

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._ids = palette_ids(targets)
        super().open(info, targets)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_palette_png(self.folder / paths.frame_file_name(frame.index), id_map(frame.size, results, self._ids))


class FramesExporter(PerFrameExporter):
    """`<frame index>.png`: the overlay with index and time, a box and the score for each target that is
    present; only the frames in `only_frames`, or all if it is None."""

    def __init__(self, folder: Path, overlay: OverlayPainter, only_frames: range | None) -> None:
        super().__init__(folder)
        self._overlay = overlay
        self._only_frames = only_frames

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._overlay.open(info, targets)
        super().open(info, targets)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        if self._only_frames is not None and frame.index not in self._only_frames:
            return
        image = self._overlay.paint(frame, results).copy()
        painter = self._overlay.painter
        font_px = video_font_px(frame.size)
        for result in results:
            x, y, w, h = cv2.boundingRect(mask_bytes(result.mask))
            if w:
                colour = painter.style.colour_of(result.expression_index)
                painter.box(image, (x, y, x + w, y + h), colour)
                top = y + h if painter.style.labels else y - line_height(font_px)  # the name is above
                painter.caption(image, f"{rounded(result.score):.2f}", font_px, at=(top, x), colour=colour)
        painter.caption(image, frame_caption(frame), font_px, at=(0, 0))
        write_png(self.folder / paths.frame_file_name(frame.index), image)
