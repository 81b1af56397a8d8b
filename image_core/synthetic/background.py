"""Backgrounds: procedural textures, laid out relative to the frame, not in pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from image_core.synthetic.scene import Backdrop


def paint(backdrop: Backdrop, size: tuple[int, int]) -> np.ndarray:
    """The procedural background as (H, W, 3) uint8 for an image of `size` (height, width)."""
    rng = np.random.default_rng(backdrop.seed)
    level = _LEVELS[backdrop.kind](backdrop, rng, size)
    low, high = float(level.min()), float(level.max())
    level = (level - low) * (255.0 / max(high - low, 1e-6))
    if backdrop.kind != "plain":
        level = 0.9 * level + 0.1 * 255 * _noise(rng, size, 24)
    return cv2.applyColorMap(np.clip(level, 0, 255).astype(np.uint8), _ramp(backdrop))


def _ramp(backdrop: Backdrop) -> np.ndarray:
    """(256, 1, 3) uint8: the palette, blended from one colour to the next."""
    stops = np.linspace(0, 255, len(backdrop.palette))
    palette = np.array(backdrop.palette)
    channels = [np.interp(np.arange(256), stops, palette[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)[:, None]


def _axes(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """y (H, 1) and x (1, W) of the pixel centres in units of the short side."""
    short = min(size)
    y = (np.arange(size[0], dtype=np.float32) + 0.5) / short
    x = (np.arange(size[1], dtype=np.float32) + 0.5) / short
    return y[:, None], x[None, :]


def _along(angle: float, size: tuple[int, int]) -> np.ndarray:
    y, x = _axes(size)
    return math.cos(angle) * x + math.sin(angle) * y


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise in about [0, 1] with `cells` knots along the short side."""
    short = min(size)
    knots = rng.random((max(2, round(cells * size[0] / short)), max(2, round(cells * size[1] / short))), np.float32)
    return cv2.resize(knots, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def _fractal(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    return 0.55 * _noise(rng, size, cells) + 0.3 * _noise(rng, size, 2 * cells) + 0.15 * _noise(rng, size, 4 * cells)


def _plain(backdrop: Backdrop, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return _noise(rng, size, 3)


def _gradient(backdrop: Backdrop, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return _along(2 * backdrop.angle, size) + 0.25 * _noise(rng, size, 4)


def _cloud(backdrop: Backdrop, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return _fractal(rng, size, max(3, round(1.2 / backdrop.scale)))


def _stripes(backdrop: Backdrop, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    wave = np.sin((2 * math.pi / backdrop.scale) * (_along(backdrop.angle, size) + 0.12 * _noise(rng, size, 3)))
    return np.clip(2 * wave, -1, 1) + 0.4 * _noise(rng, size, 8)


def _blobs(backdrop: Backdrop, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    field = _noise(rng, size, max(4, round(1 / backdrop.scale)))
    return np.clip((field - 0.5) * 9, -1, 1) + 0.5 * _noise(rng, size, 12)


def _tiles(backdrop: Backdrop, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    step = 2 * math.pi / backdrop.scale
    board = np.sin(step * _along(backdrop.angle, size)) * np.sin(step * _along(backdrop.angle + math.pi / 2, size))
    return np.clip(5 * board, -1, 1) + 0.5 * _noise(rng, size, 10)


_LEVELS = {
    "plain": _plain,
    "gradient": _gradient,
    "noise": _cloud,
    "stripes": _stripes,
    "blobs": _blobs,
    "tiles": _tiles,
}
