"""A folder of pictures, and pictures in memory, as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from rvos.types import Frame, VideoError, VideoInfo
from rvos.video.source import PICTURE_RATE, check_indices

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
_SIDEWAYS_ORIENTATIONS = frozenset({5, 6, 7, 8})


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order. Raises `VideoError` when there is none."""
    entries = list(folder.iterdir())
    pictures = [p for p in entries if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")]
    if not pictures:
        content = f"a folder with {len(entries)} entries and no picture" if entries else "an empty folder"
        raise VideoError(f"'{folder}': expected .jpg or .png files named in the order of time, got {content}")
    return sorted(pictures, key=natural_key)


class PicturesSource:
    """Picture files in the order given, as displayed (EXIF orientation applied), frame i at i / rate.

    name: of the whole, such as their folder's. All headers are read at birth. Raises `VideoError` when there is no
    picture, one that cannot be read, or one of another size.
    """

    def __init__(self, paths: Sequence[Path], name: str, rate: float | None = None) -> None:
        if not paths:
            raise VideoError(f"'{name}': expected at least one picture, got none")
        self._paths = list(paths)
        self._rate = rate or PICTURE_RATE
        size = _picture_size(self._paths[0])
        for path in self._paths[1:]:
            if (other := _picture_size(path)) != size:
                raise VideoError(
                    f"'{name}': expected pictures of one size, {size[0]} x {size[1]} px (height x width) as that of "
                    f"'{self._paths[0].name}', but '{path.name}' is {other[0]} x {other[1]} px: resize or remove it"
                )
        count = len(self._paths)
        self.info = VideoInfo(name, size, rate, count, count / self._rate)

    def frames(self) -> Iterator[Frame]:
        """All pictures in order. Raises `VideoError` at one that cannot be decoded."""
        return (self._read(i) for i in range(len(self._paths)))

    def _read(self, index: int) -> Frame:
        path = self._paths[index]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None or image.shape[:2] != self.info.size:
            raise VideoError(f"'{path}': broken at frame {index}: the picture cannot be decoded: copy it again")
        return Frame(index, index / self._rate, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The pictures at increasing `indices`."""
        check_indices(indices, len(self._paths), self.info.source)
        return (self._read(i) for i in indices)

    def count_frames(self) -> int:
        """T, the number of pictures."""
        return len(self._paths)

    def close(self) -> None:
        """Nothing is held."""


def _picture_size(path: Path) -> tuple[int, int]:
    """(height, width) as displayed, from the header alone."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            # `getexif` would decode the whole of a PNG, to search behind the picture.
            exif = Image.Exif()
            exif.load(picture.info.get("exif", b""))
            sideways = exif.get(ExifTags.Base.Orientation) in _SIDEWAYS_ORIENTATIONS
    except FileNotFoundError as error:
        raise VideoError(f"'{path}': not there: copy it again") from error
    except (UnidentifiedImageError, OSError) as error:
        raise VideoError(f"'{path}': not a picture that can be read: copy it again or remove it") from error
    return (width, height) if sideways else (height, width)


class ArraySource:
    """Pictures in memory: (T, H, W, 3) uint8 RGB, or T times (H, W, 3); frame i at i / rate. Raises `VideoError`."""

    def __init__(self, images: np.ndarray | Sequence[np.ndarray], rate: float | None = None) -> None:
        if not len(images):
            raise VideoError("expected an array of one frame or more, uint8 (T, H, W, 3) RGB, got one without frames")
        first = images[0]
        for i, image in enumerate(images):
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                kind = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
                raise VideoError(f"array frame {i}: expected uint8 (H, W, 3) RGB, got {kind}: convert it to 0 to 255")
            if image.shape != first.shape:
                raise VideoError(
                    f"array frame {i}: expected {first.shape[0]} x {first.shape[1]} px (height x width) as in the "
                    f"first, got {image.shape[0]} x {image.shape[1]}: resize it"
                )
        self._images = images
        self._rate = rate or PICTURE_RATE
        self.info = VideoInfo("array", first.shape[:2], rate, len(images), len(images) / self._rate)

    def frames(self) -> Iterator[Frame]:
        """All frames in order; the arrays are handed on, not copied."""
        return (self._frame(i) for i in range(len(self._images)))

    def _frame(self, index: int) -> Frame:
        return Frame(index, index / self._rate, self._images[index])

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames at increasing `indices`."""
        check_indices(indices, len(self._images), self.info.source)
        return (self._frame(i) for i in indices)

    def count_frames(self) -> int:
        """T."""
        return len(self._images)

    def close(self) -> None:
        """Nothing is held."""
