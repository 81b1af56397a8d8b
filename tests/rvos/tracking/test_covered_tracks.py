"""Tracks that another candidate covers: hidden behind it, inside a mask that is too large, or a part of a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from image_core.answer import Candidate, MaskAnswer
from rvos import VideoSegmenter
from rvos.parts import tracker_config
from rvos.types import FrameResult

FRAMES, KNOWN = 16, 8
"""Of the film, and on how many of them the model draws what it draws first."""


def film() -> np.ndarray:
    """(T, H, W, 3) uint8 RGB: a red disc on the left edge of a blue square, both going right."""
    noise = np.random.default_rng(5).normal(0, 1, (96, 192, 3)).astype(np.float32)
    ground = np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 60 + 100, 0, 190).astype(np.uint8)
    images = []
    for t in range(FRAMES):
        images.append(ground.copy())
        x = 44 + 2 * t
        cv2.rectangle(images[-1], (x, 28), (x + 40, 68), (30, 30, 220), -1)
        cv2.circle(images[-1], (x, 48), 13, (220, 30, 30), -1)
    return np.stack(images)


def red(image: np.ndarray) -> np.ndarray:
    return image[..., 0] == 220


def flood(image: np.ndarray) -> np.ndarray:
    """The disc, and the left part of the picture."""
    return np.broadcast_to(np.arange(image.shape[1]) < 120, image.shape[:2]).copy()


def whole(image: np.ndarray) -> np.ndarray:
    """The disc, and the square that it is fixed to."""
    return red(image) | (image[..., 2] == 220)


class Changing:
    """Draws one thing, the red disc unless told, and from some picture on another."""

    def __init__(
        self,
        later: Callable[[np.ndarray], np.ndarray],
        likelihood: float,
        first: Callable[[np.ndarray], np.ndarray] = red,
    ) -> None:
        self.first, self.later, self.likelihood, self.pictures = first, later, likelihood, 0

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.pictures += 1
        if self.pictures <= KNOWN:
            drawn = Candidate(self.first(image), 0.9, 0.95)
        else:
            drawn = Candidate(self.later(image), self.likelihood, 0.95)
        return [MaskAnswer((drawn,), 1.0, 1.0) for _ in expressions]


def followed(model: Changing, images: np.ndarray, **numbers: float) -> list[FrameResult]:
    # Where overlap has to be large, what the model draws around the disc is another track's.
    tracker = tracker_config("tracks", following=numbers, association={"least_overlap": 0.5})
    segmenter = VideoSegmenter(model, tracker=tracker)
    return [results[0] for _, results in segmenter.stream(images, ["the red disc"])]


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def test_a_track_inside_a_flood_is_not_hidden_by_it() -> None:
    images = film()
    for t, result in enumerate(followed(Changing(flood, 0.6), images)):
        assert overlap(result.mask, red(images[t])) > 0.85, t
        assert list(result.track_masks) == [1], t


@pytest.mark.parametrize(
    ("likelihood", "numbers", "is_shown"), [(0.8, {}, True), (0.3, {}, False), (0.8, {"whole": 1.5}, False)]
)
def test_the_whole_of_a_part_is_shown_where_it_is_likely_meant(
    likelihood: float, numbers: dict[str, float], is_shown: bool
) -> None:
    images = film()
    results = followed(Changing(whole, likelihood), images, **numbers)
    for t in range(KNOWN + 1, FRAMES):
        meant = whole(images[t]) if is_shown else red(images[t])
        assert overlap(results[t].mask, meant) > 0.85, t
        assert list(results[t].track_masks) == [1], "the track that was meant goes on"


def test_a_part_speaks_for_its_whole() -> None:
    """Another track, whose evidence would win in the end if the whole had none."""
    images = film()
    for t, result in enumerate(followed(Changing(red, 0.6, first=whole), images)):
        assert list(result.track_masks) == [1], t
        assert overlap(result.mask, whole(images[t])) > 0.85, t


def test_a_track_behind_another_thing_is_hidden() -> None:
    """Not to be seen any more, and covered: what would be carried on looks like what covers it."""
    images = film()
    for t in range(KNOWN, FRAMES):
        cv2.rectangle(images[t], (44 + 2 * t - 20, 20), (44 + 2 * t + 40, 76), (30, 220, 30), -1)

    def occluder(image: np.ndarray) -> np.ndarray:
        return image[..., 1] == 220

    results = followed(Changing(occluder, 0.1), images)
    assert all(1 not in result.track_masks for result in results[KNOWN + 1 :])
