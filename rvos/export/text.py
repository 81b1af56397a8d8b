"""Text as pictures: one line -> its coverage, whatever the script it is written in."""

from __future__ import annotations

import functools
import logging
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_LOG = logging.getLogger(__name__)
_ELLIPSIS = "…"


def line_height(font_px: int) -> int:
    """The height in pixels of a line of text whose letters are `font_px` high."""
    return round(1.3 * font_px)


def _baseline(font_px: int) -> int:
    return round(1.0 * font_px)


@functools.lru_cache(maxsize=512)
def render_line(text: str, font_px: int) -> np.ndarray:
    """(line_height, width) uint8, the coverage of each pixel by `text`; read-only, width 0 for no text.

    DejaVu Sans draws what it has letters for, Arabic and Hebrew joined and in their direction. The rest, Chinese,
    Japanese and Korean above all, is drawn by the font that OpenCV carries. Half characters, as of file names that are
    no UTF-8, become question marks: OpenCV must not get them.
    """
    text = text.encode("utf-8", "replace").decode()
    coverage = _render_dejavu(text, font_px) if _dejavu_draws(text) else _render_opencv(text, font_px)
    coverage.flags.writeable = False
    return coverage


def text_width(text: str, font_px: int) -> int:
    """The width in pixels of one line of `text`."""
    return render_line(text, font_px).shape[1]


def wrap(text: str, font_px: int, width_px: int, max_lines: int) -> list[str]:
    """`text` in at most `max_lines` lines of at most `width_px` pixels, the last one ending in … where words are left.

    Lines break at spaces, and inside a word that fills a line alone.
    """
    rest = " ".join(text.split())
    lines: list[str] = []
    while rest and text_width(rest, font_px) > width_px:
        if len(lines) == max_lines - 1:
            rest = rest[: _fitting(rest, font_px, width_px, _ELLIPSIS)].rstrip() + _ELLIPSIS
            break
        fitting = max(1, _fitting(rest, font_px, width_px, ""))
        space = rest.rfind(" ", 0, fitting + 1)
        cut = space if space > 0 else fitting
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest]


def _fitting(text: str, font_px: int, width_px: int, ending: str) -> int:
    """The length of the longest start of `text` that fits together with `ending`, by bisection."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + ending, font_px) <= width_px:
            low = middle
        else:
            high = middle - 1
    return low


@functools.lru_cache(maxsize=1)
def _font_path() -> str:
    """The font lies in matplotlib, which takes half a second to import and is not asked for anything else."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None
    return str(Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")


@functools.lru_cache(maxsize=8)
def _dejavu(font_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_path(), font_px)


@functools.lru_cache(maxsize=1024)
def _dejavu_has(letter: str) -> bool:
    """It draws one and the same box for what it lacks, so for U+FFFF, which is no letter."""
    return _looks(letter) != _looks("\uffff")


def _looks(letter: str) -> bytes:
    image = Image.new("L", (48, 48))
    ImageDraw.Draw(image).text((16, 16), letter, fill=255, font=_plain_dejavu())
    return image.tobytes()


@functools.lru_cache(maxsize=1)
def _plain_dejavu() -> ImageFont.FreeTypeFont:
    """In the basic layout: the other one puts accents that stand alone on a circle, whether there are any or not."""
    return ImageFont.truetype(_font_path(), 16, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=1)
def _opencv_font() -> cv2.FontFace:
    return cv2.FontFace("uni")


def _dejavu_draws(text: str) -> bool:
    missing = "".join(sorted({c for c in text if not c.isspace() and not _dejavu_has(c)}))
    if not missing:
        return True
    unknown = "".join(c for c in missing if not _opencv_has(c))
    if unknown:
        _warn_of_missing(unknown)
    return bool(unknown)


@functools.lru_cache(maxsize=1024)
def _opencv_has(letter: str) -> bool:
    """OpenCV draws a question mark for what its font lacks, and has no other way to tell."""
    return not np.array_equal(_render_opencv(letter, 16), _render_opencv("?", 16))


@functools.lru_cache(maxsize=64)
def _warn_of_missing(letters: str) -> None:
    shown = "".join(c if c.isprintable() else f" U+{ord(c):04X} " for c in letters)  # a terminal acts on some
    _LOG.warning("no font here has the letters %s: they are drawn as boxes in legends", shown.strip())


def _render_dejavu(text: str, font_px: int) -> np.ndarray:
    font = _dejavu(font_px)
    image = Image.new("L", (int(np.ceil(font.getlength(text))), line_height(font_px)))
    ImageDraw.Draw(image).text((0, _baseline(font_px)), text, fill=255, font=font, anchor="ls")
    return np.array(image)


def _render_opencv(text: str, font_px: int) -> np.ndarray:
    font = _opencv_font()
    canvas = np.zeros((line_height(font_px), 2 * font_px * (len(text) + 1)), np.uint8)
    end, _ = cv2.putText(canvas, text, (0, _baseline(font_px)), (255,), font, font_px)
    return canvas[:, : end[0]].copy()
