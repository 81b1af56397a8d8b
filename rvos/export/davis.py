"""A sequence with the folder layout of DAVIS 2017: images, id maps, and the list of sequences.

Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", arXiv:1704.00675, and the folders of its
download. Each target is one object; `id_map` decides where masks overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from image_core.files import make_folder, output_errors, write_whole
from rvos.export import paths
from rvos.export.base import PerFrameExporter
from rvos.export.frame_pngs import id_map, palette_ids, write_palette_png
from rvos.export.jpeg import jpeg_bytes
from rvos.types import Frame, FrameResult, Target, VideoInfo

ANNOTATIONS, IMAGES, LISTS = "Annotations/480p", "JPEGImages/480p", "ImageSets/2017"
_QUALITY = 95


class DavisExporter(PerFrameExporter):
    """`Annotations/480p/NAME/<frame index>.png`, `JPEGImages/480p/NAME/<frame index>.jpg`, `ImageSets/2017/val.txt`.

    "480p" is the name of the folder in DAVIS; the images keep their size.
    """

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._ids = palette_ids(targets)
        name = Path(info.source).stem or "video"
        self._masks_folder, self._images_folder = (
            self.folder / subfolder / name for subfolder in (ANNOTATIONS, IMAGES)
        )
        for folder in (self._masks_folder, self._images_folder, self.folder / LISTS):
            make_folder(folder)
        list_path = self.folder / LISTS / "val.txt"
        with output_errors(list_path):
            list_path.write_bytes(name.encode("utf-8", "replace") + b"\n")

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        name = Path(paths.frame_file_name(frame.index))
        write_palette_png(self._masks_folder / name, id_map(frame.size, results, self._ids))
        image_path = (self._images_folder / name).with_suffix(".jpg")
        write_whole(image_path, jpeg_bytes(frame.image, _QUALITY))
