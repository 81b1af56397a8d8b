"""Laws of following one object from a mask, on pictures that can be imagined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from image_core.state import from_bytes, to_bytes
from rvos.metrics import region_and_boundary
from rvos.tracking.carrying.object_tracker import ObjectGuess, ObjectState, ObjectTracker
from rvos.types import Frame
from rvos.view.frame_view import View, view_of

SIZE = (96, 160)


def texture(seed: int, size: tuple[int, int], centre: tuple[int, int, int]) -> np.ndarray:
    """(h, w, 3) uint8: soft blotches about a colour."""
    noise = np.random.default_rng(seed).normal(0, 1, (*size, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 90 + centre, 0, 255).astype(np.uint8)


GROUND = texture(1, (160, 320), (90, 120, 80))
BALL = texture(2, (28, 28), (210, 70, 60))


def scene(x: int | None, y: int = 30, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture with the ball's corner at (x, y), or without the ball; and its true mask."""
    canvas, mask = GROUND[: size[0], : size[1]].copy(), np.zeros(size, bool)
    if x is not None:
        disc = np.zeros((28, 28), np.uint8)
        cv2.circle(disc, (14, 14), 13, 1, -1)
        left, right = max(0, x), min(size[1], x + 28)
        if left < right:
            part = disc[:, left - x : right - x].astype(bool)
            canvas[y : y + 28, left:right][part] = BALL[:, left - x : right - x][part]
            mask[y : y + 28, left:right] = part
    return canvas, mask


def views_of(images: Sequence[np.ndarray]) -> list[View]:
    views: list[View] = []
    for index, image in enumerate(images):
        views.append(view_of(Frame(index, index / 25, image), views[-1].small_image if views else None))
    return views


def follow(
    views: Sequence[View], mask: np.ndarray, tracker: ObjectTracker | None = None
) -> tuple[list[ObjectGuess], list[np.ndarray], ObjectState]:
    """Guesses and masks of the frames after the first, and the last state."""
    tracker = tracker or ObjectTracker()
    state = tracker.begin(views[0], mask)
    guesses, masks = [], []
    for view in views[1:]:
        guess = tracker.predict(view, state)
        state = tracker.update(view, state, guess)
        guesses.append(guess)
        masks.append(tracker.mask(view, guess))
    return guesses, masks, state


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / max(1, np.count_nonzero(one | other))


def same(one: ObjectState, other: ObjectState) -> bool:
    return to_bytes(one) == to_bytes(other)


def test_a_moving_object_is_followed_and_trusted() -> None:
    pairs = [scene(8 + 5 * t) for t in range(16)]
    guesses, masks, _ = follow(views_of([image for image, _ in pairs]), pairs[0][1])
    assert min(overlap(mask, truth) for mask, (_, truth) in zip(masks, pairs[1:], strict=True)) > 0.8
    assert min(guess.quality for guess in guesses) > 0.5


def test_a_still_object_keeps_its_mask_also_when_the_camera_stops() -> None:
    image, truth = scene(60)
    noise = np.random.default_rng(3).integers(-3, 4, (12, *image.shape))
    still = [np.clip(image + change, 0, 255).astype(np.uint8) for change in noise]
    _, masks, _ = follow(views_of(still), truth)
    assert min(overlap(mask, truth) for mask in masks) > 0.9
    stops = [scene(20 + 4 * min(t, 8)) for t in range(24)]
    _, masks, _ = follow(views_of([image for image, _ in stops]), stops[0][1])
    assert overlap(masks[-1], stops[-1][1]) > 0.85


def test_an_object_that_leaves_is_not_held() -> None:
    pairs = [scene(100 + 8 * t) for t in range(12)]
    guesses, masks, _ = follow(views_of([image for image, _ in pairs]), pairs[0][1])
    assert not pairs[-1][1].any() and not masks[-1].any() and guesses[-1].quality == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_mask_never_floods_the_frame(seed: int) -> None:
    pictures = [texture(10 * seed + t, SIZE, (120, 120, 120)) for t in range(12)]
    _, truth = scene(60)
    guesses, masks, _ = follow(views_of([scene(60)[0], *pictures]), truth)
    assert max(mask.mean() for mask in masks) < 4 * truth.mean()
    assert min(guess.quality for guess in guesses) < 0.4


def test_across_a_cut_the_place_does_not_count() -> None:
    pairs = [scene(8 + 2 * t) for t in range(6)]
    tracker, views = ObjectTracker(), views_of([image for image, _ in pairs])
    _, _, state = follow(views, pairs[0][1], tracker)
    image, truth = scene(120, 60)
    view = replace(view_of(Frame(6, 0.3, image), views[-1].small_image), cut=True)
    guess = tracker.predict(view, state)
    found = tracker.mask(view, guess)
    assert not found[pairs[-1][1]].any()
    assert overlap(found, truth) > 0.5


def test_a_guess_of_low_quality_moves_the_mask_and_leaves_the_memory() -> None:
    pairs = [scene(20 + 3 * t) for t in range(8)]
    tracker, views = ObjectTracker(), views_of([image for image, _ in pairs])
    begun = state = tracker.begin(views[0], pairs[0][1])
    for view in views[1:]:
        state = tracker.update(view, state, replace(tracker.predict(view, state), quality=0.1))
    assert np.array_equal(state.memory.theta, begun.memory.theta)
    assert np.array_equal(state.memory.areas, begun.memory.areas)
    assert not np.array_equal(state.probs, begun.probs)
    _, _, written = follow(views, pairs[0][1], tracker)
    assert not np.array_equal(written.memory.theta, begun.memory.theta)


def test_a_further_anchor_places_the_object_and_joins_its_memory() -> None:
    pairs = [scene(20), scene(90, 50)]
    tracker, views = ObjectTracker(), views_of([image for image, _ in pairs])
    begun = tracker.begin(views[0], pairs[0][1])
    state = tracker.renew(views[1], begun, pairs[1][1])
    assert overlap(state.probs > 0.5, pairs[1][1]) > 0.95
    assert not np.array_equal(state.memory.theta, begun.memory.theta) and state.probs.shape == begun.probs.shape


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(SIZE, bool), "got an empty one"),
        (np.ones((96, 159), bool), r"expected bool \(96, 160\), got bool \(96, 159\)"),
        (np.ones(SIZE, np.uint8), "got uint8"),
    ],
)
def test_a_mask_that_cannot_be_followed(mask: np.ndarray, message: str) -> None:
    view = views_of([scene(60)[0]])[0]
    with pytest.raises(ValueError, match=message):
        ObjectTracker().begin(view, mask)


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (96, 160), (1080, 1920)])
def test_full_and_one_pixel_masks_at_any_size(size: tuple[int, int]) -> None:
    picture = cv2.resize(scene(60)[0], size[::-1])
    views = views_of([picture] * 3)
    full, pixel = np.ones(size, bool), np.zeros(size, bool)
    pixel[size[0] // 2, size[1] // 2] = True
    guesses, masks, state = follow(views, full)
    assert masks[-1].mean() > 0.9 and masks[-1].shape == size and min(state.probs.shape) <= 240
    guesses, masks, _ = follow(views, pixel)
    assert all(np.isfinite(guess.probs).all() and 0 <= guess.quality <= 1 for guess in guesses)
    assert masks[-1].mean() < 0.1


def test_images_of_one_colour() -> None:
    grey = np.full((*SIZE, 3), 127, np.uint8)
    _, truth = scene(60)
    guesses, masks, _ = follow(views_of([grey] * 6), truth)
    assert all(np.isfinite(guess.probs).all() for guess in guesses)
    assert all(mask.mean() < 4 * truth.mean() for mask in masks)


def test_a_state_is_as_large_after_many_frames_as_after_one() -> None:
    pairs = [scene(20 + 2 * t) for t in range(40)]
    tracker = ObjectTracker()
    views = views_of([image for image, _ in pairs])
    _, _, state = follow(views, pairs[0][1], tracker)
    assert len(to_bytes(replace(state, memory=replace(state.memory, clock=0)))) == len(
        to_bytes(tracker.begin(views[0], pairs[0][1]))
    )


def test_the_same_video_gives_the_same_states_and_a_snapshot_continues_exactly() -> None:
    pairs = [scene(10 + 4 * t) for t in range(14)]
    views, tracker = views_of([image for image, _ in pairs]), ObjectTracker()
    _, _, once = follow(views, pairs[0][1])
    state = tracker.begin(views[0], pairs[0][1])
    for index, view in enumerate(views[1:]):
        if index == 6:
            state = from_bytes(ObjectState, to_bytes(state))
        state = tracker.update(view, state, tracker.predict(view, state))
    assert same(once, state)
    with pytest.raises(ValueError, match="state of ObjectState: damaged"):
        from_bytes(ObjectState, b"something else")


def test_two_objects_in_turns_are_two_apart() -> None:
    pairs = [scene(10 + 4 * t) for t in range(10)]
    views, tracker = views_of([image for image, _ in pairs]), ObjectTracker()
    _, elsewhere = scene(100, 60)
    _, _, first = follow(views, pairs[0][1])
    _, _, second = follow(views, elsewhere)
    states = [tracker.begin(views[0], mask) for mask in (pairs[0][1], elsewhere)]
    for view in views[1:]:
        states = [tracker.update(view, state, tracker.predict(view, state)) for state in states]
    assert same(states[0], first) and same(states[1], second)


def test_a_guess_is_checked_at_birth() -> None:
    with pytest.raises(ValueError, match=r"ObjectGuess.probs: expected float32 .*, got float64 \(2, 2\)"):
        ObjectGuess(np.zeros((2, 2)), 0.0)


@pytest.mark.shared
def test_a_real_object_is_followed_better_than_a_mask_held_still(shared_dir: Path) -> None:
    folder = shared_dir / "clips" / "masked" / "car-shadow"
    frames, masks = sorted((folder / "frames").glob("*.jpg"))[:16], sorted((folder / "masks").glob("*.png"))[:16]
    if not frames:
        pytest.skip(f"no frames in {folder}")
    images = [np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in frames]
    truth = np.stack([cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127 for path in masks])  # pyright: ignore[reportOptionalOperand]
    _, found, _ = follow(views_of(images), truth[0])
    region, _ = region_and_boundary(np.stack(found), truth[1:])
    still, _ = region_and_boundary(np.repeat(truth[:1], 15, axis=0), truth[1:])
    assert region.mean() > 0.8 > still.mean()
