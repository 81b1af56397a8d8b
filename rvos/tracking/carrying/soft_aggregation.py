"""Makes the masks of several objects on one frame exclusive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rvos.tracking.carrying.object_tracker import ObjectGuess

EDGE = 1e-4
"""Probabilities are kept this far from 0 and 1, so that their odds stay finite."""


def soft_aggregate(guesses: Sequence[ObjectGuess]) -> list[ObjectGuess]:
    """The same guesses after soft aggregation: where one object is certain, the probabilities of the others fall.

    The odds of each object are divided by the sum of the odds of all objects and of the background. The probability of
    the background is that no object covers the pixel (Oh et al., "Fast Video Object Segmentation by Reference-Guided
    Mask Propagation", CVPR 2018, section 3.4).
    """
    if len(guesses) < 2:
        return list(guesses)
    probs = np.clip(np.stack([guess.probs for guess in guesses]), EDGE, 1 - EDGE)
    nobody = np.clip(np.prod(1 - probs, axis=0), EDGE, 1 - EDGE)
    odds = probs / (1 - probs)
    shares = odds / (odds.sum(0) + nobody / (1 - nobody))
    return [replace(guess, probs=share.astype(np.float32)) for guess, share in zip(guesses, shares, strict=True)]
