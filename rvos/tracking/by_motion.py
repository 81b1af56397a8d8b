"""Which tracks are meant where an expression speaks of motion: what the image model says of each by itself, and what
its way says, added up in log-odds.

The image model was asked for all that the still part may mean ("the cars"), so its answers say which tracks are of the
kind; the ways say which of these do what the words say. What was seen in a first pass is known in the second one from
its first frame on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from image_core.language.motion import TimedExpression
from image_core.ranges import Count, Range, Weight, check_ranges
from rvos.tracking.following import Placed, Track
from rvos.tracking.meaning import MeaningConfig
from rvos.tracking.motion_evidence import evidence
from rvos.tracking.trajectory import SEEN, TIME, Trajectory
from rvos.view.frame_view import View

LEAST_BELIEF = 0.02
"""No track is held to be less, or more surely, of the kind."""


@dataclass(frozen=True)
class ByMotionConfig:
    """The numbers by which motion and appearance are weighed."""

    #: What the log-odds of a way count beside those of the image model's answers.
    weight: Weight = 1.0
    #: Frames on which a track has to be seen for its way to count in full.
    enough: Count = 8
    #: Log-odds against one that was seen hardly at all.
    fleeting: Weight = 2.0
    #: Log-odds from which on one of several is meant.
    least: Annotated[float, Range(-10, 10)] = 0.0
    #: Log-odds from which on one is shown, too, while the one that is meant more has no place.
    clear: Weight = 1.0
    #: Frames that two tracks may be seen together on and still be one thing that was lost between.
    together: Annotated[int, Range(0)] = 3
    #: How far behind the one that is meant the track of the same thing may lie, in log-odds.
    behind: Weight = 4.0
    #: Ended tracks whose ways are kept.
    most_ended: Count = 12

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Known:
    """What is known of one track."""

    id: int
    way: Trajectory
    #: [0, 1], what was answered of it.
    belief: float


class ByMotion:
    """Weighs tracks by their ways; shared, and holds nothing that changes."""

    def __init__(self, config: ByMotionConfig, meaning: MeaningConfig) -> None:
        self.config = config
        self.meaning = meaning

    def moved_on(self, view: View, placed: Sequence[Placed], scene: int) -> list[Placed]:
        """The tracks, their ways one frame longer. scene: the index of its first frame."""
        return [
            replace(one, track=replace(one.track, way=one.track.way.moved_on(view, one.track.probs, scene)))
            for one in placed
        ]

    def known(self, tracks: Sequence[Track], ended: Sequence[Known] = ()) -> tuple[Known, ...]:
        """What is known of the tracks, and of those that ended before: the latest of these."""
        ids = {track.id for track in tracks}
        kept = [one for one in ended if one.id not in ids][-self.config.most_ended :]
        return (*kept, *(Known(t.id, t.way, t.belief.value(self.meaning)) for t in tracks))

    def worth(self, expression: TimedExpression, known: Sequence[Known]) -> dict[int, float]:
        """Track id -> log-odds that it is meant, or one of those."""
        beliefs = np.clip([one.belief for one in known], LEAST_BELIEF, 1 - LEAST_BELIEF)
        ways = [one.way for one in known]
        told = np.log(beliefs / (1 - beliefs)) + self.config.weight * evidence(expression.motions, ways)
        # What was seen shortly may be a fault of the image model.
        share = self._share_seen(ways)
        values = share * told - (1 - share) * self.config.fleeting
        return {one.id: float(value) for one, value in zip(known, values, strict=True)}

    def _share_seen(self, ways: Sequence[Trajectory]) -> np.ndarray:
        """(N,) in [0, 1]: how much of what is enough each was seen; one of them is always seen enough."""
        seen = np.array([np.count_nonzero(way.samples[:, SEEN]) * way.stride for way in ways], dtype=np.float64)
        return np.minimum(1.0, seen / np.clip(seen.max(initial=1.0), 1.0, self.config.enough))

    def chosen(self, expression: TimedExpression, known: Sequence[Known], visible: Collection[int]) -> set[int]:
        """The ids of `visible` that are shown: the one that is meant, or all of them where several are."""
        worth = self.worth(expression, known)
        if not worth:
            return set(visible)
        ranked = sorted(worth, key=lambda i: (-worth[i], i))
        if expression.several:
            meant = [i for i in ranked if worth[i] >= self.config.least] or ranked[:1]
            return set(meant[: expression.count]) & set(visible)
        first = ranked[0]
        if first in visible:
            return {first}
        # The same thing may have been lost, and found as another track.
        ways = {one.id: one.way for one in known}
        stand_ins = (
            i
            for i in ranked
            if i in visible
            and worth[i] >= worth[first] - self.config.behind
            and (worth[i] >= self.config.clear or _frames_together(ways[i], ways[first]) <= self.config.together)
        )
        return {i for i in [next(stand_ins, None)] if i is not None}

    def there(self, expression: TimedExpression, known: Sequence[Known]) -> float:
        """[0, 1]: what a presence is to be multiplied by when all of the video is known: little where nothing does what
        the words say."""
        if not known:
            return 1.0
        ways = [one.way for one in known]
        told = float((self._share_seen(ways) * evidence(expression.motions, ways)).max())
        return min(1.0, 2 / (1 + math.exp(-told)))


def _frames_together(one: Trajectory, other: Trajectory) -> int:
    times, others = (t.samples[t.samples[:, SEEN] > 0, TIME] for t in (one, other))
    return len(np.intersect1d(times, others)) * max(one.stride, other.stride)
