"""The parts of a film: bends, poses, the camera's view, exposure, verdicts about motion."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from image_core.synthetic.meanings import Kind
from image_core.synthetic.render import render
from image_core.synthetic.scene import Backdrop, Light, Scene, SceneObject
from image_core.synthetic.shapes import SHAPES, Wave, coverage
from rvos.synthetic.animation import Animation, MovingObject
from rvos.synthetic.camera import GROUND, still_camera
from rvos.synthetic.conditions import shows_challenge
from rvos.synthetic.drawing import draw_frames, draw_tracks
from rvos.synthetic.motion_meanings import TEMPLATES, MotionMeaning, objects_that_move
from rvos.synthetic.motions import interpolate_path, poses_of
from rvos.synthetic.severity import SEVERITY

FRAMES = 24
WIDTH = 16 / 9
SIZE = (72, 128)
TINT = (215.0, 15.0, 12.0)


def thing(id: int = 1, shape: str = "circle", fill: str = "plain", size: float = 0.3) -> SceneObject:
    return SceneObject(id, shape, "red", fill, 0.5, 0.5, size, 0.0, TINT, (20.0, 20.0, 20.0), 0.4, 4.5, 0.2)


def poses(
    start: tuple[float, float], end: tuple[float, float], sizes: tuple[float, float] = (0.3, 0.3), turn: float = 0.0
) -> np.ndarray:
    spins = np.column_stack([np.linspace(0, turn, FRAMES), np.zeros(FRAMES), np.zeros(FRAMES)])
    return poses_of(interpolate_path([(0, start), (FRAMES - 1, end)], FRAMES), np.linspace(*sizes, FRAMES), spins)


def film_of(
    *objects: MovingObject, camera: np.ndarray | None = None, shutter: float = 0.0, quality: int | None = None
) -> Animation:
    return Animation(
        objects=objects,
        width=WIDTH,
        camera=still_camera(FRAMES, WIDTH) if camera is None else camera,
        light=Light((0.0, 0.0), 0.0, 0.0),
        backdrop=Backdrop("plain", ((120.0, 160.0, 200.0), (130.0, 170.0, 210.0)), 5, 0.2, 0.3),
        gains=np.ones((FRAMES, 3)),
        shutter=shutter,
        jpeg_quality=quality,
        ground=1.0 if camera is None else GROUND,
        rate=12.0,
        least_visible=SEVERITY.visible_share,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bend_moves_the_rim_and_keeps_the_area(shape: str) -> None:
    straight = thing(shape=shape, size=0.7)
    bent = replace(straight, wave=Wave(0.08, 0.9, 0.7, 1.0))
    masks = np.zeros((2, 200, 200), bool)
    for mask, item in zip(masks, (straight, bent), strict=True):
        patch = coverage(item.contours(200), (200, 200))
        assert patch is not None
        mask[patch[0], patch[1]] = patch[2] > 127
    assert masks[1].sum() == pytest.approx(masks[0].sum(), rel=0.03)
    assert (masks[0] ^ masks[1]).sum() > 0.05 * masks[0].sum()


@pytest.mark.parametrize("fill", ["plain", "striped", "dotted", "checkered", "shaded"])
def test_a_wave_of_zero_changes_no_image(fill: str) -> None:
    pictures = []
    for wave in (None, Wave(0.0, 1.0, 0.5, 0.0)):
        item = replace(thing(fill=fill), wave=wave, rotation=0.3)
        scene = Scene((item,), 1.0, 1.0, Light((0.0, 0.0), 0.0, 0.0), film_of().backdrop)
        pictures.append(render(scene, (96, 96))[0].astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 3


def test_between_frames_things_are_on_their_way_and_at_the_ends_they_rest() -> None:
    moving = MovingObject(thing(), poses((0.3, 0.5), (1.45, 0.5)))
    assert moving.at(2.5).x == pytest.approx((moving.at(2).x + moving.at(3).x) / 2)
    assert moving.at(-1.0) == moving.at(0) and moving.at(FRAMES + 3.0) == moving.at(FRAMES - 1)


def test_the_camera_shows_the_ground_and_the_objects_alike() -> None:
    camera = still_camera(FRAMES, WIDTH)
    camera[:, 0] += np.linspace(-0.2, 0.2, FRAMES)
    camera[:, 2], camera[:, 3] = np.linspace(0.8, 1.3, FRAMES), np.linspace(-0.1, 0.1, FRAMES)
    animation = replace(
        film_of(camera=camera), backdrop=Backdrop("tiles", ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)), 3, 0.3, 0)
    )
    first, last = (frame.astype(float).mean(2) for frame in draw_frames(animation, (144, 256), (0, FRAMES - 1)))
    marks = [(0.75, 0.4), (0.95, 0.6), (0.9, 0.35), (1.0, 0.5), (0.8, 0.65)]
    probe = tuple(MovingObject(thing(i), poses(at, at)) for i, at in enumerate(marks, 1))
    places = [
        [(o.x * 144, o.y * 144) for o in replace(animation, objects=probe).scene_at(t).objects] for t in (0, FRAMES - 1)
    ]
    for (x0, y0), (x1, y1) in zip(*places, strict=True):
        assert math.hypot(x0 - x1, y0 - y1) > 5
        here, there = first[int(y0), int(x0)], last[int(y1), int(x1)]
        assert abs(here - there) < 40
    assert np.ptp(first) > 150


def test_masks_are_those_of_the_middle_of_the_exposure_and_only_frames_are_blurred() -> None:
    moving = MovingObject(thing(size=0.25), poses((0.2, 0.5), (1.6, 0.5), (0.25, 0.25)))
    sharp, blurred = film_of(moving), film_of(moving, shutter=0.6)
    assert np.array_equal(draw_tracks(sharp, SIZE), draw_tracks(blurred, SIZE))
    a, b = (np.abs(np.diff(draw_frames(f, SIZE, (5,))[0].astype(int)[36, :, 1])).max() for f in (sharp, blurred))
    assert b < 0.8 * a


def test_compression_changes_pixels_a_little_and_keeps_the_order_of_colours() -> None:
    moving = MovingObject(thing(), poses((0.8, 0.5), (0.9, 0.5)))
    plain, lossy = (draw_frames(film_of(moving, quality=q), SIZE, (0,))[0].astype(int) for q in (None, 40))
    difference = np.abs(plain - lossy)
    assert 0 < difference.mean() < 8
    assert lossy[36, 60, 0] > lossy[36, 60, 2] + 100


def test_objects_with_too_few_visible_pixels_are_absent() -> None:
    behind = MovingObject(thing(1, size=0.2), poses((0.8, 0.5), (0.8, 0.5), (0.2, 0.2)))
    cover = MovingObject(thing(2, "square", size=0.4), poses((0.8, 0.5), (1.3, 0.5), (0.4, 0.4)))
    animation = film_of(behind, cover)
    seen, tracks = animation.visible_of(1), draw_tracks(animation, SIZE)
    assert not seen[0] and seen[-1]
    assert np.array_equal(seen, (tracks == 1).any(axis=(1, 2)))
    assert animation.shown_part[0].tolist() == pytest.approx([0, 1], abs=0.05)
    assert [len(scene.objects) for scene in animation.visible_scenes] == [1 + int(there) for there in seen]


RIGHT, STILL = poses((0.3, 0.5), (1.4, 0.55)), poses((0.5, 0.4), (0.5, 0.4))
STOPS = poses_of(
    interpolate_path([(0, (0.3, 0.3)), (12, (0.9, 0.3))], FRAMES), np.full(FRAMES, 0.3), np.zeros((FRAMES, 3))
)
ANGLES = np.linspace(0, 6.0, FRAMES)
ROUND = poses_of(
    np.column_stack([0.9 + 0.25 * np.cos(ANGLES), 0.5 + 0.25 * np.sin(ANGLES)]),
    np.full(FRAMES, 0.3),
    np.zeros((FRAMES, 3)),
)
ENTERS, LEAVES = poses((-0.5, 0.5), (0.9, 0.5)), poses((0.9, 0.5), (0.9, 1.6))
AWAY = poses_of(
    interpolate_path([(0, (0.5, 0.5)), (8, (-0.8, 0.5)), (14, (-0.8, 0.4)), (23, (0.5, 0.5))], FRAMES),
    np.full(FRAMES, 0.3),
    np.zeros((FRAMES, 3)),
)
GROWS, TURNS = poses((0.5, 0.5), (0.5, 0.5), (0.2, 0.4)), poses((0.5, 0.5), (0.5, 0.5), turn=3.0)


@pytest.mark.parametrize(
    ("way", "true_of_it", "withheld"),
    [
        (RIGHT, {"right"}, set[str]()),
        (poses((1.4, 0.5), (0.3, 0.5)), {"left"}, set[str]()),
        (poses((0.5, 0.8), (0.55, 0.2)), {"up"}, set[str]()),
        (poses((0.5, 0.2), (0.55, 0.8)), {"down"}, set[str]()),
        (STILL, {"still"}, set[str]()),
        (STOPS, {"right", "stops"}, set[str]()),
        (ROUND, {"circles"}, {"left", "right", "up", "down"}),
        (ENTERS, {"enters", "right"}, set[str]()),
        (AWAY, set[str](), {"left", "right", "up", "down", "still", "stops", "circles"}),
        (LEAVES, {"leaves", "down"}, {"stops"}),
        (GROWS, {"grows", "still"}, set[str]()),
        (GROWS[::-1].copy(), {"shrinks", "still"}, set[str]()),
        (TURNS, {"turns", "still"}, set[str]()),
        (poses((0.5, 0.5), (0.7, 0.5)), set[str](), {"right"}),
        (poses((0.5, 0.5), (0.5, 0.5), turn=0.9), {"still"}, {"turns"}),
        (poses((0.5, 0.5), (0.5, 0.5), (0.3, 0.36)), {"still"}, {"grows"}),
    ],
)
def test_verdicts_about_motion(way: np.ndarray, true_of_it: set[str], withheld: set[str]) -> None:
    animation = film_of(MovingObject(thing(1, "star"), way))
    verdicts = {verb: objects_that_move(MotionMeaning(Kind("star"), verb), animation) for verb in TEMPLATES}
    assert {verb for verb, ids in verdicts.items() if ids == {1}} == true_of_it
    assert {verb for verb, ids in verdicts.items() if ids is None} == withheld


def test_a_turn_that_nobody_can_see_is_not_spoken_of() -> None:
    assert objects_that_move(MotionMeaning(Kind(), "turns"), film_of(MovingObject(thing(1, "circle"), TURNS))) is None
    pattern = STILL.copy()
    pattern[:, 4] = np.linspace(0, 2, FRAMES)
    assert (
        objects_that_move(MotionMeaning(Kind(), "turns"), film_of(MovingObject(thing(1, "star", "striped"), pattern)))
        is None
    )


def test_what_was_hidden_did_not_come_in() -> None:
    behind = MovingObject(thing(1, "star", size=0.2), poses((0.5, 0.5), (0.5, 0.5), (0.2, 0.2)))
    cover = MovingObject(thing(2, "square", size=0.5), poses((0.5, 0.5), (1.5, 0.5), (0.5, 0.5)))
    assert objects_that_move(MotionMeaning(Kind("star"), "enters"), film_of(behind, cover)) is None


def test_animations_are_validated() -> None:
    with pytest.raises(ValueError, match=r"MovingObject.poses: expected .*, got \(24, 5\)"):
        MovingObject(thing(), RIGHT[:, :5])
    with pytest.raises(ValueError, match=r"tracks of one length, got \[23, 24\] frames"):
        film_of(MovingObject(thing(), RIGHT[1:]))
    with pytest.raises(ValueError, match="family 'sunny'"):
        shows_challenge("sunny", film_of(MovingObject(thing(), RIGHT)), SEVERITY)
