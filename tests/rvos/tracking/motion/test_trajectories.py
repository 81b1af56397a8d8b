"""The ways of tracks: what the camera does is no motion of theirs, and gaps, cuts and long videos do no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from image_core.state import from_bytes, to_bytes
from rvos.tracking.motion.camera_motion import camera_motion, zoom_of
from rvos.tracking.motion.trajectory import ANGLE, MOST_SAMPLES, SEEN, SIZE, TIME, Trajectory, X, Y
from rvos.types import Frame
from rvos.view.frame_view import View, view_of

HEIGHT, WIDTH = 120, 200
FRAMES = 20
Drawn = list[tuple[np.ndarray, np.ndarray]]
"""Frames (H, W, 3) uint8, and where the thing is on each, (H, W) bool."""


def _ground() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 1, (400, 600, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 90 + 110, 0, 255).astype(np.uint8)


def _film(
    camera: Callable[[int], tuple[float, float]],
    place: Callable[[int], tuple[float, float]],
    zoom: Callable[[int], float] = lambda t: 1.0,
    turn: Callable[[int], float] = lambda t: 0.0,
) -> Drawn:
    """A bar before a ground; camera, place: (x, y) in pixels of the world; zoom: of the camera; turn: degrees."""
    ground, bar = _ground(), np.array([[-20, -8], [20, -8], [20, 8], [-20, 8]], np.float32)
    drawn = []
    for t in range(FRAMES):
        (camera_x, camera_y), (x, y), scale = camera(t), place(t), zoom(t)
        seen = np.array([[scale, 0, -scale * (150 + camera_x)], [0, scale, -scale * (100 + camera_y)]])
        image = cv2.warpAffine(ground, seen, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        angle = np.deg2rad(turn(t))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
        corners = ((bar @ rotation.T + (x - camera_x, y - camera_y)) * scale).astype(np.float32)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
        image[mask > 0] = (220, 40, 40)
        drawn.append((image, mask > 0))
    return drawn


def _views(images: Sequence[np.ndarray]) -> list[View]:
    views, before = [], None
    for t, image in enumerate(images):
        views.append(view_of(Frame(t, t / 25, image), before))
        before = views[-1].picture
    return views


def _way(drawn: Drawn, lost: range = range(0)) -> Trajectory:
    way = Trajectory()
    for view, (_, mask) in zip(_views([image for image, _ in drawn]), drawn, strict=True):
        way = way.moved_on(view, None if view.frame.index in lost else mask.astype(np.float32), 0)
    return way


def _net(way: Trajectory) -> np.ndarray:
    return way.samples[-1, [X, Y]] - way.samples[0, [X, Y]]


def test_what_stands_still_before_a_panning_camera_does_not_move() -> None:
    way = _way(_film(lambda t: (3.0 * t, 0.0), lambda t: (130.0, 60.0)))
    assert np.abs(_net(way)).max() < 0.03


def test_what_moves_before_a_panning_camera_moves_as_far_as_it_does() -> None:
    """The camera goes right faster than the thing, which on the frames goes left."""
    way = _way(_film(lambda t: (3.0 * t, 0.0), lambda t: (120.0 + 1.5 * t, 60.0)))
    np.testing.assert_allclose(_net(way), [1.5 * (FRAMES - 1) / HEIGHT, 0], atol=0.04)


def test_what_becomes_larger_by_zoom_alone_keeps_its_size() -> None:
    drawn = _film(lambda t: (0.0, 0.0), lambda t: (70.0, 45.0), zoom=lambda t: 1.02**t)
    sizes = _way(drawn).samples[:, SIZE]
    assert abs(sizes[-1] - sizes[0]) < 0.1
    views = _views([image for image, _ in drawn])
    assert np.mean([zoom_of(camera_motion(view)) for view in views[1:]]) == pytest.approx(1.02, abs=0.006)


def test_a_turn_is_told_with_its_sign() -> None:
    clockwise = _way(_film(lambda t: (0.0, 0.0), lambda t: (90.0, 60.0), turn=lambda t: 5.0 * t))
    back = _way(_film(lambda t: (0.0, 0.0), lambda t: (90.0, 60.0), turn=lambda t: -5.0 * t))
    wanted = np.deg2rad(5.0 * (FRAMES - 1))
    assert clockwise.samples[-1, ANGLE] == pytest.approx(wanted, rel=0.2)
    assert back.samples[-1, ANGLE] == pytest.approx(-wanted, rel=0.2)


def test_over_a_gap_the_camera_is_followed() -> None:
    still = _film(lambda t: (3.0 * t, 0.0), lambda t: (130.0, 60.0))
    way = _way(still, lost=range(6, 14))
    assert np.abs(_net(way)).max() < 0.04
    assert way.samples[:, SEEN].sum() == FRAMES - 8


def test_a_cut_is_no_motion() -> None:
    one = _film(lambda t: (0.0, 0.0), lambda t: (60.0, 60.0))
    other = [(255 - image[::-1, ::-1], mask[::-1, ::-1]) for image, mask in one]
    drawn = one[:10] + other[:10]
    views = _views([np.ascontiguousarray(image) for image, _ in drawn])
    assert [view.frame.index for view in views if view.cut] == [10]
    assert np.abs(_net(_way([(np.ascontiguousarray(i), m) for i, m in drawn]))).max() < 0.03


def test_memory_is_bounded_and_no_way_is_lost() -> None:
    """10,000 frames: the picture never changes, the mask goes right by a pixel every hundred frames."""
    image = _ground()[:HEIGHT, :WIDTH]
    view = view_of(Frame(0, 0.0, image), None)
    way = Trajectory()
    for t in range(10_000):
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        left = 10 + t // 100
        mask[50:70, left : left + 30] = 1
        now = View(Frame(t, t / 25, image), view.picture, view.picture, _cache={(camera_motion,): np.eye(2, 3)})
        way = way.moved_on(now, mask, 0)
    assert len(way.samples) <= MOST_SAMPLES and way.samples[-1, TIME] == 9_999
    assert (np.diff(way.samples[:, TIME]) > 0).all()
    np.testing.assert_allclose(_net(way), [99 / HEIGHT, 0], atol=1e-3)


def test_a_way_is_a_state() -> None:
    way = _way(_film(lambda t: (0.0, 0.0), lambda t: (60.0 + t, 60.0)))
    again = from_bytes(Trajectory, to_bytes(way))
    np.testing.assert_array_equal(again.samples, way.samples)
    assert (again.here, again.stride, again.zoom) == (way.here, way.stride, way.zoom)
