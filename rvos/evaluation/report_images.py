"""Images for the report of an evaluation: frames with truth and prediction, and overlay videos of some expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from image_core.errors import RvosError
from image_core.files import make_folder
from rvos.data.base import VideoDataset
from rvos.data.records import Expression, VideoRecord
from rvos.evaluation.layouts import Layout
from rvos.evaluation.scoring import ExpressionRow
from rvos.export.base import OverlayPainter
from rvos.export.outputs import OUTPUTS
from rvos.export.overlay import OverlayExporter
from rvos.export.style import OVERLAY_STYLE
from rvos.types import FrameResult, expression_targets
from rvos.video.reader import open_video

FrameComparison = tuple[np.ndarray, np.ndarray | None, np.ndarray]
"""A frame (H, W, 3) uint8 RGB, its truth (H, W) bool or None if that cannot be read, its prediction (H, W) bool."""


@dataclass(frozen=True)
class ReportImages:
    """Draws the predictions of a dataset."""

    dataset: VideoDataset
    layout: Layout
    predictions: Path

    def strip(self, video_id: str, expression_id: str, positions: Sequence[int]) -> list[FrameComparison]:
        """Frames of one expression at increasing positions among its scored frames. Raises `RvosError`."""
        video, expression = self._find(video_id, expression_id)
        indices = [position if expression.scored is None else expression.scored[position] for position in positions]
        with open_video(video.stored_source, prefetch=0) as opened:
            frames = [frame.image for frame in opened.get(indices)]
        wanted = {*positions}
        truths = [mask for i, mask in enumerate(self.dataset.truth(video, expression)) if i in wanted]
        masks = [self._mask(video, expression, i, frame) for i, frame in zip(indices, frames, strict=True)]
        return list(zip(frames, truths, masks, strict=True))

    def overlay(self, video_id: str, expression_id: str, out: Path) -> Path:
        """The whole video with the predicted masks, as `<out>/overlay.mp4`. Raises `RvosError`."""
        video, expression = self._find(video_id, expression_id)
        make_folder(out)
        exporter = OverlayExporter(out / OUTPUTS["overlay"].path, OverlayPainter(OVERLAY_STYLE))
        with open_video(video.stored_source, prefetch=0) as opened:
            exporter.open(opened.info, expression_targets([expression.text]))
            for frame in opened:
                mask = self._mask(video, expression, frame.index, frame.image)
                exporter.write(frame, [FrameResult(frame.index, frame.time_s, 0, mask, 1.0, 1.0)])
            return exporter.close()[0]

    def _mask(self, video: VideoRecord, expression: Expression, index: int, frame: np.ndarray) -> np.ndarray:
        mask = self.layout.read(self.predictions, video, expression, index)
        return np.zeros(frame.shape[:2], bool) if mask is None else mask

    def _find(self, video_id: str, expression_id: str) -> tuple[VideoRecord, Expression]:
        video = next(video for video in self.dataset.videos if video.video_id == video_id)
        return video, next(e for e in video.expressions if e.expression_id == expression_id)


def write_overlays(
    images: ReportImages, rows: Sequence[ExpressionRow], boundary: bool, out: Path, count: int
) -> dict[str, str]:
    """Overlays of the `count` best and the `count` worst expressions: <video>/<expression> -> path, relative to `out`.

    boundary: see `ExpressionRow.value`, by which they are ranked. A video that cannot be drawn is left out; its error
    is among the failures.
    """
    ranked = sorted((row for row in rows if row.error is None), key=lambda row: row.value(boundary))
    paths = {}
    for row in [*ranked[:count], *[row for row in ranked[count:] if row.has_target][-count:]]:
        folder = Path("overlays") / row.video_id / row.expression_id
        try:
            images.overlay(row.video_id, row.expression_id, out / folder)
        except RvosError:
            continue
        paths[row.key] = (folder / "overlay.mp4").as_posix()
    return paths
