"""The output formats of a run: the names for `--save` and `rvos export`, and the path of each in the run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ExportInput(Enum):
    """What a format is made from."""

    #: Frames of the video and their results, one after the other.
    FRAMES = "frames"
    #: Results alone, frame by frame. The video is not needed.
    MASKS = "masks"
    #: The log of a finished run, which may be read several times. The video is not needed.
    LOG = "log"


@dataclass(frozen=True)
class Output:
    """One row of the table of formats."""

    #: The name in the folder of a run: of a file if it has a suffix, else of a folder.
    path: str
    input: ExportInput
    #: Description in one line.
    title: str
    #: It shows the candidates of the image model, so the run must record them.
    has_candidates: bool = False

    @property
    def suffix(self) -> str:
        """ ".json" of a file, "" of a folder."""
        return "." + self.path.rpartition(".")[2] if "." in self.path else ""


OUTPUTS: dict[str, Output] = {
    "overlay": Output("overlay.mp4", ExportInput.FRAMES, "video with masks and legend"),
    "contact_sheet": Output("contact_sheet.png", ExportInput.FRAMES, "the whole video in one image"),
    "compare": Output("compare.mp4", ExportInput.FRAMES, "video, source and overlay side by side"),
    "frames": Output("frames", ExportInput.FRAMES, "PNGs with masks, boxes and scores"),
    "report": Output(
        "report.html", ExportInput.FRAMES, "one page: the video with a slider, timelines, candidates, changes", True
    ),
    "pictures": Output(
        "pictures", ExportInput.FRAMES, "PNGs of the frames, with the names that coco, cvat and via use"
    ),
    "masks": Output("masks", ExportInput.MASKS, "PNGs of 0 and 255, one folder per expression"),
    "palette": Output("palette", ExportInput.MASKS, "PNGs of ids, with the palette of DAVIS"),
    "davis": Output(
        "davis", ExportInput.FRAMES, "a tree like DAVIS 2017: JPEG images, palette PNGs, list of sequences"
    ),
    "cutouts": Output("cutouts", ExportInput.FRAMES, "PNGs with alpha: the targets, cut out"),
    "alpha_mov": Output("alpha.mov", ExportInput.FRAMES, "video with alpha, ProRes 4444, for editing"),
    "alpha_webm": Output("alpha.webm", ExportInput.FRAMES, "video with alpha, VP9, for browsers"),
    "green_screen": Output("green_screen.mp4", ExportInput.FRAMES, "video, the targets before green"),
    "blur": Output("blur.mp4", ExportInput.FRAMES, "video, everything but the targets blurred"),
    "coco": Output("coco.json", ExportInput.LOG, "COCO instances, masks as RLE, one image per frame"),
    "youtube_vis": Output(
        "youtube_vis.json", ExportInput.LOG, "YouTube-VIS, masks as RLE, one instance per expression"
    ),
    "cvat": Output("cvat.xml", ExportInput.LOG, "CVAT for video 1.1, masks as RLE"),
    "cvat_boxes": Output("cvat_boxes.xml", ExportInput.LOG, "CVAT for video 1.1, one track of boxes per expression"),
    "label_studio": Output("label_studio.json", ExportInput.LOG, "Label Studio tasks, masks as brush RLE"),
    "csv": Output("boxes.csv", ExportInput.LOG, "table of boxes, scores and tracks, one row per frame and expression"),
    "via": Output("via.csv", ExportInput.LOG, "boxes for VGG Image Annotator 2"),
}
DEFAULT = ("overlay", "contact_sheet")
DRAWN = ("overlay", "contact_sheet", "report", "frames", "compare")
"""The formats whose appearance depends on an `OverlayStyle`."""
