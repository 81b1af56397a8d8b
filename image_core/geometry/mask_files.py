"""Masks as PNG files: the one reader of both packages. docs/masks.md has the table of what each is read as.

A PNG contains numbers and colours, but not their meaning. The meaning is inferred from both, and from the other
images of the same sequence; where two readings remain, the image is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from image_core.errors import DataError
from image_core.images import open_image

VOID = 255
"""The id of pixels that annotators left undecided. They belong to no object."""
WHITE = 255
"""In grey images without ids: the object."""

_MAX_IDS = 64
"""More distinct grey levels than this are soft edges or a photograph."""
_NEARLY_BLACK = 8
_HEADER_BIT_DEPTH = 24
_ADVICE = "save 0 and 255, or ids in a palette whose index 0 is black"


@dataclass(frozen=True)
class MaskImage:
    """What one PNG shows, its meaning still open."""

    path: Path
    #: (H, W) uint8, indices of a palette or grey levels; not to be written to.
    values: np.ndarray
    #: The distinct ones above 0, increasing.
    nonzero_values: tuple[int, ...]
    #: They are indices of a palette of colours, so that they are ids.
    indexed: bool

    def ids(self) -> np.ndarray:
        """(H, W) uint8: the values as ids, 255 void; for where other files say that they are ids."""
        return self.values

    def binary(self) -> np.ndarray:
        """(H, W) bool: the one object that a binary mask shows, whatever its value. Raises `DataError` for several
        values: soft edges, or ids of several objects."""
        if len(self.nonzero_values) > 1:
            raise DataError(
                f"{self.path}: expected the mask of one object, 0 and 255, got the values "
                f"{_format_values(self.nonzero_values)}: set every pixel to 0 or 255"
            )
        return self.values > 0


def read_mask(path: Path) -> MaskImage:
    """Read the PNG of a mask. Raises `DataError`: missing, broken, no PNG, colours that are no ids, a palette whose
    background is ambiguous, transparency, 16-bit values that are no ids."""
    with open_image(path, png_only=True) as image:
        values, indexed = _values(path, image)
    marks = tuple(int(v) for v in np.flatnonzero(np.bincount(values.ravel(), minlength=256)) if v)
    values.setflags(write=False)
    return MaskImage(path, values, marks, indexed)


@dataclass(frozen=True)
class MaskEncoding:
    """How the values of images of one sequence are read: what one image leaves open, another may decide."""

    #: Without void, increasing; 0 and 255 in grey are one object, the id 1.
    object_ids: tuple[int, ...]
    #: 255 in grey is the object.
    white_is_object: bool
    #: The images are binary masks of one object without an id: 0 and 255, or 0 and 1, in grey.
    is_binary: bool

    @classmethod
    def of(cls, images: Iterable[MaskImage]) -> MaskEncoding:
        """Inferred from images, one after the other; none is kept in memory.

        Raises `DataError` where two readings fit: 255 among other grey levels, soft edges, or a palette of colours in
        which 255, void, is all there is.
        """
        grey: dict[int, Path] = {}
        indices: dict[int, Path] = {}
        for image in images:
            for value in image.nonzero_values:
                (indices if image.indexed else grey).setdefault(value, image.path)
        levels = sorted(grey)
        if len(levels) > 1 and (WHITE in grey or len(levels) > _MAX_IDS):
            raise DataError(
                f"{grey[levels[-1]]}: expected grey of 0 and 255, or ids, got the grey levels "
                f"{_format_values(levels)}, which may be soft edges, or ids with void: {_ADVICE}"
            )
        if set(indices) == {VOID} and not grey:
            raise DataError(
                f"{indices[VOID]}: expected ids, got 255 alone in a palette of colours, which may be the object or "
                f"void (255 in ids is void): {_ADVICE}"
            )
        white = levels == [WHITE]
        object_ids = {1 if white and value == WHITE else value for value in grey} | (set(indices) - {VOID})
        return cls(tuple(sorted(object_ids)), white, not indices and set(levels) <= {1, WHITE})

    def ids(self, image: MaskImage) -> np.ndarray:
        """(H, W) uint8: 0 none, the ids of objects, 255 void."""
        if self.white_is_object and not image.indexed:
            return (image.values > 0).astype(np.uint8)
        return image.values


def _values(path: Path, image: Image.Image) -> tuple[np.ndarray, bool]:
    """(H, W) uint8, and whether they are indices of a palette of colours."""
    match image.mode:
        case "P":
            return _indices(path, image)
        case "1":
            return np.asarray(image).astype(np.uint8) * np.uint8(WHITE), False
        case "L":
            return _levels(path, image), False
        case "LA" | "RGBA" | "PA":
            alpha = np.asarray(image.getchannel("A"))
            if alpha.min(initial=255) < 255:
                raise DataError(f"{path}: expected a mask without transparency, got mode {image.mode}: {_ADVICE}")
            return _values(path, image.convert("L" if image.mode == "LA" else "RGB"))
        case "RGB":
            colours = np.asarray(image)
            if (colours != colours[..., :1]).any():
                raise DataError(f"{path}: expected grey, or a palette of ids, got colours of mode RGB: {_ADVICE}")
            return np.array(colours[..., 0]), False
        case mode:
            return _wide_levels(path, mode, np.asarray(image)), False


def _levels(path: Path, image: Image.Image) -> np.ndarray:
    """Grey levels; those of 2 and 4 bits, which the decoder spreads over 0 to 255, as they are stored."""
    values = np.array(image)
    with path.open("rb") as file:
        header = file.read(_HEADER_BIT_DEPTH + 1)
    bits = header[_HEADER_BIT_DEPTH]
    if bits < 8 and not set(np.unique(values)) <= {0, WHITE}:
        values //= np.uint8(WHITE // (2**bits - 1))
    return values


def _wide_levels(path: Path, mode: str, values: np.ndarray) -> np.ndarray:
    """16-bit values as 8-bit ones: ids unchanged, full white as 255."""
    top = int(values.max(initial=0))
    if top == 65535 and not ((values > 0) & (values < 65535)).any():
        return (values > 0).astype(np.uint8) * np.uint8(WHITE)
    if top > 255 or values.min(initial=0) < 0:
        raise DataError(f"{path}: expected ids up to 255, or 0 and white, got mode {mode} with {top}: {_ADVICE}")
    return values.astype(np.uint8)


def _indices(path: Path, image: Image.Image) -> tuple[np.ndarray, bool]:
    """Indices where index 0 is black, the background; of a palette of two, black and white, in another order the grey
    levels."""
    indices = np.array(image)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    coloured = bool((palette != palette[:, :1]).any())
    if not len(palette) or palette[0].max() <= _NEARLY_BLACK:
        return indices, coloured
    used = [i for i in np.unique(indices) if i < len(palette)]
    if not {tuple(palette[i]) for i in used} <= {(0, 0, 0), (255, 255, 255)}:
        raise DataError(
            f"{path}: expected a palette whose index 0 is black, the background, got {tuple(palette[0].tolist())} "
            f"there, so that the background is ambiguous: {_ADVICE}"
        )
    table = np.zeros(256, np.uint8)
    table[: len(palette)] = palette[:, 0]
    return table[indices], False


def _format_values(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:6])) + (f", ... ({len(values)})" if len(values) > 6 else "")
