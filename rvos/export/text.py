"""Rendering of one line of text in any script to an image of its coverage."""

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
    """The height in pixels of a line of text with a font size of `font_px`."""
    return round(1.3 * font_px)


def _baseline(font_px: int) -> int:
    return round(1.0 * font_px)


@functools.lru_cache(maxsize=512)
def render_line(text: str, font_px: int) -> np.ndarray:
    """(line_height, width) uint8, the coverage of each pixel by `text`; read-only, width 0 for no text.

    DejaVu Sans is used if it has all characters; Arabic and Hebrew are shaped and run from right to left. Otherwise,
    above all for Chinese, Japanese and Korean, the font of OpenCV is used. Surrogates, as in file names that are not
    UTF-8, become question marks, since OpenCV cannot process them.
    """
    text = text.encode("utf-8", "replace").decode()
    coverage = _render_dejavu(text, font_px) if _dejavu_draws(text) else _render_opencv(text, font_px)
    coverage.flags.writeable = False
    return coverage


def text_width(text: str, font_px: int) -> int:
    """The width in pixels of one line of `text`."""
    return render_line(text, font_px).shape[1]


def wrap(text: str, font_px: int, width_px: int, max_lines: int) -> list[str]:
    """`text` in at most `max_lines` lines of at most `width_px` pixels. The last one ends in … if text is cropped.

    Lines break at spaces, and inside a word that is longer than a line.
    """
    rest = " ".join(text.split())
    lines: list[str] = []
    while rest and text_width(rest, font_px) > width_px:
        if len(lines) == max_lines - 1:
            rest = rest[: _prefix_length(rest, font_px, width_px, _ELLIPSIS)].rstrip() + _ELLIPSIS
            break
        longest = max(1, _prefix_length(rest, font_px, width_px, ""))
        space = rest.rfind(" ", 0, longest + 1)
        cut = space if space > 0 else longest
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest]


def _prefix_length(text: str, font_px: int, width_px: int, ending: str) -> int:
    """The length of the longest prefix of `text` that fits together with `ending`, by bisection."""
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
    """The path of the font, which is a file of matplotlib. That is not imported, which would take half a second."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None
    return str(Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")


@functools.lru_cache(maxsize=8)
def _dejavu(font_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_path(), font_px)


@functools.lru_cache(maxsize=1024)
def _dejavu_has(character: str) -> bool:
    """Whether DejaVu Sans has a character. It draws the same box for all that it lacks, and so for U+FFFF."""
    return _glyph(character) != _glyph("\uffff")


def _glyph(character: str) -> bytes:
    image = Image.new("L", (48, 48))
    ImageDraw.Draw(image).text((16, 16), character, fill=255, font=_basic_dejavu())
    return image.tobytes()


@functools.lru_cache(maxsize=1)
def _basic_dejavu() -> ImageFont.FreeTypeFont:
    """With the basic layout: the other one draws single accents on a circle, even if the font lacks the accent."""
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
        _warn_missing(unknown)
    return bool(unknown)


@functools.lru_cache(maxsize=1024)
def _opencv_has(character: str) -> bool:
    """Whether the font of OpenCV has a character. It draws a question mark for what it lacks."""
    return not np.array_equal(_render_opencv(character, 16), _render_opencv("?", 16))


@functools.lru_cache(maxsize=64)
def _warn_missing(characters: str) -> None:
    shown = "".join(c if c.isprintable() else f" U+{ord(c):04X} " for c in characters)  # terminals interpret some
    _LOG.warning("no font has the characters %s: legends show boxes for them", shown.strip())


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
