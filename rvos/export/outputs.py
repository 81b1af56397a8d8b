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
    "contact_sheet": Output("contact_sheet.png", Made.PICTURES, "the whole video on one picture"),
    "compare": Output("compare.mp4", Made.PICTURES, "video, source and overlay side by side"),
    "frames": Output("frames", Made.PICTURES, "PNGs with masks, boxes and scores"),
    "report": Output("report.html", Made.PICTURES, "one page: the film to scrub, timelines, candidates, changes", True),
    "pictures": Output("pictures", Made.PICTURES, "PNGs of the frames, under the names that coco, cvat and via use"),
    "masks": Output("masks", Made.MASKS, "PNGs of 0 and 255, a folder an expression"),
    "palette": Output("palette", Made.MASKS, "PNGs of ids in DAVIS' palette"),
    "davis": Output("davis", Made.PICTURES, "a tree as DAVIS 2017's: pictures, palette PNGs, list of sequences"),
    "cutouts": Output("cutouts", Made.PICTURES, "PNGs with alpha: what was meant, cut out"),
    "alpha_mov": Output("alpha.mov", Made.PICTURES, "video with alpha, ProRes 4444, for editing"),
    "alpha_webm": Output("alpha.webm", Made.PICTURES, "video with alpha, VP9, for browsers"),
    "green_screen": Output("green_screen.mp4", Made.PICTURES, "video, what was meant before green"),
    "blur": Output("blur.mp4", Made.PICTURES, "video, all but what was meant out of focus"),
    "coco": Output("coco.json", Made.LOG, "COCO instances, masks as RLE, a picture a frame"),
    "youtube_vis": Output("youtube_vis.json", Made.LOG, "YouTube-VIS, masks as RLE, an instance an expression"),
    "cvat": Output("cvat.xml", Made.LOG, "CVAT for video 1.1, masks as RLE"),
    "cvat_boxes": Output("cvat_boxes.xml", Made.LOG, "CVAT for video 1.1, a track of boxes an expression"),
    "label_studio": Output("label_studio.json", Made.LOG, "Label Studio tasks, masks as brushes"),
    "csv": Output("boxes.csv", Made.LOG, "table of boxes, scores and tracks, a row a frame and expression"),
    "via": Output("via.csv", Made.LOG, "tracks of boxes as VGG Image Annotator reads them"),
}
DEFAULT = ("overlay", "contact_sheet")
DRAWN = ("overlay", "contact_sheet", "report", "frames", "compare")
"""Those that follow an `OverlayStyle`."""
