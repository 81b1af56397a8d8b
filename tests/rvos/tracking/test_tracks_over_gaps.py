"""Tracks over gaps between answers: what was carried is doubted, too."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from image_core.answer import Candidate, MaskAnswer
from rvos import VideoSegmenter
from rvos.reading.key_frames import KeyFrames


class Corrected:
    """Draws both of two discs that go side by side as one, and from its fourth picture on the red one alone."""

    def __init__(self, likelihood: float) -> None:
        self.likelihood, self.pictures = likelihood, 0

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.pictures += 1
        red, blue = image[..., 0] == 220, image[..., 2] == 220
        mask = red if self.pictures > 3 else red | blue
        return [MaskAnswer((Candidate(mask, self.likelihood, 0.95),), 1.0, 1.0) for _ in expressions]


@pytest.mark.parametrize(("likelihood", "is_taken"), [(0.8, True), (0.3, False)])
def test_over_a_gap_a_candidate_that_is_likely_meant_is_taken(likelihood: float, is_taken: bool) -> None:
    noise = np.random.default_rng(5).normal(0, 1, (96, 192, 3)).astype(np.float32)
    ground = np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 60 + 100, 0, 190).astype(np.uint8)
    images = []
    for t in range(13):
        images.append(ground.copy())
        cv2.circle(images[-1], (40 + 2 * t, 48), 16, (220, 30, 30), -1)
        cv2.circle(images[-1], (72 + 2 * t, 48), 16, (30, 30, 220), -1)
    segmenter = VideoSegmenter(Corrected(likelihood), key_frames=KeyFrames(4), decode="key")
    last = [results[0] for _, results in segmenter.stream(np.stack(images), ["the red disc"])][-1]
    assert np.array_equal(last.mask, images[-1][..., 0] == 220) == is_taken
    assert last.mask[:, 90:].any() == (not is_taken), "what was carried holds the blue disc, too"
