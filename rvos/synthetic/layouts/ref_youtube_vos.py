"""Writes synthetic videos in the on-disk layout of Ref-YouTube-VOS, truth included, and as video files.

ROOT/<split>/JPEGImages/<video>/<frame>.jpg              the frames; split: train, valid (our val) or test
ROOT/<split>/Annotations/<video>/<frame>.png             indexed colour, the pixel's value is the object's id
ROOT/meta_expressions/<split>/meta_expressions.json      expressions and frame names
ROOT/meta_expressions/<split>/synthetic.json             what the layout has no room for: kind, family, truth per frame
ROOT/videos/<video>.mp4                                  the same frames, H.264

`obj_id` stands where an expression means one and the same object throughout; elsewhere (plural, absent, stale) the
sidecar alone says what it means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_core.files import make_folder, write_json
from rvos.synthetic.dataset import FRAMES, SIZE
from rvos.synthetic.expressions import VideoExpression
from rvos.synthetic.layouts.writing import provenance, videos_of, write_frames, write_id_maps, write_video

FOLDERS = {"train": "train", "val": "valid", "test": "test"}
"""Our split -> its name in the layout."""


def write_ref_youtube_vos(
    root: Path, split: str, count: int, seed: int, size: tuple[int, int] = SIZE, frames: int = FRAMES
) -> None:
    """Write the first `count` videos of a split and seed; see `rvos.synthetic.layouts.Writer`."""
    videos = videos_of(split, count, seed, size, frames)
    meta: dict[str, Any] = {}
    sidecar: dict[str, Any] = {}
    folder = root / FOLDERS[split]
    for index in range(count):
        sample = videos.draw(index)
        names = [f"{t:05d}" for t in range(len(sample.frames))]
        write_frames(folder / "JPEGImages" / sample.video_id, names, sample.frames)
        write_id_maps(folder / "Annotations" / sample.video_id, names, sample.tracks)
        write_video(root / "videos" / f"{sample.video_id}.mp4", sample.frames, sample.rate)
        expressions = {e.expression_id: e for e in sample.expressions}
        meta[sample.video_id] = {
            "expressions": {i: _expression_row(e) for i, e in expressions.items()},
            "frames": names,
        }
        rows = {i: _truth_row(e) for i, e in expressions.items()}
        sidecar[sample.video_id] = {"rate": sample.rate, "expressions": rows}
    listing = root / "meta_expressions" / FOLDERS[split]
    make_folder(listing)
    write_json(listing / "synthetic.json", provenance(split, seed, size) | {"videos": sidecar})
    # Last, for it is what says that a dataset is there.
    write_json(listing / "meta_expressions.json", {"videos": meta})


def _expression_row(expression: VideoExpression) -> dict[str, str]:
    row = {"exp": expression.text}
    if expression.kind != "stale" and len(expression.object_ids) == 1:
        row["obj_id"] = str(expression.object_ids[0])
    return row


def _truth_row(expression: VideoExpression) -> dict[str, Any]:
    """`answers`: per frame the ids that are meant and visible, null where that is disputable."""
    return {
        "kind": expression.kind,
        "family": expression.family,
        "object_ids": list(expression.object_ids),
        "answers": [None if ids is None else sorted(ids) for ids in expression.answers],
        "present": [bool(ids) for ids in expression.answers],
    }
