"""The formats that a run can be had in: the names of `--save` and `rvos export`, and the place of each in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Made(Enum):
    """What a format is made of."""

    #: The pictures of the video, and what was found on them.
    PICTURES = "pictures"
    #: Masks alone, frame by frame: the video need not be there.
    MASKS = "masks"
    #: The log of a run that is done, as often as it takes: neither need the video be there.
    LOG = "log"


@dataclass(frozen=True)
class Output:
    """One row of the table of formats."""

    #: The name in the folder of a run: with an ending a file, without one a folder.
    place: str
    made_of: Made
    #: What it is, a line for people.
    title: str
    #: It shows what the image model held possible, which a run then keeps.
    has_candidates: bool = False

    @property
    def suffix(self) -> str:
        """ ".json" of a file, "" of a folder."""
        return "." + self.place.rpartition(".")[2] if "." in self.place else ""


OUTPUTS: dict[str, Output] = {
    "overlay": Output("overlay.mp4", Made.PICTURES, "video with masks and legend"),
    "contact_sheet": Output("contact_sheet.png", Made.PICTURES, "the whole video in one image"),
    "compare": Output("compare.mp4", Made.PICTURES, "video, source and overlay side by side"),
    "frames": Output("frames", Made.PICTURES, "PNGs with masks, boxes and scores"),
    "report": Output(
        "report.html", Made.PICTURES, "one page: the video with a slider, timelines, candidates, changes", True
    ),
    "pictures": Output("pictures", Made.PICTURES, "PNGs of the frames, with the names that coco, cvat and via use"),
    "masks": Output("masks", Made.MASKS, "PNGs of 0 and 255, one folder per expression"),
    "palette": Output("palette", Made.MASKS, "PNGs of ids, with the palette of DAVIS"),
    "davis": Output("davis", Made.PICTURES, "a tree like DAVIS 2017: JPEG images, palette PNGs, list of sequences"),
    "cutouts": Output("cutouts", Made.PICTURES, "PNGs with alpha: the targets, cut out"),
    "alpha_mov": Output("alpha.mov", Made.PICTURES, "video with alpha, ProRes 4444, for editing"),
    "alpha_webm": Output("alpha.webm", Made.PICTURES, "video with alpha, VP9, for browsers"),
    "green_screen": Output("green_screen.mp4", Made.PICTURES, "video, the targets before green"),
    "blur": Output("blur.mp4", Made.PICTURES, "video, everything but the targets blurred"),
    "coco": Output("coco.json", Made.LOG, "COCO instances, masks as RLE, one image per frame"),
    "youtube_vis": Output("youtube_vis.json", Made.LOG, "YouTube-VIS, masks as RLE, one instance per expression"),
    "cvat": Output("cvat.xml", Made.LOG, "CVAT for video 1.1, masks as RLE"),
    "cvat_boxes": Output("cvat_boxes.xml", Made.LOG, "CVAT for video 1.1, one track of boxes per expression"),
    "label_studio": Output("label_studio.json", Made.LOG, "Label Studio tasks, masks as brush RLE"),
    "csv": Output("boxes.csv", Made.LOG, "table of boxes, scores and tracks, one row per frame and expression"),
    "via": Output("via.csv", Made.LOG, "boxes for VGG Image Annotator 2"),
}
DEFAULT = ("overlay", "contact_sheet")
DRAWN = ("overlay", "contact_sheet", "report", "frames", "compare")
"""Those that follow an `OverlayStyle`."""
