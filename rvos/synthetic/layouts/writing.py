"""What the layouts share: the videos asked for, their frames and id maps as pictures, and who made them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from image_core.errors import ConfigError
from image_core.files import make_folder, output_errors
from rvos.export.palette import davis_palette
from rvos.synthetic.animation import Animation
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.fingerprint import generator_sha256
from rvos.video.writer import VideoWriter

_JPEG_QUALITY = 95


def videos_of(split: str, count: int, seed: int, size: tuple[int, int], frames: int) -> SyntheticVideos:
    """The videos to write. Raises `ConfigError` for a count below 1, or a size or a number of frames too small."""
    if count < 1:
        raise ConfigError(f"count: expected 1 video or more, got {count}")
    return SyntheticVideos(split, seed, size, length=count, frames=frames)


def provenance(split: str, seed: int, size: tuple[int, int]) -> dict[str, Any]:
    """What says which videos these are, for the file `synthetic.json` beside the expressions."""
    return {"generator_sha256": generator_sha256(), "split": split, "seed": seed, "size": list(size)}


def visible_tracks(animation: Animation, tracks: np.ndarray) -> np.ndarray:
    """(T, H, W) uint8 `tracks` without the pixels of what shows too little to be there, so that they are the truth of
    every expression that means the same object throughout."""
    seen = np.zeros((len(tracks), 256), bool)
    for object_id in animation.position:
        seen[:, object_id] = animation.visible_of(object_id)
    return np.stack([np.where(row[ids], ids, 0).astype(np.uint8) for row, ids in zip(seen, tracks, strict=True)])


def write_frames(folder: Path, names: Sequence[str], frames: np.ndarray) -> None:
    """Write (T, H, W, 3) uint8 RGB as `<name>.jpg`. Raises `OutputError`."""
    make_folder(folder)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    for name, image in zip(names, frames, strict=True):
        data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1]
        with output_errors(folder):
            (folder / f"{name}.jpg").write_bytes(data.tobytes())


def write_id_maps(folder: Path, names: Sequence[str], maps: np.ndarray) -> None:
    """Write (T, H, W) uint8 as indexed `<name>.png` in DAVIS' colours. Raises `OutputError`."""
    make_folder(folder)
    palette = davis_palette().tobytes()
    for name, ids in zip(names, maps, strict=True):
        picture = Image.fromarray(np.ascontiguousarray(ids))
        picture.putpalette(palette)
        with output_errors(folder):
            picture.save(folder / f"{name}.png")


def write_video(path: Path, frames: np.ndarray, rate: float) -> None:
    """Write (T, H, W, 3) uint8 RGB as an H.264 file at `rate` frames/s. Raises `OutputError`."""
    make_folder(path.parent)
    with VideoWriter(path, (frames.shape[1], frames.shape[2]), rate=rate) as writer:
        for t, image in enumerate(frames):
            writer.write(image, t / rate)
