"""Pictures on disk: the one reader of both packages. An ambiguous file is refused; nothing is guessed."""

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

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
"""Lower case; what `read_picture` reads."""

_SIDEWAYS_ORIENTATIONS = frozenset({5, 6, 7, 8})
_TELLS_RGB = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})


def is_picture(path: Path) -> bool:
    """The name is that of a picture which `read_picture` reads."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path, *, turned: bool) -> np.ndarray:
    """(H, W, 3) uint8 RGB.

    turned: True applies the EXIF orientation, as viewers do; False gives the picture as stored, which the ground truth
    of datasets refers to. Alpha is left out; 16 bits become 8. Raises `DataError` for a file that is missing, cut off
    or no picture, that holds several pictures (pages, an animation), or numbers that are no colours.
    """
    with opened(path) as picture:
        if picture.mode in _SIXTEEN_BITS:
            return ((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8)[..., None].repeat(3, 2)
        whole = ImageOps.exif_transpose(picture) if turned else picture
        return np.array(whole.convert("RGB"))


def picture_size(path: Path, *, turned: bool) -> tuple[int, int]:
    """(height, width) of what `read_picture` gives, from the header alone. Raises as it does, except for faults that
    only the rest of the file shows."""
    with _readable(path, "picture"), path.open("rb") as file, Image.open(file) as picture:
        _check(path, picture)
        width, height = picture.size
        # `getexif` would decode the whole of a PNG, to search behind the picture.
        exif = Image.Exif()
        exif.load(picture.info.get("exif", b""))
        sideways = turned and exif.get(ExifTags.Base.Orientation) in _SIDEWAYS_ORIENTATIONS
    return (width, height) if sideways else (height, width)


def check_whole(path: Path) -> tuple[int, int]:
    """(height, width) as stored. Raises as `read_picture` does, except for damage that only decoding shows."""
    with opened(path) as picture:
        return picture.height, picture.width


@contextmanager
def opened(path: Path, *, png_alone: bool = False) -> Iterator[Image.Image]:
    """A picture of one frame, its pixels not decoded yet. Errors of reading inside the block become `DataError`, too.

    png_alone: other formats are refused, as lossy ones change the numbers of a mask.
    """
    with _readable(path, "PNG" if png_alone else "picture"):
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as picture:
            if png_alone and picture.format != "PNG":
                raise DataError(f"{path}: expected a PNG, got {picture.format}, which may change values: save a PNG")
            if _is_cut_off(data):
                raise DataError(
                    f"{path}: expected a whole picture, got one that ends in the middle: copy or fetch it again"
                )
            _check(path, picture)
            yield picture


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Turns what reading a picture raises into `DataError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what matters raises
            yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there: fetch it, or correct its name") from error
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check its rights and its name") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: larger than a picture can be ({error}): make it smaller") from error
    # Its plugins raise whatever damaged headers lead to; these are what was seen under fuzzing.
    except (
        *(UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError),
        *(EOFError, ZeroDivisionError, AttributeError, NotImplementedError, RuntimeError, MemoryError, struct.error),
    ) as error:
        raise DataError(f"{path}: not a {kind} that can be read: write or fetch it again") from error


def _check(path: Path, picture: Image.Image) -> None:
    # A camera's MPO is a JPEG whose first picture is the photograph.
    count = 1 if picture.format in ("JPEG", "MPO") else getattr(picture, "n_frames", 1)
    if count != 1:
        raise DataError(f"{path}: expected one picture, got {count} (pages or an animation): save each to its own file")
    if picture.mode not in _TELLS_RGB | _SIXTEEN_BITS:
        raise DataError(f"{path}: expected grey or RGB, got mode {picture.mode}: convert it to 8 bits")


def _is_cut_off(data: bytes) -> bool:
    """A JPEG whose last scan is not followed by the end mark: a decoder may fill the rest with grey and go on. Within
    a scan neither mark can occur, so a thumbnail's end before it misleads nobody. Or a PNG without its last chunk."""
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return data.startswith(b"\x89PNG") and b"IEND" not in data[-1024:]
