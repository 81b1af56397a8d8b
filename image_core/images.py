"""Reads image files, for both packages. An ambiguous file is refused; nothing is guessed."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from image_core.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""Suffixes of the files that `read_image` reads, in lower case."""

_SIDEWAYS_ORIENTATIONS = frozenset({5, 6, 7, 8})
_CONVERTIBLE_TO_RGB = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})


def is_image_file(path: Path) -> bool:
    """Whether a path has the suffix of an image that `read_image` reads."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: Path, *, apply_orientation: bool) -> np.ndarray:
    """(H, W, 3) uint8 RGB.

    apply_orientation: True applies the EXIF orientation, as viewers do; False gives the image as stored, which the
    ground truth of datasets refers to. Alpha is left out; 16 bits become 8. Raises `DataError` for a file that is
    missing, cut off or no image, that holds several images (pages, an animation), or numbers that are no colours.
    """
    with open_image(path) as image:
        if image.mode in _SIXTEEN_BITS:
            return ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)[..., None].repeat(3, 2)
        oriented = ImageOps.exif_transpose(image) if apply_orientation else image
        return np.array(oriented.convert("RGB"))


def image_size(path: Path, *, apply_orientation: bool) -> tuple[int, int]:
    """(height, width) of the image that `read_image` returns, from the header alone. Raises as it does, except for
    faults after the header."""
    with _readable(path, "picture"), path.open("rb") as file, Image.open(file) as image:
        _check(path, image)
        width, height = image.size
        # `getexif` would decode the whole of a PNG, to search behind the image.
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        sideways = apply_orientation and exif.get(ExifTags.Base.Orientation) in _SIDEWAYS_ORIENTATIONS
    return (width, height) if sideways else (height, width)


def check_complete(path: Path) -> tuple[int, int]:
    """(height, width) as stored. Raises as `read_image` does, except for damage that only decoding shows."""
    with open_image(path) as image:
        return image.height, image.width


@contextmanager
def open_image(path: Path, *, png_only: bool = False) -> Iterator[Image.Image]:
    """An image of one frame, its pixels not decoded yet. Errors of reading inside the block become `DataError`, too.

    png_only: other formats are refused, as lossy ones change the numbers of a mask.
    """
    with _readable(path, "PNG" if png_only else "picture"):
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if png_only and image.format != "PNG":
                raise DataError(f"{path}: expected a PNG, got {image.format}, which may change values: save a PNG")
            if _is_truncated(data):
                raise DataError(
                    f"{path}: expected a whole picture, got one that ends in the middle: copy or fetch it again"
                )
            _check(path, image)
            yield image


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Turn exceptions of reading an image into `DataError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata; real faults raise
            yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file: correct its name, or download it") from error
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check its rights and its name") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: larger than a picture can be ({error}): make it smaller") from error
    # Pillow's plugins raise all kinds of exceptions on damaged headers; these were seen under fuzzing.
    except (
        *(UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError),
        *(EOFError, ZeroDivisionError, AttributeError, NotImplementedError, RuntimeError, MemoryError, struct.error),
    ) as error:
        raise DataError(f"{path}: not a {kind} that can be read: write or fetch it again") from error


def _check(path: Path, image: Image.Image) -> None:
    # A camera's MPO is a JPEG whose first image is the photograph.
    count = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if count != 1:
        raise DataError(f"{path}: expected one picture, got {count} (pages or an animation): save each to its own file")
    if image.mode not in _CONVERTIBLE_TO_RGB | _SIXTEEN_BITS:
        raise DataError(f"{path}: expected grey or RGB, got mode {image.mode}: convert it to 8 bits")


def _is_truncated(data: bytes) -> bool:
    """A JPEG whose last scan is not followed by the end mark: a decoder may fill the rest with grey and go on. Within
    a scan neither mark can occur, so a thumbnail's end before it misleads nobody. Or a PNG without its last chunk."""
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return data.startswith(b"\x89PNG") and b"IEND" not in data[-1024:]
