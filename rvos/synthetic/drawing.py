"""Renders animations: frames, and maps of object ids."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from image_core.synthetic.background import paint
from image_core.synthetic.render import add_grain, draw_objects, visible_masks
from image_core.synthetic.scene import Scene
from image_core.synthetic.shapes import coverage
from rvos.synthetic.animation import CAMERA_X, CAMERA_Y, ROLL, ZOOM, Animation

_BLUR_STEP = 0.014
"""Between two of the pictures that make up a blurred frame nothing moves further than this (4 px at 288)."""
_MOST_EXPOSURES = 6
_GRAIN_STRIDE = 104_729
"""A prime: the noise of each frame is another part of the tile."""


def draw_frames(animation: Animation, size: tuple[int, int], times: tuple[int, ...] | None = None) -> np.ndarray:
    """The frames of an animation (T, H, W, 3) uint8 RGB at `size` (height, width), or those at `times` alone."""
    ground = paint_ground(animation, size)
    chosen = range(animation.frame_count) if times is None else times
    return np.stack([_expose(animation, ground, t, size) for t in chosen])


def draw_tracks(animation: Animation, size: tuple[int, int]) -> np.ndarray:
    """(T, H, W) uint8: the id of the object that each pixel shows, 0 = none.

    The rule for pixels is that of the pictures (`image_core.synthetic.render`). Of an object that by
    `Animation.visible` is not there, the few pixels that may remain are nobody's.
    """
    tracks = np.zeros((animation.frame_count, *size), np.uint8)
    for track, scene, visible in zip(tracks, animation.scenes, animation.visible, strict=True):
        patches = [coverage(item.contours(min(size)), size) for item in scene.objects]
        for item, mask, there in zip(scene.objects, visible_masks(patches, size), visible, strict=True):
            if there:
                track[mask] = item.id
    return tracks


def paint_ground(animation: Animation, size: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8: the background, `animation.ground` times as wide and high as the frame, its texture no
    coarser."""
    large = round(animation.ground * size[0]), round(animation.ground * size[1])
    return paint(replace(animation.backdrop, scale=animation.backdrop.scale / animation.ground), large)


def _expose(animation: Animation, ground: np.ndarray, time: int, size: tuple[int, int]) -> np.ndarray:
    """One frame: the mean of the pictures while the shutter is open, lit, with noise and compression."""
    instants = _instants(animation, time)
    light = np.zeros((*size, 3), np.float32)
    for instant in instants:
        canvas = _ground_at(animation, ground, instant, size)
        draw_objects(canvas, animation.scene_at(instant))
        light += canvas
    light *= (animation.gains[time] / len(instants)).astype(np.float32)
    add_grain(light, animation.backdrop.seed + _GRAIN_STRIDE * time)
    frame = light.clip(0, 255).astype(np.uint8)
    if animation.jpeg_quality is None:
        return frame
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, animation.jpeg_quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def _instants(animation: Animation, time: int) -> list[float]:
    """The times whose pictures make up frame `time`: the more, the more there is to blur."""
    if animation.shutter == 0:
        return [float(time)]
    opens, closes = time - animation.shutter / 2, time + animation.shutter / 2
    travel = _travel(animation.scene_at(opens), animation.scene_at(closes))
    count = min(_MOST_EXPOSURES, 1 + math.floor(travel / _BLUR_STEP))
    return [opens + (i + 0.5) / count * animation.shutter for i in range(count)]


def _travel(before: Scene, after: Scene) -> float:
    """How far the fastest object in the frame moves."""
    moves = [
        math.hypot(a.x - b.x, a.y - b.y)
        for a, b in zip(before.objects, after.objects, strict=True)
        if -a.size < a.x < before.width + a.size and -a.size < a.y < 1 + a.size
    ]
    return max(moves, default=0.0)


def _ground_at(animation: Animation, ground: np.ndarray, time: float, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) float32: the part of the ground that the camera sees."""
    if animation.ground == 1:
        return ground.astype(np.float32)
    view = animation.view_at(time)
    short = min(size)
    c, s = math.cos(view[ROLL]) / view[ZOOM], math.sin(view[ROLL]) / view[ZOOM]
    turn = np.array([[c, s], [-s, c]])
    middle = np.array([size[1], size[0]]) / 2
    seen = np.array([ground.shape[1], ground.shape[0]]) / 2
    seen += short * (np.array([view[CAMERA_X], view[CAMERA_Y]]) - (animation.width / 2, 0.5))
    # OpenCV counts from the centre of the first pixel.
    shift = seen - 0.5 - turn @ (middle - 0.5)
    matrix = np.column_stack([turn, shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(ground, matrix, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_REFLECT).astype(
        np.float32
    )
