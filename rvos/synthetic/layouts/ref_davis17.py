"""Writes synthetic videos in the layout of Ref-DAVIS17 as converted to that of Ref-YouTube-VOS, truth included.

ROOT/meta_expressions/<split>/meta_expressions.json      split: train, or valid (our val and our test)
ROOT/meta_expressions/<split>/synthetic.json             which videos these are
ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/Annotations/<video>/<frame>.png             indexed colour: 0 background, 1 to n objects, 255 void

Every object has four expressions, and number 4 x object + k is the k-th of them: two annotators, each having seen the
first frame and then the whole video. Void lies one pixel wide on the background around every object.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np

from image_core.files import make_folder, write_json
from rvos.synthetic.animation import Animation
from rvos.synthetic.dataset import FRAMES, SIZE
from rvos.synthetic.drawing import draw_frames, draw_tracks
from rvos.synthetic.layouts.writing import provenance, videos_of, visible_tracks, write_frames, write_id_maps
from rvos.synthetic.phrasing import about_one

FOLDERS = {"train": "train", "val": "valid", "test": "valid"}
"""Our split -> its name in the layout."""
EXPRESSIONS = 4
"""Of each object, in this order: first annotator, first frame and whole video; second annotator, the same."""

_VOID_ID = 255
_RING = np.ones((3, 3), np.uint8)


def write_ref_davis17(
    root: Path, split: str, count: int, seed: int, size: tuple[int, int] = SIZE, frames: int = FRAMES
) -> None:
    """Write the first `count` videos of a split and seed; see `rvos.synthetic.layouts.Writer`."""
    videos = videos_of(split, count, seed, size, frames)
    meta: dict[str, Any] = {}
    folder = root / FOLDERS[split]
    for index in range(count):
        described = videos.describe(index)
        animation, video_id = described.animation, described.video_id
        names = [f"{t:05d}" for t in range(animation.frame_count)]
        texts_of = about_one(animation, EXPRESSIONS, Random(video_id))
        numbers = numbers_of(animation, list(texts_of))
        write_frames(folder / "JPEGImages" / video_id, names, draw_frames(animation, size))
        maps = id_maps(visible_tracks(animation, draw_tracks(animation, size)), numbers)
        write_id_maps(folder / "Annotations" / video_id, names, maps)
        texts = {str(numbers[object_id]): own for object_id, own in texts_of.items()}
        meta[video_id] = {"expressions": _expression_rows(texts), "frames": names}
    listing = root / "meta_expressions" / FOLDERS[split]
    make_folder(listing)
    write_json(listing / "synthetic.json", provenance(split, seed, size))
    # Last, for it is what says that a dataset is there.
    write_json(listing / "meta_expressions.json", {"videos": meta})


def numbers_of(animation: Animation, object_ids: list[int]) -> dict[int, int]:
    """Object id of the animation -> its id in the annotation, from 1 on without a gap.

    What is not there on the first frame comes first: the official evaluation takes the highest id of the first frame
    for the number of objects, and none may be lost by that.
    """
    ordered = sorted(object_ids, key=lambda i: (bool(animation.visible_of(i)[0]), i))
    return {object_id: number for number, object_id in enumerate(ordered, 1)}


def id_maps(tracks: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    """(T, H, W) uint8: `tracks` in the ids of the annotation, 0 for what has none, a ring of void around the rest."""
    table = np.zeros(256, np.uint8)
    for object_id, number in numbers.items():
        table[object_id] = number
    maps = table[tracks]
    for ids in maps:
        near = cv2.dilate((ids > 0).astype(np.uint8), _RING).astype(bool)
        ids[near & (ids == 0)] = _VOID_ID
    return maps


def _expression_rows(texts: dict[str, tuple[str, ...]]) -> dict[str, dict[str, str]]:
    """Objects in the order of their ids as strings, each with its texts in a row."""
    rows = [(object_id, text) for object_id in sorted(texts) for text in texts[object_id]]
    return {str(i): {"exp": text, "obj_id": object_id} for i, (object_id, text) in enumerate(rows)}
