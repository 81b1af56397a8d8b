"""Writes synthetic videos in the on-disk layout of Ref-YouTube-VOS, truth included, and as video files.

ROOT/<split>/JPEGImages/<video>/<frame>.jpg              the frames; split: train, valid (our val) or test
ROOT/<split>/Annotations/<video>/<frame>.png             indexed colour, the pixel's value is the object's id
ROOT/meta_expressions/<split>/meta_expressions.json      sentences and frame names
ROOT/meta_expressions/<split>/synthetic.json             what the layout has no room for: kind, family, truth per frame
ROOT/videos/<video>.mp4                                  the same frames, H.264

`obj_id` stands where a sentence means one and the same object throughout; elsewhere (plural, absent, stale) the sidecar
alone says what it means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from image_core.errors import ConfigError
from rvos.export.drawing import davis_palette
from rvos.export.files import make_folder, output_errors, write_json
from rvos.synthetic.dataset import SIZE, SyntheticVideos, VideoSample
from rvos.synthetic.expressions import VideoExpression
from rvos.synthetic.fingerprint import generator_sha256
from rvos.video.writer import VideoWriter

FOLDERS = {"train": "train", "val": "valid", "test": "test"}
"""Our split -> its name in the layout."""

_JPEG_QUALITY = 95


def index_file(root: Path, split: str) -> Path:
    """The file that lists the sentences of a split, which every dataset in this layout has."""
    return root / "meta_expressions" / FOLDERS[split] / "meta_expressions.json"


def write_ref_youtube_vos(root: Path, split: str, count: int, seed: int, size: tuple[int, int] = SIZE) -> None:
    """Write the first `count` videos of a split and seed; size: (height, width) in pixels.

    Raises `ConfigError` for a count below 1 or a size that is too small, `UnknownNameError` for another split,
    `OutputError` where nothing can be written.
    """
    if count < 1:
        raise ConfigError(f"count: came {count} videos, wanted 1 or more: raise it")
    videos = SyntheticVideos(split, seed, size, length=count)
    meta: dict[str, Any] = {}
    sidecar: dict[str, Any] = {}
    for index in range(count):
        sample = videos.draw(index)
        names = [f"{t:05d}" for t in range(len(sample.frames))]
        _write_pictures(root / FOLDERS[split], sample, names)
        _write_video(root / "videos" / f"{sample.video_id}.mp4", sample)
        said = {e.expression_id: e for e in sample.expressions}
        meta[sample.video_id] = {"expressions": {i: _expression_row(e) for i, e in said.items()}, "frames": names}
        rows = {i: _truth_row(e) for i, e in said.items()}
        sidecar[sample.video_id] = {"rate": sample.rate, "expressions": rows}
    index_path = index_file(root, split)
    make_folder(index_path.parent)
    generator = {"generator_sha256": generator_sha256(), "split": split, "seed": seed, "size": list(size)}
    write_json(index_path.with_name("synthetic.json"), generator | {"videos": sidecar})
    # Last, for it is what says that a dataset is there.
    write_json(index_path, {"videos": meta})


def _expression_row(expression: VideoExpression) -> dict[str, str]:
    row = {"exp": expression.sentence}
    if expression.kind != "stale" and len(expression.object_ids) == 1:
        row["obj_id"] = str(expression.object_ids[0])
    return row


def _truth_row(expression: VideoExpression) -> dict[str, Any]:
    """`answers`: per frame the ids that are meant and visible, null where that is disputable."""
    return {
        "kind": expression.kind,
        "family": expression.family,
        "object_ids": list(expression.object_ids),
        "answers": [None if found is None else sorted(found) for found in expression.answers],
        "present": [bool(found) for found in expression.answers],
    }


def _write_pictures(folder: Path, sample: VideoSample, names: list[str]) -> None:
    frames, annotations = folder / "JPEGImages" / sample.video_id, folder / "Annotations" / sample.video_id
    make_folder(frames)
    make_folder(annotations)
    palette = davis_palette().tobytes()
    for name, image, ids in zip(names, sample.frames, sample.tracks, strict=True):
        data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[
            1
        ]
        picture = Image.fromarray(np.ascontiguousarray(ids))
        picture.putpalette(palette)
        with output_errors(folder):
            (frames / f"{name}.jpg").write_bytes(data.tobytes())
            picture.save(annotations / f"{name}.png")


def _write_video(path: Path, sample: VideoSample) -> None:
    make_folder(path.parent)
    size = sample.frames.shape[1], sample.frames.shape[2]
    with VideoWriter(path, size, rate=sample.rate) as writer:
        for t, image in enumerate(sample.frames):
            writer.write(image, t / sample.rate)
