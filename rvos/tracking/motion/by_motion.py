"""Which tracks are meant if an expression speaks of motion: the log-odds of what the image model says of each track and
those of its trajectory are added.

The image model is asked for the still part ("the car", or "the cars"). Its answers say which tracks are of that kind,
and which of them it prefers; the trajectories say which of these move as the words say. On the second of two passes the
whole trajectories are known from the first frame on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Annotated

import numpy as np

from image_core.language.motion import TimedExpression
from image_core.ranges import Count, Range, Share, Weight, check_ranges
from rvos.tracking.belief.meaning import MeaningConfig
from rvos.tracking.following import Track
from rvos.tracking.motion.motion_evidence import bound, evidence
from rvos.tracking.motion.motion_predicates import SURE
from rvos.tracking.motion.trajectory import SEEN, TIME, Trajectory
from rvos.view.frame_view import View

LEAST_BELIEF = 0.02
"""The belief that a track is of the kind is kept this far from 0 and 1."""


@dataclass(frozen=True)
class ByMotionConfig:
    """The numbers by which motion and the answers of the image model are weighed."""

    #: Weight of the log-odds of the motion; that of the belief is 1.
    weight: Weight = 1.0
    #: Weight of the log-odds that a track rather than another is meant, by the answers, if one object is meant.
    against_others: Share = 0.5
    #: Frames on which a track has to be seen for its log-odds to count in full.
    enough: Count = 8
    #: Log-odds against a track that was hardly seen.
    fleeting: Weight = 2.0
    #: If several objects are meant: log-odds from which on a track is one of them.
    least: Annotated[float, Range(-10, 10)] = 0.0
    #: If one object is meant: log-odds from which on another track is shown while the best one is lost, even if both
    #: were seen together.
    clear: Weight = 1.0
    #: Most frames on which two tracks may be seen together and still be one object that was lost in between.
    together: Annotated[int, Range(0)] = 3
    #: How far behind the best track, in log-odds, a track may lie that is shown while the best one is lost.
    behind: Weight = 4.0
    #: Tracks are judged again after one N-th of the frames so far; this is N.
    judged_every: Count = 48
    #: Most ended tracks whose trajectories are kept.
    most_ended: Count = 12

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Known:
    """What is known of one track, which may have ended."""

    id: int
    way: Trajectory
    #: [0, 1], the belief in it.
    belief: float
    #: Frames on which it was seen.
    seen: int
    #: Log-odds that it is the one meant, by the answers, relative to the best track, which has 0.
    log_odds: float = 0.0


@dataclass(frozen=True)
class MotionMemory:
    """What is remembered of the trajectories of an expression's tracks."""

    known: tuple[Known, ...] = ()
    #: Track id -> log-odds that it is meant, or one of those meant, when the tracks were judged last.
    worth: dict[int, float] = field(default_factory=dict)
    #: [0, 1], factor on the presence: small if it is known that no track moves as the words say.
    there: float = 1.0
    #: The frame on which the tracks were judged last.
    judged_at: int = -1
    #: The first frame of the scene.
    scene: int = 0
    #: The whole video is known.
    is_final: bool = False


class ByMotion:
    """Judges tracks by their motion; shared, and holds nothing that changes."""

    def __init__(self, config: ByMotionConfig, meaning: MeaningConfig) -> None:
        self.config = config
        self.meaning = meaning

    def after(
        self, view: View, tracks: Sequence[Track], expression: TimedExpression, memory: MotionMemory
    ) -> MotionMemory:
        """The memory after one more frame; unchanged if the expression does not speak of motion, or the whole video is
        known."""
        if not expression.needs_motion or memory.is_final:
            return memory
        scene = view.frame.index if view.cut else memory.scene
        before = {one.id: one for one in memory.known}
        known = [self._moved_on(view, track, before.get(track.id), scene) for track in tracks]
        ids = {track.id for track in tracks}
        ended = sorted((one for one in memory.known if one.id not in ids), key=lambda one: (-one.seen, one.id))
        memory = replace(memory, known=(*known, *ended[: self.config.most_ended]), scene=scene)
        # In a long video one more frame changes little.
        since = view.frame.index - memory.judged_at
        if since <= view.frame.index // self.config.judged_every and ids <= memory.worth.keys():
            return memory
        return replace(memory, worth=self._worth(expression, memory.known), judged_at=view.frame.index)

    def final(self, expression: TimedExpression, memory: MotionMemory) -> MotionMemory:
        """The memory with which the second pass over the same video starts."""
        if not memory.known:
            return memory
        ways = [one.way for one in memory.known]
        told = float((self._share_seen(memory.known) * evidence(expression.motions, ways)).max())
        # Motions that cannot be measured well hide nothing.
        is_told = all(bound(motion) == SURE for motion in expression.motions)
        there = min(1.0, 2 / (1 + math.exp(-told))) if is_told else 1.0
        return replace(memory, worth=self._worth(expression, memory.known), there=there, is_final=True)

    def chosen(
        self, expression: TimedExpression, memory: MotionMemory, visible: Collection[int], barred: Collection[int] = ()
    ) -> set[int]:
        """The ids of `visible` that are shown: the track that is meant, or all of them if several are.

        barred: tracks that have a place, but may be errors of the image model. They are not shown, and they do not keep
        others from being shown.
        """
        worth = memory.worth
        ranked = sorted(worth.keys() - set(barred), key=lambda i: (-worth[i], i))
        if expression.several:
            meant = [i for i in ranked if worth[i] >= self.config.least] or ranked[:1]
            return set(meant[: expression.count]) & set(visible)
        # The object may have been lost, and found again as another track.
        ways = {one.id: one.way for one in memory.known}
        shown = (
            i
            for i in ranked
            if i in visible
            and worth[i] >= worth[ranked[0]] - self.config.behind
            and (worth[i] >= self.config.clear or _frames_together(ways[i], ways[ranked[0]]) <= self.config.together)
        )
        if ranked and ranked[0] in visible:
            return {ranked[0]}
        return set(islice(shown, 1))

    def _moved_on(self, view: View, track: Track, before: Known | None, scene: int) -> Known:
        """What is known of a track, its trajectory one frame longer."""
        way = (Trajectory() if before is None else before.way).moved_on(view, track.probs, scene)
        seen = (0 if before is None else before.seen) + (track.probs is not None)
        return Known(track.id, way, track.belief.value(self.meaning), seen, track.log_odds)

    def _worth(self, expression: TimedExpression, known: Sequence[Known]) -> dict[int, float]:
        beliefs = np.clip([one.belief for one in known], LEAST_BELIEF, 1 - LEAST_BELIEF)
        moved = evidence(expression.motions, [one.way for one in known])
        told = np.log(beliefs / (1 - beliefs)) + self.config.weight * moved
        if not expression.several:
            told = told + self.config.against_others * np.array([one.log_odds for one in known])
        # A track that was seen only briefly may be an error of the image model.
        share = self._share_seen(known)
        values = share * told - (1 - share) * self.config.fleeting
        return {one.id: float(value) for one, value in zip(known, values, strict=True)}

    def _share_seen(self, known: Sequence[Known]) -> np.ndarray:
        """(N,) in [0, 1]: frames on which each track was seen, divided by `enough`, or by the most of any track if that
        is fewer."""
        seen = np.array([one.seen for one in known], dtype=np.float64)
        return np.minimum(1.0, seen / np.clip(seen.max(initial=1.0), 1.0, self.config.enough))


def _frames_together(one: Trajectory, other: Trajectory) -> int:
    times, others = (t.samples[t.samples[:, SEEN] > 0, TIME] for t in (one, other))
    return len(np.intersect1d(times, others)) * max(one.stride, other.stride)
