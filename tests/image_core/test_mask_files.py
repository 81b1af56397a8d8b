"""What the PNG of a mask is read as: the table of docs/masks.md, row by row."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from image_core.errors import DataError
from image_core.geometry.mask_files import MaskEncoding, read_mask

SHAPE = (6, 8)
LEFT, RIGHT = np.s_[1:4, 0:3], np.s_[1:4, 5:8]
COLOURS = [(0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)]


def values(left: int, right: int = 0, kind: type = np.uint8, rest: int = 0) -> np.ndarray:
    array = np.full(SHAPE, rest, kind)
    array[LEFT], array[RIGHT] = left, right or rest
    return array


def indexed(array: np.ndarray, colours: list[tuple[int, int, int]]) -> Image.Image:
    picture = Image.fromarray(array)
    picture.putpalette([channel for colour in colours for channel in colour])
    return picture


def few_bits(array: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2 or 4 bits a pixel, written by hand: no library here writes one."""
    import struct
    import zlib

    height, width = array.shape
    rows = np.unpackbits(array[..., None], axis=-1)[..., 8 - bits :].reshape(height, -1)
    packed = np.packbits(rows, axis=1)
    raw = b"".join(b"\0" + row.tobytes() for row in packed)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


PICTURES = {
    "grey 0 and 255": (Image.fromarray(values(255)), values(1)),
    "grey 0 and 1": (Image.fromarray(values(1)), values(1)),
    "grey ids": (Image.fromarray(values(1, 2)), values(1, 2)),
    "grey, one id": (Image.fromarray(values(2)), values(2)),
    "one bit": (Image.fromarray(values(255)).convert("1"), values(1)),
    "2 bits, ids": (few_bits(values(1, 2), 2), values(1, 2)),
    "2 bits, white": (few_bits(values(3), 2), values(1)),
    "4 bits, ids": (few_bits(values(3, 9), 4), values(3, 9)),
    "16 bits, ids": (Image.fromarray(values(1, 2, np.uint16)), values(1, 2)),
    "16 bits, white": (Image.fromarray(values(65535, kind=np.uint16)), values(1)),
    "RGB that is grey": (Image.fromarray(values(255)).convert("RGB"), values(1)),
    "opaque RGBA": (Image.fromarray(values(255)).convert("RGBA"), values(1)),
    "opaque grey with alpha": (Image.fromarray(values(1, 2)).convert("LA"), values(1, 2)),
    "palette of colours": (indexed(values(1, 2), COLOURS), values(1, 2)),
    "palette with void": (indexed(values(1, 255), [*COLOURS, *[(90, 80, 70)] * 252]), values(1, 255)),
    "palette of grey, 255 white": (indexed(values(255), [(i, i, i) for i in range(256)]), values(1)),
    "palette of grey, ids": (indexed(values(1, 2), [(i, i, i) for i in range(256)]), values(1, 2)),
    "palette of two, index 1 white": (indexed(values(1), [(0, 0, 0), (255, 255, 255)]), values(1)),
    "palette of two, index 0 white": (indexed(values(0, 0, rest=1), [(255, 255, 255), (0, 0, 0)]), values(1, 1)),
    "empty": (Image.fromarray(values(0)), values(0)),
}


def save(path: Path, picture: Image.Image | bytes) -> Path:
    path.write_bytes(picture) if isinstance(picture, bytes) else picture.save(path, format="PNG")
    return path


@pytest.mark.parametrize(("picture", "wanted"), PICTURES.values(), ids=PICTURES)
def test_what_is_read(picture: Image.Image | bytes, wanted: np.ndarray, tmp_path: Path) -> None:
    if isinstance(picture, Image.Image) and picture.mode == "P" and picture.getpalette()[:3] == [255, 255, 255]:  # type: ignore[index]
        wanted = np.where(np.asarray(picture) == 0, 1, 0).astype(np.uint8)
    mask = read_mask(save(tmp_path / "mask.png", picture))
    np.testing.assert_array_equal(MaskEncoding.of([mask]).ids(mask), wanted)


def soft() -> Image.Image:
    disc = cv2.circle(np.zeros((64, 64), np.uint8), (32, 32), 20, 255, -1, cv2.LINE_AA)
    return Image.fromarray(cv2.GaussianBlur(disc, (5, 5), 1))


RGBA = np.dstack([np.full((*SHAPE, 3), 255, np.uint8), values(255)])
REFUSED = {
    "colours": (Image.new("RGB", (8, 6), "red"), "colours of mode RGB"),
    "alpha": (Image.fromarray(RGBA), "without transparency, got mode RGBA"),
    "soft edges": (soft(), "soft edges"),
    "grey ids with 255": (Image.fromarray(values(1, 255)), "soft edges, or ids with void"),
    "255 alone in colours": (indexed(values(255), [*COLOURS, *[(90, 80, 70)] * 252]), "the object or void"),
    "index 0 a colour": (indexed(values(1, 2), COLOURS[1:] + COLOURS[:1]), "index 0 is black"),
    "index 0 white among colours": (indexed(values(1, 2), [(255, 255, 255), *COLOURS]), "index 0 is black"),
    "16 bits, other": (Image.fromarray(values(300, kind=np.uint16)), "mode I;16 with 300"),
    "cut off": (PICTURES["palette of colours"][0], "that ends in the middle"),
}


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, words) in REFUSED.items()])
def test_ambiguous_mask_files_are_refused(name: str, words: str, tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", REFUSED[name][0])
    if name == "cut off":
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=words) as caught:
        MaskEncoding.of([read_mask(path)])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_only_png_keeps_numbers(form: str, tmp_path: Path) -> None:
    Image.fromarray(values(255)).save(tmp_path / "mask.png", format=form)
    with pytest.raises(DataError, match=f"expected a PNG, got {form}"):
        read_mask(tmp_path / "mask.png")


def test_an_animation_is_no_mask(tmp_path: Path) -> None:
    frames = [Image.fromarray(values(255)), Image.fromarray(values(0, 255))]
    frames[0].save(tmp_path / "mask.png", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="expected one picture, got 2"):
        read_mask(tmp_path / "mask.png")


def test_a_sequence_resolves_what_one_image_leaves_open(tmp_path: Path) -> None:
    first = read_mask(save(tmp_path / "0.png", Image.fromarray(values(1, 2))))
    second = read_mask(save(tmp_path / "1.png", Image.fromarray(values(2))))
    meaning = MaskEncoding.of([first, second])
    assert meaning.object_ids == (1, 2) and not meaning.is_binary
    np.testing.assert_array_equal(meaning.ids(second), values(2))
    both = read_mask(save(tmp_path / "2.png", indexed(values(255), [*COLOURS, *[(90, 80, 70)] * 252])))
    assert MaskEncoding.of([first, both]).object_ids == (1, 2)  # 255 among ids in a palette is void


def test_one_object_is_any_one_value_and_never_several(tmp_path: Path) -> None:
    for value in (1, 7, 255):
        mask = read_mask(save(tmp_path / "mask.png", Image.fromarray(values(value)))).binary()
        np.testing.assert_array_equal(mask, values(1) > 0)
    with pytest.raises(DataError, match="expected the mask of one object"):
        read_mask(save(tmp_path / "mask.png", Image.fromarray(values(1, 2)))).binary()
    with pytest.raises(DataError, match="expected the mask of one object"):
        read_mask(save(tmp_path / "mask.png", soft())).binary()
