"""The gallery of the site: what the models really make of a street and of drawn shapes, with what is wrong in it.

python tools/gallery.py         # into build/gallery, some minutes; needs `rvos models fetch demo` and `photo`

`tools/docs_site.py` runs it.

docs/site/gallery.toml holds the scenes, and a caption for each, written by a person who looked at the picture. The film
of the street is not part of this repository, so the pictures are made where it is at hand. Beside a caption stands how
much of each picture every mask covered when it was written; where that has changed much, the page says so.

A scene whose picture is there is not computed again: remove build/gallery after a change of models or trackers.
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
"""Frames a second."""
CHANGED = 0.25
"""A mask whose area differs by more than this share of the larger one is another mask."""


@dataclass(frozen=True)
class Scene:
    """A part of a film, what is asked of it, and what was seen in the result.

    Raises `ValueError` where the areas are not one for each expression on each frame shown.
    """

    name: str
    title: str
    #: The film: `street`, or the number of a synthetic validation video.
    film: str | int
    #: The part of it that is watched, its end left out.
    frames: tuple[int, int]
    model: str
    expressions: tuple[str, ...]
    #: Positions in the film of the frames that are shown.
    shown: tuple[int, ...]
    #: A row of pictures an expression: where masks lie on each other.
    apart: bool
    caption: str
    #: Of each frame shown: the thousandths of the picture that each mask covered when the caption was written.
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
    """(T, H, W, 3) uint8 RGB. Raises `RvosError` where the film is not at hand."""
    if isinstance(scene.film, int):
        return SyntheticVideos("val")[scene.film].frames[slice(*scene.frames)]
    with open_video(weights_of("demo")["bikes.mp4"]) as video:
        return np.stack([frame.image for frame in video.read(range(*scene.frames))])


@cache
def segmenter_of(model: str) -> VideoSegmenter:
    """The default system around an image model, loaded once."""
    return VideoSegmenter(model)


def areas_of(scene: Scene, result: VideoResult) -> list[list[int]]:
    """The share of the picture, in thousandths, that each mask covers on each frame shown."""
    return [
        [round(1000 * decode_rle(result.record(at, index).rle).mean()) for index in range(len(scene.expressions))]
        for at in (index - scene.frames[0] for index in scene.shown)
    ]


def has_changed(scene: Scene, areas: Sequence[Sequence[int]]) -> bool:
    """The masks are no longer those that the caption speaks of. Two thousandths of the picture are nothing."""
    pairs = [
        (old, new) for olds, news in zip(scene.areas, areas, strict=True) for old, new in zip(olds, news, strict=True)
    ]
    return any(abs(old - new) > max(2, CHANGED * max(old, new)) for old, new in pairs)


def sheet(scene: Scene, frames: np.ndarray, result: VideoResult) -> np.ndarray:
    """The frames shown, with masks and legend, (H, W, 3) uint8 RGB: beside each other, or a row an expression."""
    everything = tuple(range(len(scene.expressions)))
    rows = [(index,) for index in everything] if scene.apart else [everything]
    tiles = [tile(scene, frames, result, at, asked) for asked in rows for at in scene.shown]
    columns = len(scene.shown) if scene.apart else COLUMNS
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)])


def tile(scene: Scene, frames: np.ndarray, result: VideoResult, at: int, asked: Sequence[int]) -> np.ndarray:
    """The frame at a position in the film, with what some of the expressions mean on it."""
    painter, position = Painter(OVERLAY_STYLE), at - scene.frames[0]
    image = frames[position].copy()
    records = [result.record(position, index) for index in asked]
    painter.masks(image, [decode_rle(record.rle) for record in records])
    names = [scene.expressions[index] for index in asked]
    legend, corner = video_legend(names, (image.shape[0], image.shape[1]), OVERLAY_STYLE)
    legend.paint(image, corner, [record.present for record in records])
    rate = RATE if isinstance(scene.film, int) else STREET_RATE
    painter.caption(image, f"{position / rate:.1f} s", 13, at=(4, 4))
    return cv2.copyMakeBorder(image, 0, GAP_PX, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def section(scene: Scene, changed: bool) -> str:
    """The part of the page about a scene."""
    asked = ", ".join(f"*{expression}*" for expression in scene.expressions)
    warning = "\n\n**The masks have changed since this was written; the caption may be wrong.**" * changed
    shown = f"[![{scene.title}]({scene.name}.jpg)]({scene.name}.jpg)"  # a link to itself: larger
    head = f"## {scene.title}\n\nModel `{scene.model}`. Asked: {asked}.\n\n{shown}"
    return f"{head}\n\n{scene.caption.strip()}{warning}\n"


INTRODUCTION = """# Gallery

What comes out with all defaults, and what is wrong with it. Nothing was picked out: every scene that was tried is here,
and its captions were written after looking at every picture. A name in grey with a hollow square means: not there.

The street is a film that `rvos models fetch demo` brings; it is not part of rvos. The shapes are drawn by `rvos synth`.
"""


def made(scene: Scene) -> list[list[int]]:
    """The areas of a scene whose picture is there; else it is computed and drawn. Raises `RvosError`."""
    asked = {key: value for key, value in asdict(scene).items() if key not in ("title", "caption", "areas")}
    record, asked = OUT / f"{scene.name}.json", json.loads(json.dumps(asked))
    known = read_json(record, "remove it") if record.is_file() else {}
    if known.get("asked") == asked:
        return known["areas"]
    frames = frames_of(scene)
    result = segmenter_of(scene.model).segment(frames, scene.expressions)
    picture = cv2.cvtColor(sheet(scene, frames, result), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(OUT / f"{scene.name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    areas = areas_of(scene, result)
    write_json(record, {"asked": asked, "areas": areas})
    return areas


def main() -> int:
    """Make the pictures that are not there yet, and the page."""
    make_folder(OUT)
    sections = [INTRODUCTION]
    for scene in read_scenes():
        try:
            areas = made(scene)
        except RvosError as error:
            print(f"the gallery: {error}", file=sys.stderr)
            return 2
        sections.append(section(scene, has_changed(scene, areas)))
        print(f"{scene.name}: areas = {areas}", flush=True)
    (OUT / PAGE).write_text("\n".join(sections), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
