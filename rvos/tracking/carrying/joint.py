"""Several objects of one frame made exclusive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rvos.tracking.carrying.object_tracker import ObjectGuess

EDGE = 1e-4
"""Probabilities are kept this far from 0 and 1, so that their odds stay finite."""


def resolve(guesses: Sequence[ObjectGuess]) -> list[ObjectGuess]:
    """The same guesses after soft aggregation: what one object is sure of, the others give up.

    Odds of the objects and of the background, which is what none of them claims, are made to sum to one (Oh et al.,
    "Fast Video Object Segmentation by Reference-Guided Mask Propagation", CVPR 2018, section 3.4).
    """
    if len(guesses) < 2:
        return list(guesses)
    probs = np.clip(np.stack([guess.probs for guess in guesses]), EDGE, 1 - EDGE)
    nobody = np.clip(np.prod(1 - probs, axis=0), EDGE, 1 - EDGE)
    odds = probs / (1 - probs)
    shares = odds / (odds.sum(0) + nobody / (1 - nobody))
    return [replace(guess, probs=share.astype(np.float32)) for guess, share in zip(guesses, shares, strict=True)]
