"""The appearance of overlays: every colour, opacity and line width that marks a target on a picture stands here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from image_core.errors import ConfigError
from image_core.ranges import Count, Range, Share, check_ranges

Colour = tuple[int, int, int]
"""(red, green, blue), each 0 to 255."""

# The seven hues of Okabe and Ito ("Color Universal Design", 2008), told apart by colour-blind people too, those far
# from grass, sky and skin first. Beyond seven the same hues come back lighter, then darker.
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
    """How targets are marked on a picture. Opacities go from 0, which shows nothing, to 1, which covers all.

    Raises `ConfigError` for no colour, a colour outside 0 to 255, and a number that is out of its range.
    """

    #: The target at position i has colour i; behind the last one they begin again.
    colours: tuple[Colour, ...] = tuple(_shaded(hue, *shade) for shade in _SHADES for hue in _HUES)
    #: Opacity of the fill of a mask.
    fill_alpha: Share = 0.45
    #: The dark rim on both sides of an outline that is wider than a pixel.
    halo: Colour = (20, 20, 20)
    #: Outlines are a pixel wide for each so many pixels of the picture's short side, and never thinner than one.
    px_per_outline_px: Count = 270
    #: Width of outlines as a multiple of that; 0 leaves them out.
    outline: Annotated[float, Range(0, 100)] = 1.0
    #: How much black covers what is in no mask.
    dim: Share = 0.0
    #: A panel with every target's colour and name.
    legend: bool = True
    #: The name of a target beside its mask.
    labels: bool = False
    #: The box around a target's mask.
    boxes: bool = False
    #: The id of every track of a target, on it.
    ids: bool = False
    #: Letters: the names of targets that are present, captions, titles.
    text: Colour = (255, 255, 255)
    #: Letters: the names of targets that are absent.
    absent_text: Colour = (165, 165, 165)
    #: Opacity of the black behind legends and captions.
    backdrop_alpha: Share = 0.62
    #: What a contact sheet is drawn on.
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
        """The width of outlines on a picture of `size` (height, width); 0 where there are none."""
        return max(1, round(self.outline * min(size) / self.px_per_outline_px)) if self.outline else 0


OVERLAY_STYLE = OverlayStyle()
"""Of the videos, frames and sheets that a run writes."""

FILMSTRIP_STYLE = replace(OVERLAY_STYLE, fill_alpha=0.5)
"""Of the small pictures in reports."""
