"""The gallery of the site: results of the models on a street video and on drawn shapes, with their errors.

python tools/gallery.py         # into build/gallery, some minutes; needs `rvos models fetch demo` and `photo`

`tools/docs_site.py` runs it.

docs/site/gallery.toml holds the scenes, and a caption for each, written by a person who looked at the picture. The
street video is not part of this repository, so the pictures are built only if it was downloaded. With each caption the
area of every mask is recorded; if the areas have changed much, the page says so.

A scene with an existing picture is not computed again: remove build/gallery after a change of models or trackers.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from image_core.errors import RvosError
from image_core.files import make_folder, read_json, write_json
from image_core.geometry.rle import decode_rle
from image_core.weights.cache import weights_of
from rvos import VideoResult, VideoSegmenter, open_video
from rvos.export.legend import video_legend
from rvos.export.painter import Painter
from rvos.export.style import OVERLAY_STYLE
from rvos.synthetic.dataset import RATE, SyntheticVideos

ROOT = Path(__file__).resolve().parents[1]
SCENES = ROOT / "docs" / "site" / "gallery.toml"
OUT = ROOT / "build" / "gallery"
PAGE = "gallery.md"
GAP_PX = 6
COLUMNS = 2
STREET_RATE = 25
"""Frames per second."""
CHANGED = 0.25
"""A mask whose area differs by more than this share of the larger one is another mask."""


@dataclass(frozen=True)
class Scene:
    """A part of a video, its expressions, and what a person saw in the result.

    Raises `ValueError` if there is not one area for each expression on each frame shown.
    """

    name: str
    title: str
    #: The video: `street`, or the number of a synthetic validation video.
    film: str | int
    #: The range of frames that is processed, its end excluded.
    frames: tuple[int, int]
    model: str
    expressions: tuple[str, ...]
    #: Positions of the shown frames in the video.
    shown: tuple[int, ...]
    #: Whether each expression has a row of its own, for masks that overlap.
    apart: bool
    caption: str
    #: For each frame shown, the area of each mask when the caption was written, in thousandths of the image.
    areas: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if [len(row) for row in self.areas] != [len(self.expressions)] * len(self.shown):
            raise ValueError(f"scene {self.name}: expected {len(self.expressions)} areas on {len(self.shown)} frames")


def read_scenes(path: Path = SCENES) -> list[Scene]:
    """The scenes of the gallery, in order. Raises `ValueError`."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["scene"]
    return [Scene(**{key: _frozen(value) for key, value in row.items()}) for row in rows]


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def frames_of(scene: Scene) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB. Raises `RvosError` if the video was not downloaded."""
    if isinstance(scene.film, int):
        return SyntheticVideos("val")[scene.film].frames[slice(*scene.frames)]
    with open_video(weights_of("demo")["bikes.mp4"]) as video:
        return np.stack([frame.image for frame in video.read(range(*scene.frames))])


@cache
def segmenter_of(model: str) -> VideoSegmenter:
    """The default system around an image model, loaded once."""
    return VideoSegmenter(model)


def areas_of(scene: Scene, result: VideoResult) -> list[list[int]]:
    """The area of each mask on each frame shown, in thousandths of the image."""
    return [
        [round(1000 * decode_rle(result.record(at, index).rle).mean()) for index in range(len(scene.expressions))]
        for at in (index - scene.frames[0] for index in scene.shown)
    ]


def has_changed(scene: Scene, areas: Sequence[Sequence[int]]) -> bool:
    """Whether the masks are no longer those of the caption. Two thousandths of the image count as no change."""
    pairs = [
        (old, new) for olds, news in zip(scene.areas, areas, strict=True) for old, new in zip(olds, news, strict=True)
    ]
    return any(abs(old - new) > max(2, CHANGED * max(old, new)) for old, new in pairs)


def sheet(scene: Scene, frames: np.ndarray, result: VideoResult) -> np.ndarray:
    """The frames shown, with masks and legend, (H, W, 3) uint8 RGB: in one row, or one row per expression."""
    everything = tuple(range(len(scene.expressions)))
    rows = [(index,) for index in everything] if scene.apart else [everything]
    tiles = [tile(scene, frames, result, at, rows_of_expressions) for rows_of_expressions in rows for at in scene.shown]
    columns = len(scene.shown) if scene.apart else COLUMNS
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)])


def tile(scene: Scene, frames: np.ndarray, result: VideoResult, at: int, indices: Sequence[int]) -> np.ndarray:
    """The frame at a position in the video, with the masks of some expressions."""
    painter, position = Painter(OVERLAY_STYLE), at - scene.frames[0]
    image = frames[position].copy()
    records = [result.record(position, index) for index in indices]
    painter.masks(image, [decode_rle(record.rle) for record in records])
    names = [scene.expressions[index] for index in indices]
    legend, corner = video_legend(names, (image.shape[0], image.shape[1]), OVERLAY_STYLE)
    legend.paint(image, corner, [record.present for record in records])
    rate = RATE if isinstance(scene.film, int) else STREET_RATE
    painter.caption(image, f"{position / rate:.1f} s", 13, at=(4, 4))
    return cv2.copyMakeBorder(image, 0, GAP_PX, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def section(scene: Scene, changed: bool) -> str:
    """The part of the page about a scene."""
    expressions = ", ".join(f"*{expression}*" for expression in scene.expressions)
    warning = "\n\n**The masks have changed since this was written; the caption may be wrong.**" * changed
    images = f"[![{scene.title}]({scene.name}.jpg)]({scene.name}.jpg)"  # a link to itself: larger
    head = f"## {scene.title}\n\nModel `{scene.model}`. Asked: {expressions}.\n\n{images}"
    return f"{head}\n\n{scene.caption.strip()}{warning}\n"


INTRODUCTION = """# Gallery

Results with all defaults, and their errors. Scenes were not selected: every scene that was tried is here, and its
caption was written after looking at every picture. A name in grey with a hollow square means: judged absent.

The street video is downloaded with `rvos models fetch demo`; it is not part of rvos. The shapes are drawn by `rvos
synth`.
"""


def areas_of_picture(scene: Scene) -> list[list[int]]:
    """The areas of a scene, which is computed and drawn if it has no picture yet. Raises `RvosError`."""
    settings = {key: value for key, value in asdict(scene).items() if key not in ("title", "caption", "areas")}
    record, settings = OUT / f"{scene.name}.json", json.loads(json.dumps(settings))
    known = read_json(record, "remove it") if record.is_file() else {}
    if known.get("asked") == settings:
        return known["areas"]
    frames = frames_of(scene)
    result = segmenter_of(scene.model).segment(frames, scene.expressions)
    picture = cv2.cvtColor(sheet(scene, frames, result), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(OUT / f"{scene.name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    areas = areas_of(scene, result)
    write_json(record, {"asked": settings, "areas": areas})
    return areas


def main() -> int:
    """Draw the missing pictures, and write the page."""
    make_folder(OUT)
    sections = [INTRODUCTION]
    for scene in read_scenes():
        try:
            areas = areas_of_picture(scene)
        except RvosError as error:
            print(f"the gallery: {error}", file=sys.stderr)
            return 2
        sections.append(section(scene, has_changed(scene, areas)))
        print(f"{scene.name}: areas = {areas}", flush=True)
    (OUT / PAGE).write_text("\n".join(sections), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
