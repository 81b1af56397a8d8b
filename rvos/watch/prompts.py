"""Mask prompts: masks that say where objects are on some frames, from the command line or from Python."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.errors import ConfigError, DataError
from image_core.geometry.mask_files import VOID, MaskEncoding, read_mask
from rvos.types import Target, object_targets
from rvos.watch.user_masks import UserMasks


@dataclass(frozen=True)
class MaskPrompts(UserMasks):
    """Where objects are on some frames.

    ids: position of a frame in the video (0-based) -> (H, W) uint8, the id of the object (1 to 254) at each pixel, 0
    where there is none. All of one size, each with an object on it; made by `read_prompts` or `prompts_of`.
    """

    kind: ClassVar[str] = "masks"
    ids: Mapping[int, np.ndarray]

    def __post_init__(self) -> None:
        if not self.ids:
            raise DataError("masks: expected at least one, got none")
        for frame_index, ids in self.ids.items():
            if frame_index < 0 or ids.ndim != 2 or ids.dtype != np.uint8 or not 0 < ids.max(initial=0) < VOID:
                raise ValueError(
                    f"MaskPrompts.ids: expected uint8 (H, W) with ids from 1 to 254, for frame 0 or later, got "
                    f"{ids.dtype} {ids.shape} up to {ids.max(initial=0)} for frame {frame_index}"
                )
        self.check_one_size()

    @property
    def entries(self) -> Sequence[tuple[int, tuple[int, int]]]:
        return [(index, (ids.shape[0], ids.shape[1])) for index, ids in sorted(self.ids.items())]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The objects, by rising id."""
        return object_targets(sorted({i for index in self.ids for i in self.masks(index)}))

    def masks(self, frame_index: int) -> dict[int, np.ndarray]:
        """Object id -> (H, W) bool, for the objects with a prompt on this frame; {} on a frame without prompts."""
        ids = self.ids.get(frame_index)
        if ids is None:
            return {}
        return {int(i): ids == i for i in np.unique(ids) if i}

    def document(self) -> list[dict[str, Any]]:
        """What was given, as JSON values, by rising frame: its objects, and a digest of the pixels of the mask (the
        same for the same mask in another file)."""
        return [
            {
                "frame_index": index,
                "object_ids": list(self.masks(index)),
                "sha256": hashlib.sha256(str(ids.shape).encode() + ids.tobytes()).hexdigest(),
            }
            for index, ids in sorted(self.ids.items())
        ]


def prompts_of(masks: Mapping[int, np.ndarray]) -> MaskPrompts:
    """Prompts from arrays: position of a frame -> (H, W) bool, one object with the id 1, or (H, W) integers, 0 where
    there is none, 1 to 254 the objects' ids, 255 void. Raises `DataError`."""
    if not isinstance(masks, Mapping):
        raise DataError(f"masks: expected {{position of a frame: mask}}, got {type(masks).__name__}: give a dict")
    for index in masks:
        if not isinstance(index, int | np.integer) or isinstance(index, bool) or index < 0:
            raise DataError(f"masks: expected the position of a frame in the video, from 0, got {index!r}")
    return MaskPrompts({int(index): _ids(mask, f"mask of frame {index}") for index, mask in masks.items()})


def read_prompts(pairs: Sequence[str]) -> MaskPrompts:
    """Prompts from `FRAME=PNG` texts. The PNGs are read together, as docs/masks.md says: 0 and 255 are object 1, other
    numbers are ids. Raises `ConfigError` for a text of another form or a frame that is given twice, `DataError`
    for an image that is not a mask."""
    paths: dict[int, Path] = {}
    for pair in pairs:
        match = re.fullmatch(r"([0-9]{1,9})=(.+)", pair, re.DOTALL)
        if match is None:
            raise ConfigError(f"--mask: expected FRAME=PNG with a frame from 0, for example 0=mask.png, got '{pair}'")
        index, path = int(match[1]), Path(match[2])
        if index in paths:
            raise ConfigError(
                f"--mask: expected one mask for frame {index}, got {paths[index]} and {path}: put the objects "
                "into one PNG with a palette"
            )
        paths[index] = path
    images = {index: read_mask(path) for index, path in paths.items()}
    meaning = MaskEncoding.of(images.values())
    return MaskPrompts({i: _ids(meaning.ids(image), f"--mask {i}={paths[i]}") for i, image in images.items()})


def _ids(values: np.ndarray, name: str) -> np.ndarray:
    """(H, W) bool or integers -> (H, W) uint8 with 0 for void. Raises `DataError` for other values and for an
    empty mask."""
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "bui":
        got = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise DataError(f"{name}: expected bool or integers (H, W), got {got}")
    if values.min(initial=0) < 0 or values.max(initial=0) > VOID:
        raise DataError(
            f"{name}: expected ids 0 (none), 1 to 254, and 255 (void), got {values.min()} to {values.max()}"
        )
    ids = np.where(values == VOID, 0, values).astype(np.uint8)
    if not ids.any():
        void = "; 255 in ids is void (of no object): pass mask > 0, or save greyscale" if (values == VOID).any() else ""
        raise DataError(f"{name}: expected a mask with pixels above 0{void}, got none")
    return ids
