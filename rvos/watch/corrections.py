"""Corrections: masks that say what an expression means from a frame on, from the command line or from Python."""

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
from rvos.watch.session import FrameCorrections
from rvos.watch.user_masks import UserMasks

ABSENT = "absent"
"""In place of a PNG: the target is absent. A file of that name is `./absent`."""
_PATTERN = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,9})=(.+)", re.DOTALL)


@dataclass(frozen=True)
class Corrections(UserMasks):
    """What expressions mean from some frames on.

    masks: position of a frame in the video (0-based) -> position of an expression -> (H, W) bool, or None if the target
    is absent. All masks have one size, and none is empty; made by `read_corrections` or `corrections_of`.
    """

    kind: ClassVar[str] = "corrections"
    masks: Mapping[int, FrameCorrections]

    def __post_init__(self) -> None:
        if not self.entries:
            raise DataError("corrections: expected at least one, got none")
        for frame_index, index, mask in self._sorted():
            if frame_index < 0:
                raise DataError(f"corrections: expected the position of a frame, from 0, got {frame_index}")
            if mask is not None and (mask.ndim != 2 or mask.dtype != np.bool_ or not mask.any()):
                raise DataError(
                    f"correction of frame {frame_index}: expected bool (H, W) with the pixels of expression {index}, "
                    f"got {mask.dtype} {mask.shape} with {np.count_nonzero(mask)}: give None if the target is absent"
                )
        self.check_one_size()

    @property
    def entries(self) -> Sequence[tuple[int, tuple[int, int] | None]]:
        return [
            (frame_index, None if mask is None else (mask.shape[0], mask.shape[1]))
            for frame_index, _, mask in self._sorted()
        ]

    def document(self) -> list[dict[str, Any]]:
        """What was given, as JSON values, by rising frame: the expression, and a digest of the pixels of the mask (the
        same for the same mask in another file), None if the target is absent."""
        return [
            {
                "frame_index": frame_index,
                "expression_index": index,
                "sha256": None if mask is None else _digest(mask),
            }
            for frame_index, index, mask in self._sorted()
        ]

    def _sorted(self) -> list[tuple[int, int, np.ndarray | None]]:
        """(frame, expression, mask), by rising frame, then expression."""
        return [
            (frame_index, index, mask)
            for frame_index, frame_masks in sorted(self.masks.items())
            for index, mask in sorted(frame_masks.items())
        ]


def _digest(mask: np.ndarray) -> str:
    return hashlib.sha256(str(mask.shape).encode() + mask.tobytes()).hexdigest()


def corrections_of(masks: Mapping[int, FrameCorrections], expression_count: int) -> Corrections:
    """Corrections from arrays, as in `Corrections`. Raises `DataError`."""
    checked: dict[int, dict[int, np.ndarray | None]] = {}
    for frame_index, frame_masks in masks.items():
        for index, mask in frame_masks.items():
            if not 0 <= index < expression_count:
                raise DataError(f"corrections: expected an expression from 0 to {expression_count - 1}, got {index}")
            checked.setdefault(int(frame_index), {})[int(index)] = None if mask is None else np.asarray(mask)
    return Corrections(checked)


def read_corrections(texts: Sequence[str], expression_count: int) -> Corrections:
    """Corrections from `FRAME=PNG` texts, or `N:FRAME=PNG` if there are several expressions; N counts from 0, as in
    `masks/N`. A PNG shows one object, as docs/masks.md says: 0 and 255, or any one id. `absent` in its place: the
    target is absent.

    Raises `ConfigError` for a text of another form, an unknown expression, and two corrections of an expression on one
    frame; `DataError` for an image that is not the mask of one object.
    """
    masks: dict[int, dict[int, np.ndarray | None]] = {}
    for text in texts:
        match = _PATTERN.fullmatch(text)
        if match is None or (match[1] is None and expression_count > 1):
            form = "FRAME=PNG with a frame from 0, for example 12=meant.png"
            if expression_count > 1:
                form = f"N:FRAME=PNG with the number of an expression, 0 to {expression_count - 1} as in masks/N"
            raise ConfigError(f"--correct: expected {form}, got '{text}'")
        index, frame_index = int(match[1] or 0), int(match[2])
        if index >= expression_count:
            raise ConfigError(f"--correct: expected an expression from 0 to {expression_count - 1}, got '{text}'")
        frame_masks = masks.setdefault(frame_index, {})
        if index in frame_masks:
            raise ConfigError(f"--correct: expected one mask for expression {index} on frame {frame_index}, got two")
        frame_masks[index] = None if match[3] == ABSENT else _read_object(Path(match[3]), text)
    return Corrections(masks)


def _read_object(path: Path, text: str) -> np.ndarray:
    """(H, W) bool of an image that shows one object."""
    image = read_mask(path)
    ids = MaskEncoding.of([image]).ids(image)
    object_ids = [int(i) for i in np.unique(ids) if 0 < i < VOID]
    if len(object_ids) != 1:
        got = f"the ids {', '.join(map(str, object_ids))}" if object_ids else "none"
        position = text.partition("=")[0]
        raise DataError(
            f"--correct {text}: expected a mask of one object, got {got}: save a grey PNG of 0 and 255, or give "
            f"{position}={ABSENT} if the target is absent"
        )
    return ids == object_ids[0]
