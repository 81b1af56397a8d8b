"""A dataset in the layout of Ref-YouTube-VOS, of red and green squares."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

SIZE = (48, 80)
FRAMES = 4
NAMES = tuple(f"{5 * t:05d}" for t in range(FRAMES))


def ids_of(t: int, shift: int) -> np.ndarray:
    """(H, W) uint8: 1 a red square that moves right, 2 a green one that is gone on the last frame."""
    ids = np.zeros(SIZE, np.uint8)
    ids[8:24, 4 + shift + 2 * t : 20 + shift + 2 * t] = 1
    if t < FRAMES - 1:
        ids[28:44, 50:66] = 2
    return ids


def write_video(root: Path, video_id: str, shift: int) -> None:
    """Its frames and annotations."""
    colours = np.array([(120, 120, 120), (230, 20, 20), (20, 220, 20)], np.uint8)
    for folder in ("JPEGImages", "Annotations"):
        (root / "valid" / folder / video_id).mkdir(parents=True)
    for t, name in enumerate(NAMES):
        ids = ids_of(t, shift)
        image = cv2.cvtColor(colours[ids], cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(root / f"valid/JPEGImages/{video_id}/{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
        picture = Image.fromarray(ids)
        picture.putpalette(bytes(range(256)) * 3)
        picture.save(root / f"valid/Annotations/{video_id}/{name}.png")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three videos of four frames, two expressions each."""
    root = tmp_path / "data"
    videos = {}
    for shift, video_id in enumerate(("a", "b", "c")):
        write_video(root, video_id, 4 * shift)
        expressions = {"0": {"exp": "the red thing", "obj_id": "1"}, "1": {"exp": "the green thing", "obj_id": "2"}}
        videos[video_id] = {"expressions": expressions, "frames": list(NAMES)}
    index = root / "meta_expressions/valid/meta_expressions.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps({"videos": videos}))
    return root


@pytest.fixture
def truth_tree(dataset: Path, tmp_path: Path) -> Callable[[], Path]:
    """Writes perfect predictions of the dataset, in the layout that is scored."""

    def write() -> Path:
        predictions = tmp_path / "perfect"
        for shift, video_id in enumerate(("a", "b", "c")):
            for expression_id, object_id in (("0", 1), ("1", 2)):
                folder = predictions / "Annotations" / video_id / expression_id
                folder.mkdir(parents=True)
                for t, name in enumerate(NAMES):
                    mask = (ids_of(t, 4 * shift) == object_id).astype(np.uint8) * 255
                    cv2.imwrite(str(folder / f"{name}.png"), mask)
        return predictions

    return write
