"""A scene becomes an image and the exact masks of what is visible in it."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np

from image_core.synthetic.background import paint
from image_core.synthetic.scene import Light, Scene, SceneObject
from image_core.synthetic.shapes import Wave, coverage

_GRAIN_PX = 512
_GRAIN_LEVELS = 3.0


def render(scene: Scene, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene at `size` (height, width) pixels.

    Returns the image (H, W, 3) uint8 RGB and the visible masks (n, H, W) bool, in the order of `scene.objects`. One
    rule makes both: a pixel is blended by the share of it that each object covers, and belongs to the object whose
    visible share is at least one half. Shadows belong to nobody.
    """
    ground = paint(scene.backdrop, size)
    canvas = ground.astype(np.float32)
    patches = draw_objects(canvas, scene)
    add_grain(canvas, scene.backdrop.seed)
    return canvas.clip(0, 255).astype(np.uint8), visible_masks(patches, size)


Patch = tuple[slice, slice, np.ndarray] | None
"""(rows, columns, alpha (h, w) uint8): where an object lies, None = out of the image."""


def draw_objects(canvas: np.ndarray, scene: Scene) -> list[Patch]:
    """Draw the objects of a scene and their shadows, back to front, onto `canvas` (H, W, 3) float32, in place.

    Returns the patch of each object, hidden parts included.
    """
    size = canvas.shape[0], canvas.shape[1]
    short = min(size)
    patches = [coverage(item.contours(short), size) for item in scene.objects]
    for item, patch in zip(scene.objects, patches, strict=True):
        if patch is None:
            continue
        rows, columns, alpha = patch
        _cast_shadow(canvas, patch, scene.light, short)
        share = alpha.astype(np.float32)[..., None] * np.float32(1 / 255)
        under = canvas[rows, columns]
        under += share * (_colour(item, rows, columns, short) - under)
    return patches


def visible_masks(patches: list[Patch], size: tuple[int, int]) -> np.ndarray:
    """(n, H, W) bool: the pixels of which an object's visible share is at least one half."""
    masks = np.zeros((len(patches), *size), bool)
    free = np.full(size, 255, np.int32)
    for mask, patch in zip(masks[::-1], patches[::-1], strict=True):
        if patch is None:
            continue
        rows, columns, alpha = patch
        visible = alpha * free[rows, columns] // 255
        mask[rows, columns] = visible >= 128
        free[rows, columns] -= visible
    return masks


def _cast_shadow(canvas: np.ndarray, patch: tuple[slice, slice, np.ndarray], light: Light, short: int) -> None:
    """Darken, in place, what lies under the blurred and shifted outline of an object."""
    if light.strength == 0:
        return
    rows, columns, alpha = patch
    sigma = light.blur * short
    pad = math.ceil(2 * sigma) + 1
    shadow = cv2.copyMakeBorder(alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0,))
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(sigma, 0.3))
    y, x = rows.start - pad + round(light.offset[1] * short), columns.start - pad + round(light.offset[0] * short)
    top, left = max(0, -y), max(0, -x)
    under = canvas[max(0, y) : max(0, y + shadow.shape[0]), max(0, x) : max(0, x + shadow.shape[1])]
    shadow = shadow[top : top + under.shape[0], left : left + under.shape[1]]
    under *= 1 - shadow.astype(np.float32)[..., None] * np.float32(light.strength / 255)


def _colour(item: SceneObject, rows: slice, columns: slice, short: int) -> np.ndarray:
    """(h, w, 3) float32: the object's tint and pattern over the part of the image that it touches."""
    tint = np.array(item.tint, np.float32)
    if item.fill == "plain":
        return tint
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) / short - item.x
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) / short - item.y
    if item.wave is not None:
        return _bent_colour(item, item.wave, x, y, short)
    angle = item.rotation + item.pattern_angle
    c, s = math.cos(angle) / item.size, math.sin(angle) / item.size
    u = (c * x)[None, :] + (s * y)[:, None]
    if item.fill == "shaded":
        return _shade(tint, u)
    return _patterned(item, u, (-s * x)[None, :] + (c * y)[:, None], short)


def _patterned(item: SceneObject, u: np.ndarray, v: np.ndarray, short: int) -> np.ndarray:
    """(h, w, 3): stripes, dots or checks at (u, v), which run along the pattern in units of the object's size."""
    tint = np.array(item.tint, np.float32)
    period_px = item.size * short / item.pattern_scale
    weight = _PATTERNS[item.fill](u * item.pattern_scale + item.pattern_phase, v * item.pattern_scale, period_px)
    return tint + weight[..., None] * (np.array(item.accent, np.float32) - tint)


def _bent_colour(item: SceneObject, wave: Wave, x: np.ndarray, y: np.ndarray, short: int) -> np.ndarray:
    """As `_colour`, of a bent object: where each pixel lies on the object as it was before the bend."""
    c, s = math.cos(item.rotation) / item.size, math.sin(item.rotation) / item.size
    across, down = (c * x)[None, :] + (s * y)[:, None], (-s * x)[None, :] + (c * y)[:, None]
    dx, dy = wave.shift(across, down)
    across, down = across - dx, down - dy
    c, s = math.cos(item.pattern_angle), math.sin(item.pattern_angle)
    u = c * across + s * down
    if item.fill == "shaded":
        return _shade(np.array(item.tint, np.float32), u)
    return _patterned(item, u, c * down - s * across, short)


def _shade(tint: np.ndarray, u: np.ndarray) -> np.ndarray:
    """From a lighter to a much darker shade along u, which runs over about [-0.5, 0.5]."""
    t = np.clip(u * 1.3 + 0.5, 0, 1)[..., None]
    light = tint + (255 - tint) * np.float32(0.45)
    dark = tint * np.float32(0.3) + 4
    return np.where(t < 0.5, light + (tint - light) * (2 * t), tint + (dark - tint) * (2 * t - 1))


def _stripes(u: np.ndarray, v: np.ndarray, period_px: float) -> np.ndarray:
    """Weight of the second tone in [0, 1]; u, v in periods, edges softened over one pixel. Stripes take two fifths."""
    wave = np.abs((u % 1) - 0.5)
    return np.clip((0.2 - wave) * period_px + 0.5, 0, 1)


def _dots(u: np.ndarray, v: np.ndarray, period_px: float) -> np.ndarray:
    row = np.floor(v)
    du, dv = (u + 0.5 * row) % 1 - 0.5, v - row - 0.5
    return np.clip((0.3 - np.sqrt(du * du + dv * dv)) * period_px + 0.5, 0, 1)


def _checks(u: np.ndarray, v: np.ndarray, period_px: float) -> np.ndarray:
    a, b = np.abs(u % 1 - 0.5) - 0.25, np.abs(v % 1 - 0.5) - 0.25
    return np.clip(np.sign(a * b) * np.minimum(np.abs(a), np.abs(b)) * period_px + 0.5, 0, 1)


_PATTERNS = {"striped": _stripes, "dotted": _dots, "checkered": _checks}


@cache
def _grain() -> np.ndarray:
    """A tile of camera noise, drawn once: fresh noise for every image costs more than the rest of the drawing."""
    noise = np.random.default_rng(0).standard_normal((_GRAIN_PX, _GRAIN_PX, 3), np.float32)
    return _GRAIN_LEVELS * noise


def add_grain(canvas: np.ndarray, seed: int) -> None:
    """Add a camera's noise to `canvas` (H, W, 3) float32, in place; `seed` says which."""
    h, w = canvas.shape[:2]
    tile = _grain()
    if h > _GRAIN_PX or w > _GRAIN_PX:
        tile = np.tile(tile, (-(-h // _GRAIN_PX), -(-w // _GRAIN_PX), 1))
    y, x = seed % (tile.shape[0] - h + 1), (seed // 7919) % (tile.shape[1] - w + 1)
    canvas += tile[y : y + h, x : x + w]
