"""Whether the target is there, frame after frame: a two-state hidden Markov model, filtered forward, and
smoothed backward where later frames are known.

Single frames of an image model are noisy and their errors last, so that each counts for less than one independent
observation (`trust`), and a target comes and goes seldom (`change`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from image_core.ranges import LogOdds, Range, Share, check_ranges

EDGE = 1e-3


@dataclass(frozen=True)
class PresenceModel:
    """A filter over the presence of frames (readings; chosen on the validation split of the synthetic videos)."""

    #: Share of a frame's log-odds that counts.
    trust: Share = 0.35
    #: Chance from one frame to the next that a target that is there leaves, or one that is away comes.
    change: Annotated[float, Range(1e-6, 0.5)] = 0.1
    #: Added to a frame's log-odds: calibration was fitted on stills, and on moving pictures the model is less sure of
    #: what is there.
    shift: LogOdds = 1.1
    #: Log-odds before the first frame.
    start: LogOdds = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def step(self, log_odds: float, observed: float | None) -> float:
        """The log-odds after one more frame. observed: calibrated presence in [0, 1], None where the image model was
        not asked."""
        before = 1 / (1 + math.exp(-log_odds))
        now = before * (1 - self.change) + (1 - before) * self.change
        return log_odds_of(now) + self._evidence(observed)

    def before(self, later: float, observed: float | None) -> float:
        """What a frame and all after it say of the frame before them, in log-odds to be added to what is known there.

        later: the same of the frames after it, 0 where there are none (the backward messages of the model).
        """
        odds = math.exp(later + self._evidence(observed))
        return math.log(((1 - self.change) * odds + self.change) / (self.change * odds + 1 - self.change))

    def _evidence(self, observed: float | None) -> float:
        return 0.0 if observed is None else self.trust * (log_odds_of(observed) + self.shift)


def log_odds_of(probability: float) -> float:
    """log(p / (1 - p)), with p kept off 0 and 1."""
    kept = min(max(probability, EDGE), 1 - EDGE)
    return math.log(kept / (1 - kept))
