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
from rvos.watch.marked import MarkedFrames
from rvos.watch.session import Given

ABSENT = "absent"
"""In place of a PNG: the target is absent. A file of that name is `./absent`."""
_FORM = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,9})=(.+)", re.DOTALL)


@dataclass(frozen=True)
class Corrections(MarkedFrames):
    """What expressions mean from some frames on.

    masks: position of a frame in the video (0-based) -> position of an expression -> (H, W) bool, or None if the target
    is absent. All masks have one size, and none is empty; made by `read_corrections` or `corrections_of`.
    """

    called: ClassVar[str] = "corrections"
    masks: Mapping[int, Given]

    def __post_init__(self) -> None:
        if not self.marks:
            raise DataError("corrections: expected at least one, got none")
        for frame_index, index, mask in self._each():
            if frame_index < 0:
                raise DataError(f"corrections: expected the position of a frame, from 0, got {frame_index}")
            if mask is not None and (mask.ndim != 2 or mask.dtype != np.bool_ or not mask.any()):
                raise DataError(
                    f"correction of frame {frame_index}: expected bool (H, W) with the pixels of expression {index}, "
                    f"got {mask.dtype} {mask.shape} with {np.count_nonzero(mask)}: give None where it is not there"
                )
        self.check_one_size()

    @property
    def marks(self) -> Sequence[tuple[int, tuple[int, int] | None]]:
        return [
            (frame_index, None if mask is None else (mask.shape[0], mask.shape[1]))
            for frame_index, _, mask in self._each()
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
            for frame_index, index, mask in self._each()
        ]

    def _each(self) -> list[tuple[int, int, np.ndarray | None]]:
        """(frame, expression, mask), by rising frame, then expression."""
        return [
            (frame_index, index, mask)
            for frame_index, of_frame in sorted(self.masks.items())
            for index, mask in sorted(of_frame.items())
        ]


def _digest(mask: np.ndarray) -> str:
    return hashlib.sha256(str(mask.shape).encode() + mask.tobytes()).hexdigest()


def corrections_of(masks: Mapping[int, Given], expression_count: int) -> Corrections:
    """Corrections from arrays, as in `Corrections`. Raises `DataError`."""
    given: dict[int, dict[int, np.ndarray | None]] = {}
    for frame_index, of_frame in masks.items():
        for index, mask in of_frame.items():
            if not 0 <= index < expression_count:
                raise DataError(f"corrections: expected an expression from 0 to {expression_count - 1}, got {index}")
            given.setdefault(int(frame_index), {})[int(index)] = None if mask is None else np.asarray(mask)
    return Corrections(given)


def read_corrections(texts: Sequence[str], expression_count: int) -> Corrections:
    """Corrections from `FRAME=PNG` texts, or `N:FRAME=PNG` if there are several expressions; N counts from 0, as in
    `masks/N`. A PNG shows one object, as docs/masks.md says: 0 and 255, or any one id. `absent` in its place: the
    target is not there.

    Raises `ConfigError` for a text of another form, an unknown expression, and two corrections of an expression on one
    frame; `DataError` for a picture that is no mask of one object.
    """
    masks: dict[int, dict[int, np.ndarray | None]] = {}
    for text in texts:
        match = _FORM.fullmatch(text)
        if match is None or (match[1] is None and expression_count > 1):
            form = "FRAME=PNG with a frame from 0, for example 12=meant.png"
            if expression_count > 1:
                form = f"N:FRAME=PNG with the number of an expression, 0 to {expression_count - 1} as in masks/N"
            raise ConfigError(f"--correct: expected {form}, got '{text}'")
        index, frame_index = int(match[1] or 0), int(match[2])
        if index >= expression_count:
            raise ConfigError(f"--correct: expected an expression from 0 to {expression_count - 1}, got '{text}'")
        of_frame = masks.setdefault(frame_index, {})
        if index in of_frame:
            raise ConfigError(f"--correct: expected one mask for expression {index} on frame {frame_index}, got two")
        of_frame[index] = None if match[3] == ABSENT else _object(Path(match[3]), text)
    return Corrections(masks)


def _object(path: Path, text: str) -> np.ndarray:
    """(H, W) bool of a picture that shows one object."""
    picture = read_mask(path)
    ids = MaskEncoding.of([picture]).ids(picture)
    shown = [int(i) for i in np.unique(ids) if 0 < i < VOID]
    if len(shown) != 1:
        got = f"the ids {', '.join(map(str, shown))}" if shown else "none"
        place = text.partition("=")[0]
        raise DataError(
            f"--correct {text}: expected a mask of one object, got {got}: save 0 and 255, in grey, or say "
            f"{place}={ABSENT} where it is not there"
        )
    return ids == shown[0]
