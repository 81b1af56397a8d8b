"""Trajectories of tracks: they do not contain the motion of the camera, and gaps, cuts and long videos do no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from image_core.state import from_bytes, to_bytes
from rvos.tracking.motion.camera_motion import camera_motion, zoom_of
from rvos.tracking.motion.trajectory import ANGLE, MAX_SAMPLES, SEEN, SIZE, TIME, Trajectory, X, Y
from rvos.types import Frame
from rvos.view.frame_view import View, view_of

HEIGHT, WIDTH = 120, 200
FRAMES = 20
Drawn = list[tuple[np.ndarray, np.ndarray]]
"""Frames (H, W, 3) uint8, and the mask of the object on each, (H, W) bool."""


def _ground() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 1, (400, 600, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 90 + 110, 0, 255).astype(np.uint8)


def _moving_bar(
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
        before = views[-1].small_image
    return views


def _trajectory(drawn: Drawn, lost: range = range(0)) -> Trajectory:
    trajectory = Trajectory()
    for view, (_, mask) in zip(_views([image for image, _ in drawn]), drawn, strict=True):
        trajectory = trajectory.updated(view, None if view.frame.index in lost else mask.astype(np.float32), 0)
    return trajectory


def _net(trajectory: Trajectory) -> np.ndarray:
    return trajectory.samples[-1, [X, Y]] - trajectory.samples[0, [X, Y]]


def test_a_still_object_does_not_move_in_a_pan() -> None:
    trajectory = _trajectory(_moving_bar(lambda t: (3.0 * t, 0.0), lambda t: (130.0, 60.0)))
    assert np.abs(_net(trajectory)).max() < 0.03


def test_a_moving_object_keeps_its_displacement_in_a_pan() -> None:
    """The camera goes right faster than the object, which on the frames goes left."""
    trajectory = _trajectory(_moving_bar(lambda t: (3.0 * t, 0.0), lambda t: (120.0 + 1.5 * t, 60.0)))
    np.testing.assert_allclose(_net(trajectory), [1.5 * (FRAMES - 1) / HEIGHT, 0], atol=0.04)


def test_zoom_does_not_change_the_size() -> None:
    drawn = _moving_bar(lambda t: (0.0, 0.0), lambda t: (70.0, 45.0), zoom=lambda t: 1.02**t)
    sizes = _trajectory(drawn).samples[:, SIZE]
    assert abs(sizes[-1] - sizes[0]) < 0.1
    views = _views([image for image, _ in drawn])
    assert np.mean([zoom_of(camera_motion(view)) for view in views[1:]]) == pytest.approx(1.02, abs=0.006)


def test_rotation_is_measured_with_its_sign() -> None:
    clockwise = _trajectory(_moving_bar(lambda t: (0.0, 0.0), lambda t: (90.0, 60.0), turn=lambda t: 5.0 * t))
    back = _trajectory(_moving_bar(lambda t: (0.0, 0.0), lambda t: (90.0, 60.0), turn=lambda t: -5.0 * t))
    expected = np.deg2rad(5.0 * (FRAMES - 1))
    assert clockwise.samples[-1, ANGLE] == pytest.approx(expected, rel=0.2)
    assert back.samples[-1, ANGLE] == pytest.approx(-expected, rel=0.2)


def test_camera_motion_is_removed_across_a_gap() -> None:
    still = _moving_bar(lambda t: (3.0 * t, 0.0), lambda t: (130.0, 60.0))
    trajectory = _trajectory(still, lost=range(6, 14))
    assert np.abs(_net(trajectory)).max() < 0.04
    assert trajectory.samples[:, SEEN].sum() == FRAMES - 8


def test_a_cut_is_not_measured_as_motion() -> None:
    one = _moving_bar(lambda t: (0.0, 0.0), lambda t: (60.0, 60.0))
    other = [(255 - image[::-1, ::-1], mask[::-1, ::-1]) for image, mask in one]
    drawn = one[:10] + other[:10]
    views = _views([np.ascontiguousarray(image) for image, _ in drawn])
    assert [view.frame.index for view in views if view.cut] == [10]
    assert np.abs(_net(_trajectory([(np.ascontiguousarray(i), m) for i, m in drawn]))).max() < 0.03


def test_samples_are_bounded_and_the_displacement_is_kept() -> None:
    """10,000 frames: the image never changes, the mask goes right by a pixel every hundred frames."""
    image = _ground()[:HEIGHT, :WIDTH]
    view = view_of(Frame(0, 0.0, image), None)
    trajectory = Trajectory()
    for t in range(10_000):
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        left = 10 + t // 100
        mask[50:70, left : left + 30] = 1
        now = View(Frame(t, t / 25, image), view.small_image, view.small_image, _cache={(camera_motion,): np.eye(2, 3)})
        trajectory = trajectory.updated(now, mask, 0)
    assert len(trajectory.samples) <= MAX_SAMPLES and trajectory.samples[-1, TIME] == 9_999
    assert (np.diff(trajectory.samples[:, TIME]) > 0).all()
    np.testing.assert_allclose(_net(trajectory), [99 / HEIGHT, 0], atol=1e-3)


def test_a_trajectory_can_be_serialised() -> None:
    trajectory = _trajectory(_moving_bar(lambda t: (0.0, 0.0), lambda t: (60.0 + t, 60.0)))
    restored = from_bytes(Trajectory, to_bytes(trajectory))
    np.testing.assert_array_equal(restored.samples, trajectory.samples)
    assert (restored.position, restored.stride, restored.zoom) == (
        trajectory.position,
        trajectory.stride,
        trajectory.zoom,
    )
