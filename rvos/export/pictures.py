"""One PNG per frame: masks, palette pictures with ids, annotated frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from image_core.files import make_folder, output_errors
from rvos.export import paths
from rvos.export.base import FrameByFrame, OverlayPainter, frame_caption
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


def labels_of(targets: Sequence[Target]) -> list[int]:
    """The id of each target in a picture of ids. Raises `OutputError` for more than a palette holds."""
    if len(targets) > _MAX_IDS:
        raise OutputError(f"palette: expected at most {_MAX_IDS} targets, got {len(targets)}: save masks instead")
    return [target.label for target in targets]


def id_map(size: tuple[int, int], results: Sequence[FrameResult], labels: Sequence[int]) -> np.ndarray:
    """(H, W) uint8: where masks overlap the one with the higher score wins, as `frames.jsonl` rounds it; of equal
    scores the first."""
    ids = np.zeros(size, np.uint8)
    for result in sorted(results, key=lambda r: (rounded(r.score), -r.expression_index)):
        ids[result.mask] = labels[result.expression_index]
    return ids


class PicturesExporter(FrameByFrame):
    """`<frame index>.png`: the frames themselves, under the names by which documents call them."""

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_png(self.folder / paths.picture_name(frame.index), frame.image)


class MaskExporter(FrameByFrame):
    """`<expression index>/<frame index>.png`, or `object_<id>/...`: 0 or 255, one for every frame, all zero when
    absent."""

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._folders = [self.folder / paths.mask_folder(target) for target in targets]
        for folder in self._folders:
            make_folder(folder)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for folder, result in zip(self._folders, results, strict=True):
            write_png(folder / paths.picture_name(frame.index), mask_bytes(result.mask) * np.uint8(255))

    def close(self) -> list[Path]:
        return list(self._folders)


class PaletteExporter(FrameByFrame):
    """`<frame index>.png`: indexed colour, each target's `label` as id, 0 where there is none.

    Where masks overlap `id_map` decides.
    """

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._labels = labels_of(targets)
        super().open(info, targets)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_id_picture(self.folder / paths.picture_name(frame.index), id_map(frame.size, results, self._labels))


class FramesExporter(FrameByFrame):
    """`<frame index>.png`: the overlay with index and time, a box and the score for each target that is
    present; only the frames in `only_frames`, all where it is None."""

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
                top = y + h if painter.style.labels else y - line_height(font_px)  # above is the name
                painter.caption(image, f"{rounded(result.score):.2f}", font_px, at=(top, x), colour=colour)
        painter.caption(image, frame_caption(frame), font_px, at=(0, 0))
        write_png(self.folder / paths.picture_name(frame.index), image)
