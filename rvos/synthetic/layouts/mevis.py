"""Writes synthetic videos in the on-disk layout of MeViS, truth included.

ROOT/<split>/JPEGImages/<video>/<frame>.jpg       split: train, or valid_u (our val and our test); names have gaps
ROOT/<split>/meta_expressions.json                version 1: expressions with a target, one or several
ROOT/<split>/meta_expressions_v2.json             version 2: the same and those without a target, where there are any
ROOT/<split>/mask_dict.json                       annotation id -> COCO run lengths of each frame, null where absent
ROOT/<split>/synthetic.json                       which videos these are
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from image_core.files import make_folder, write_json
from image_core.geometry.rle import encode_rle
from rvos.synthetic.dataset import FRAMES, SIZE, VideoDescription
from rvos.synthetic.drawing import draw_frames, draw_tracks
from rvos.synthetic.layouts.writing import provenance, videos_of, visible_tracks, write_frames
from rvos.synthetic.phrasing import about_nothing, about_one, about_several

FOLDERS = {"train": "train", "val": "valid_u", "test": "valid_u"}
"""Our split -> its name in the layout."""

_ABOUT_ONE = 2
_ABOUT_SEVERAL = 3
_ABOUT_NOTHING = 1
_GAP = 4
"""After so many frames, a name is left out."""


def write_mevis(
    root: Path, split: str, count: int, seed: int, size: tuple[int, int] = SIZE, frames: int = FRAMES
) -> None:
    """Write the first `count` videos of a split and seed; see `rvos.synthetic.layouts.Writer`."""
    videos = videos_of(split, count, seed, size, frames)
    meta: dict[str, Any] = {}
    masks: dict[str, Any] = {}
    folder = root / FOLDERS[split]
    for index in range(count):
        described = videos.describe(index)
        animation = described.animation
        names = [f"{t + t // _GAP:05d}" for t in range(animation.frame_count)]
        write_frames(folder / "JPEGImages" / described.video_id, names, draw_frames(animation, size))
        tracks = visible_tracks(animation, draw_tracks(animation, size))
        annotation_ids = {object_id: len(masks) + i for i, object_id in enumerate(sorted(animation.position))}
        masks |= {str(i): _runs(tracks == object_id) for object_id, i in annotation_ids.items()}
        rows = [_row(text, ids, annotation_ids) for text, ids in expressions_of(described)]
        meta[described.video_id] = {"expressions": {str(i): row for i, row in enumerate(rows)}, "frames": names}
    make_folder(folder)
    write_json(folder / "synthetic.json", provenance(split, seed, size))
    write_json(folder / "mask_dict.json", masks)
    second = folder / "meta_expressions_v2.json"
    second.unlink(missing_ok=True)
    targeted = {i: row | {"expressions": _with_target(row["expressions"])} for i, row in meta.items()}
    if targeted != meta:
        write_json(second, {"videos": meta})
    # Last, for it is what says that a dataset is there.
    write_json(folder / "meta_expressions.json", {"videos": targeted})


def expressions_of(described: VideoDescription) -> list[tuple[str, tuple[int, ...]]]:
    """Texts with the ids of the objects that they mean, different ones; those that mean none are the last."""
    rng = Random(described.video_id)
    ids_of = {e.text: e.object_ids for e in described.expressions if e.kind != "stale"}
    for object_id, texts in about_one(described.animation, _ABOUT_ONE, rng).items():
        ids_of |= dict.fromkeys(texts, (object_id,))
    ids_of |= dict(about_several(described.animation, _ABOUT_SEVERAL, rng))
    ids_of |= dict.fromkeys(about_nothing(described.animation, _ABOUT_NOTHING, rng), ())
    return sorted(ids_of.items(), key=lambda pair: not pair[1])


def _row(text: str, object_ids: tuple[int, ...], annotation_ids: dict[int, int]) -> dict[str, Any]:
    return {"exp": text, "obj_id": list(object_ids), "anno_id": [annotation_ids[i] for i in object_ids]}


def _with_target(rows: dict[str, Any]) -> dict[str, Any]:
    return {i: row for i, row in rows.items() if row["anno_id"]}


def _runs(masks: np.ndarray) -> list[dict[str, Any] | None]:
    """(T, H, W) bool -> T run lengths, None where nothing is."""
    return [encode_rle(mask) if mask.any() else None for mask in masks]
