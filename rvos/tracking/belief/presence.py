"""Whether the target is there: a fading mean of the presence of the answers, of earlier ones and, if known, later
ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from image_core.ranges import LogOdds, Share, check_ranges

EDGE = 1e-3


@dataclass(frozen=True)
class PresenceConfig:
    """The numbers of the mean."""

    #: Weight that an answer keeps when the next one arrives.
    keep: Share = 0.5
    #: Largest absolute log-odds of one answer.
    most: LogOdds = 4.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class PresenceAverage:
    """The presence of the answers so far."""

    #: Weighted sum of the log-odds.
    total: float = 0.0
    #: The sum of the weights.
    weight: float = 0.0

    def after(self, presence: float, seen: float, config: PresenceConfig) -> PresenceAverage:
        """With one more answer.

        presence: of the answer, [0, 1]; seen: how well the track most likely meant is seen on the frame, [0, 1]. An
        answer that says "not there" counts less the better that track is seen.
        """
        weight = 1.0 if presence >= 0.5 else 1 - seen
        kept = PresenceAverage(config.keep * self.total, config.keep * self.weight)
        return PresenceAverage(kept.total + weight * _log_odds(presence, config), kept.weight + weight)

    def smoothed(self, later: Sequence[float], config: PresenceConfig) -> float:
        """[0, 1], the presence on the frame of the last answer, given the presence of the answers after it; 0 without
        any answer."""
        weights = [config.keep ** (1 + n) for n in range(len(later))]
        total = self.total + sum(w * _log_odds(p, config) for w, p in zip(weights, later, strict=True))
        weight = self.weight + sum(weights)
        return 1 / (1 + math.exp(-total / weight)) if weight else 0.0


def _log_odds(presence: float, config: PresenceConfig) -> float:
    kept = min(max(presence, EDGE), 1 - EDGE)
    return min(max(math.log(kept / (1 - kept)), -config.most), config.most)
