"""A sequence in the tree of DAVIS 2017: pictures, masks of ids, and the list that names it.

Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", arXiv:1704.00675, and the folders of its
download. One object is one target; masks that overlap lose what `id_map` gives to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from image_core.files import make_folder, output_errors, write_whole
from rvos.export import paths
from rvos.export.base import FrameByFrame
from rvos.export.jpeg import jpeg_bytes
from rvos.export.pictures import id_map, labels_of, write_id_picture
from rvos.types import Frame, FrameResult, Target, VideoInfo

ANNOTATIONS, PICTURES, LISTS = "Annotations/480p", "JPEGImages/480p", "ImageSets/2017"
_QUALITY = 95


class DavisExporter(FrameByFrame):
    """`Annotations/480p/NAME/<frame index>.png`, `JPEGImages/480p/NAME/<frame index>.jpg`, `ImageSets/2017/val.txt`.

    "480p" is the name of the folder in DAVIS; the pictures keep their size.
    """

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._labels = labels_of(targets)
        name = Path(info.source).stem or "video"
        self._masks, self._pictures = (self.folder / part / name for part in (ANNOTATIONS, PICTURES))
        for folder in (self._masks, self._pictures, self.folder / LISTS):
            make_folder(folder)
        listed = self.folder / LISTS / "val.txt"
        with output_errors(listed):
            listed.write_bytes(name.encode("utf-8", "replace") + b"\n")

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        name = Path(paths.picture_name(frame.index))
        write_id_picture(self._masks / name, id_map(frame.size, results, self._labels))
        picture = (self._pictures / name).with_suffix(".jpg")
        write_whole(picture, jpeg_bytes(frame.image, _QUALITY))
