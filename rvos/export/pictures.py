"""One PNG per frame: masks, palette pictures with ids, annotated frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from image_core.files import make_folder, output_errors
from rvos.export import paths
from rvos.export.base import OverlayPainter, frame_caption
from rvos.export.legend import video_font_px
from rvos.export.palette import davis_palette
from rvos.export.png import write_png
from rvos.export.records import mask_bytes, rounded
from rvos.export.text import line_height
from rvos.types import Frame, FrameResult, OutputError, Target, VideoInfo

# 255 is "void" in the truth of DAVIS, and no object's id.
_MAX_IDS = 254
_PALETTE = davis_palette().tobytes()


def write_id_picture(path: Path, ids: np.ndarray) -> None:
    """Write (H, W) uint8 ids as indexed colour, in DAVIS' colours. Raises `OutputError`."""
    picture = Image.fromarray(ids)
    picture.putpalette(_PALETTE)
    with output_errors(path):
        picture.save(path, compress_level=1)


class MaskExporter:
    """`masks/<expression index>/<frame index>.png`, or `masks/object_<id>/...`: 0 or 255, one for every frame, all zero
    when absent."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._folders = [paths.mask_folder(self._out, target) for target in targets]
        for folder in self._folders:
            make_folder(folder)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for folder, result in zip(self._folders, results, strict=True):
            write_png(folder / paths.picture_name(frame.index), mask_bytes(result.mask) * np.uint8(255))

    def close(self) -> list[Path]:
        return list(self._folders)

    def abort(self) -> None:
        """Every picture is whole already."""


class PaletteExporter:
    """`palette/<frame index>.png`: indexed colour, each target's `label` as id, 0 where there is none.

    Where masks overlap the one with the higher score wins, as `frames.jsonl` rounds it; of equal scores the first.
    """

    def __init__(self, out: Path) -> None:
        self._folder = out / paths.PALETTE

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        if len(targets) > _MAX_IDS:
            raise OutputError(f"palette: expected at most {_MAX_IDS} targets, got {len(targets)}: save masks instead")
        self._labels = [target.label for target in targets]
        make_folder(self._folder)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        ids = np.zeros(frame.size, np.uint8)
        for result in sorted(results, key=lambda r: (rounded(r.score), -r.expression_index)):
            ids[result.mask] = self._labels[result.expression_index]
        write_id_picture(self._folder / paths.picture_name(frame.index), ids)

    def close(self) -> list[Path]:
        return [self._folder]

    def abort(self) -> None:
        """Every picture is whole already."""


class FramesExporter:
    """`frames/<frame index>.png`: the overlay with index and time, a box and the score for each target that is
    present; only the frames in `only_frames`, all where it is None."""

    def __init__(self, out: Path, overlay: OverlayPainter, only_frames: range | None) -> None:
        self._folder = out / paths.FRAMES
        self._overlay = overlay
        self._only_frames = only_frames

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._overlay.open(info, targets)
        make_folder(self._folder)

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
                painter.caption(
                    image, f"{rounded(result.score):.2f}", font_px, at=(y - line_height(font_px), x), colour=colour
                )
        painter.caption(image, frame_caption(frame), font_px, at=(0, 0))
        write_png(self._folder / paths.picture_name(frame.index), image)

    def close(self) -> list[Path]:
        return [self._folder]

    def abort(self) -> None:
        """Every picture is whole already."""
