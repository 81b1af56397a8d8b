"""The appearance of overlays: all colours, opacities and line widths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from image_core.errors import ConfigError
from image_core.ranges import Count, Range, Share, check_ranges

Colour = tuple[int, int, int]
"""(red, green, blue), each 0 to 255."""

# The seven hues of Okabe and Ito ("Color Universal Design", 2008), which colour-blind people can distinguish. Those
# unlike grass, sky and skin come first. Beyond seven, the same hues are repeated lighter, then darker.
_HUES: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
_SHADES = ((1.0, 0.0), (0.5, 127.5), (0.55, 0.0))


def _shaded(hue: Colour, scale: float, lift: float) -> Colour:
    r, g, b = hue
    return round(scale * r + lift), round(scale * g + lift), round(scale * b + lift)


@dataclass(frozen=True)
class OverlayStyle:
    """How targets are drawn on an image. Opacities go from 0, transparent, to 1, opaque.

    Raises `ConfigError` for no colour, a colour outside 0 to 255, and a number out of its range.
    """

    #: The target at position i has colour i, modulo their number.
    colours: tuple[Colour, ...] = tuple(_shaded(hue, *shade) for shade in _SHADES for hue in _HUES)
    #: Opacity of the fill of a mask.
    fill_alpha: Share = 0.45
    #: Colour of the rim on both sides of an outline that is wider than one pixel.
    halo: Colour = (20, 20, 20)
    #: Outlines are one pixel wide for every this many pixels of the image's short side, and at least one.
    px_per_outline_px: Count = 270
    #: Width of outlines as a multiple of that; 0 for no outlines.
    outline: Annotated[float, Range(0, 100)] = 1.0
    #: Opacity of the black over what is outside all masks.
    dim: Share = 0.0
    #: Whether to draw a panel with the colour and name of every target.
    legend: bool = True
    #: Whether to draw the name of a target beside its mask.
    labels: bool = False
    #: Whether to draw the box around the mask of a target.
    boxes: bool = False
    #: Whether to draw the id of every track of a target on the track.
    ids: bool = False
    #: Colour of text: names of targets that are present, captions, titles.
    text: Colour = (255, 255, 255)
    #: Colour of the names of targets that are absent.
    absent_text: Colour = (165, 165, 165)
    #: Opacity of the black behind legends and captions.
    backdrop_alpha: Share = 0.62
    #: Background colour of a contact sheet.
    background: Colour = (32, 32, 36)

    def __post_init__(self) -> None:
        check_ranges(self)
        colours = (*self.colours, self.halo, self.text, self.absent_text, self.background)
        if not self.colours or not all(0 <= value <= 255 for colour in colours for value in colour):
            raise ConfigError(f"OverlayStyle: expected at least one colour, values 0 to 255, got {colours}")

    def colour_of(self, target_index: int) -> Colour:
        """The colour of the target at a position."""
        return self.colours[target_index % len(self.colours)]

    def outline_px(self, size: tuple[int, int]) -> int:
        """The width of outlines on an image of `size` (height, width); 0 for no outlines."""
        return max(1, round(self.outline * min(size) / self.px_per_outline_px)) if self.outline else 0


OVERLAY_STYLE = OverlayStyle()
"""The default: of the videos, images and contact sheets that a run writes."""

FILMSTRIP_STYLE = replace(OVERLAY_STYLE, fill_alpha=0.5)
"""Of the small images in reports."""
