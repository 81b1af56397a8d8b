"""The outlines of the synthetic objects, and how an outline becomes pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

SUPERSAMPLING = 4
"""Sub-pixels along each side of a pixel when coverage is measured."""


def _regular(corners: int, phase: float = 0.0) -> np.ndarray:
    """A regular polygon (corners, 2) on the unit circle whose first corner points up (y runs down)."""
    angle = phase + 2 * math.pi * np.arange(corners) / corners
    return np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def _arc(radius: float, start: float, stop: float, points: int, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Points of a circle from angle `start` to `stop` (radians, 0 = up, clockwise)."""
    angle = np.linspace(start, stop, points)
    return np.stack([centre[0] + radius * np.sin(angle), centre[1] - radius * np.cos(angle)], axis=1)


def _star() -> np.ndarray:
    points = _regular(10)
    points[1::2] *= 0.45
    return points


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y], axis=1)


def _cross(arm: float = 0.34) -> np.ndarray:
    a, b = arm / 2, 0.5
    corners = [
        (-a, -b),
        (a, -b),
        (a, -a),
        (b, -a),
        (b, a),
        (a, a),
        (a, b),
        (-a, b),
        (-a, a),
        (-b, a),
        (-b, -a),
        (-a, -a),
    ]
    return np.array(corners)


def _crescent() -> np.ndarray:
    """A disc bitten from above: symmetric about the vertical axis, the horns point up."""
    horn = math.radians(50)
    outer = _arc(1.0, horn, 2 * math.pi - horn, 40)
    bite_centre = (0.0, -0.62)
    half = math.atan2(math.sin(horn), -(math.cos(horn) + bite_centre[1]))
    bite_radius = math.hypot(math.sin(horn), math.cos(horn) + bite_centre[1])
    inner = _arc(bite_radius, 2 * math.pi - half, half, 30, bite_centre)
    return np.concatenate([outer, inner])


def _arrow() -> np.ndarray:
    corners = [(0, -0.5), (0.36, -0.06), (0.14, -0.06), (0.14, 0.5), (-0.14, 0.5), (-0.14, -0.06), (-0.36, -0.06)]
    return np.array(corners)


def _box(width: float, height: float) -> np.ndarray:
    return np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) / 2


_OUTLINES: dict[str, tuple[np.ndarray, ...]] = {
    "circle": (_regular(48),),
    "square": (_box(1, 1),),
    "triangle": (_regular(3),),
    "star": (_star(),),
    "heart": (_heart(),),
    "cross": (_cross(),),
    "ring": (_regular(48), 0.56 * _regular(48)),
    "crescent": (_crescent(),),
    "arrow": (_arrow(),),
    "hexagon": (_regular(6),),
    "pentagon": (_regular(5),),
    "diamond": (np.array([(0.0, -0.5), (0.33, 0.0), (0.0, 0.5), (-0.33, 0.0)]),),
    "ellipse": (_regular(48) * (0.54, 1.0),),
    "rectangle": (_box(0.5, 1.0),),
    "trapezoid": (np.array([(-0.24, -0.32), (0.24, -0.32), (0.5, 0.32), (-0.5, 0.32)]),),
    "semicircle": (_arc(1.0, -math.pi / 2, math.pi / 2, 28),),
}

SHAPES = tuple(_OUTLINES)

# A straight edge that is to bend needs points on it; what is round has enough.
_POINTS_PER_EDGE = 10
_SMOOTH = 30

_FREEDOM_DEG = {"square": 16, "diamond": 14, "heart": 30, "trapezoid": 24}


@dataclass(frozen=True)
class Outline:
    """One shape. Its longer side is 1, its box is centred on the origin, left and right are mirror images."""

    contours: tuple[np.ndarray, ...]  # closed polygons (P, 2), x right, y down; the second one is a hole
    hull_area: float  # area of the convex hull
    freedom: float  # rotation in radians, to either side, that leaves the name of the shape undisputed


def _unit(name: str) -> Outline:
    contours = _OUTLINES[name]
    low, high = contours[0].min(0), contours[0].max(0)
    scale = (high - low).max()
    unit = tuple((c - (low + high) / 2) / scale for c in contours)
    hull = cv2.convexHull(unit[0].astype(np.float32))
    return Outline(unit, float(cv2.contourArea(hull)), math.radians(_FREEDOM_DEG.get(name, 180)))


OUTLINES = {name: _unit(name) for name in SHAPES}


@dataclass(frozen=True)
class Wave:
    """A bend that runs through a shape like wind through a flag: every point is moved across the wave's direction.

    Areas stay as they are, and the bend is undone by the opposite amplitude.
    """

    amplitude: float  # how far points move, in units of the shape's size
    count: float  # periods over the shape's size
    angle: float  # where the wave runs, in radians against the shape
    phase: float  # radians

    def shift(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(dx, dy) of the points (x, y); all in units of the shape's size, from its centre, before it is turned."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        push = self.amplitude * np.sin((2 * math.pi * self.count) * (c * x + s * y) + self.phase)
        return -s * push, c * push


def placed(name: str, x: float, y: float, size: float, rotation: float, wave: Wave | None = None) -> list[np.ndarray]:
    """The contours of a shape at centre (x, y), its longer side `size`, turned by `rotation` radians clockwise.

    A `wave` bends it first.
    """
    c, s = math.cos(rotation) * size, math.sin(rotation) * size
    turn = np.array([[c, s], [-s, c]])
    contours = OUTLINES[name].contours
    if wave is not None:
        contours = tuple(_bent(contour, wave) for contour in contours)
    return [contour @ turn + (x, y) for contour in contours]


def _bent(contour: np.ndarray, wave: Wave) -> np.ndarray:
    following = np.roll(contour, -1, axis=0)
    steps = np.linspace(0, 1, _POINTS_PER_EDGE if len(contour) < _SMOOTH else 1, endpoint=False)[None, :, None]
    fine = (contour[:, None] + (following - contour)[:, None] * steps).reshape(-1, 2)
    return fine + np.stack(wave.shift(fine[:, 0], fine[:, 1]), axis=1)


def coverage(contours: list[np.ndarray], size: tuple[int, int]) -> tuple[slice, slice, np.ndarray] | None:
    """How much of each pixel lies inside the contours, in the part of the image they touch.

    contours: pixel coordinates (P, 2), pixel (0, 0) spans [0, 1] x [0, 1]; size: (height, width) of the image.
    Returns (rows, columns, alpha (h, w) uint8 where 255 = fully inside), or None where the shape is out of the image.
    """
    low, high = contours[0].min(0), contours[0].max(0)
    x0, y0 = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
    x1, y1 = min(size[1], math.ceil(high[0])), min(size[0], math.ceil(high[1]))
    if x0 >= x1 or y0 >= y1:
        return None
    h, w = y1 - y0, x1 - x0
    fine = np.zeros((h * SUPERSAMPLING, w * SUPERSAMPLING), np.uint8)
    # OpenCV counts from pixel centres, in sixteenths of a sub-pixel here (shift=4).
    points = [np.rint(((c - (x0, y0)) * SUPERSAMPLING - 0.5) * 16).astype(np.int32) for c in contours]
    cv2.fillPoly(fine, points, (255,), shift=4)
    # It fills every sub-pixel that the rim touches, which would fatten small objects; on average half of one is inside.
    cv2.polylines(fine, points, True, (128,), shift=4)
    return slice(y0, y1), slice(x0, x1), cv2.resize(fine, (w, h), interpolation=cv2.INTER_AREA)
