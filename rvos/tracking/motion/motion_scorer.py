"""Scores tracks for an expression with words of motion: adds the log-odds by the answers of the image model and those
by the trajectory.

The image model is asked for the still part ("the car", or "the cars"). Its answers tell which tracks are of that kind,
and which of them it prefers; the trajectories tell which of these move as the expression says. On the second of two
passes the whole trajectories are known from the first frame on.
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
from rvos.tracking.motion.motion_evidence import max_log_odds, motion_log_odds
from rvos.tracking.motion.motion_predicates import MAX_LOG_ODDS
from rvos.tracking.motion.trajectory import SEEN, TIME, Trajectory
from rvos.view.frame_view import View

MIN_BELIEF = 0.02
"""Beliefs are clipped to [MIN_BELIEF, 1 - MIN_BELIEF], so that their log-odds are finite."""


@dataclass(frozen=True)
class MotionScorerConfig:
    """The numbers by which motion and the answers of the image model are weighted."""

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
class TrackMotion:
    """What is remembered of one track, which may have ended."""

    id: int
    trajectory: Trajectory
    #: [0, 1], the belief in it.
    belief: float
    #: Frames on which it was seen.
    seen: int
    #: Log-odds that it is the one meant, by the answers, relative to the best track, which has 0.
    log_odds: float = 0.0


@dataclass(frozen=True)
class MotionMemory:
    """What is remembered of the trajectories of an expression's tracks."""

    tracks: tuple[TrackMotion, ...] = ()
    #: Track id -> log-odds that it is meant, or one of those meant, when the tracks were scored last.
    log_odds: dict[int, float] = field(default_factory=dict)
    #: [0, 1], factor on the presence: small if no track of the whole video moves as the expression says.
    presence_factor: float = 1.0
    #: The frame on which the tracks were scored last.
    judged_at: int = -1
    #: The first frame of the scene.
    scene: int = 0
    #: The whole video has been processed.
    is_final: bool = False


class MotionScorer:
    """Scores tracks by their motion and selects those that are shown. It has no state, and is shared."""

    def __init__(self, config: MotionScorerConfig, meaning: MeaningConfig) -> None:
        self.config = config
        self.meaning = meaning

    def update(
        self, view: View, tracks: Sequence[Track], expression: TimedExpression, memory: MotionMemory
    ) -> MotionMemory:
        """The memory after one more frame; unchanged if the expression has no words of motion, or after the first of
        two passes."""
        if not expression.needs_motion or memory.is_final:
            return memory
        scene = view.frame.index if view.cut else memory.scene
        previous = {one.id: one for one in memory.tracks}
        updated = [self._update_track(view, track, previous.get(track.id), scene) for track in tracks]
        ids = {track.id for track in tracks}
        ended = sorted((one for one in memory.tracks if one.id not in ids), key=lambda one: (-one.seen, one.id))
        memory = replace(memory, tracks=(*updated, *ended[: self.config.most_ended]), scene=scene)
        # In a long video one more frame changes the scores little.
        since = view.frame.index - memory.judged_at
        if since <= view.frame.index // self.config.judged_every and ids <= memory.log_odds.keys():
            return memory
        return replace(memory, log_odds=self._score_tracks(expression, memory.tracks), judged_at=view.frame.index)

    def for_second_pass(self, expression: TimedExpression, memory: MotionMemory) -> MotionMemory:
        """The memory with which the second pass over the same video starts."""
        if not memory.tracks:
            return memory
        motion = motion_log_odds(expression.motions, [one.trajectory for one in memory.tracks])
        best = float((self._visibility_weights(memory.tracks) * motion).max())
        # Motions that cannot be measured well do not lower the presence.
        is_reliable = all(max_log_odds(motion) == MAX_LOG_ODDS for motion in expression.motions)
        presence_factor = min(1.0, 2 / (1 + math.exp(-best))) if is_reliable else 1.0
        log_odds = self._score_tracks(expression, memory.tracks)
        return replace(memory, log_odds=log_odds, presence_factor=presence_factor, is_final=True)

    def select(
        self,
        expression: TimedExpression,
        memory: MotionMemory,
        visible: Collection[int],
        unconfirmed: Collection[int] = (),
    ) -> set[int]:
        """The ids of `visible` that are shown: the track that is meant, or all of them if several are.

        unconfirmed: tracks that have a place, but may be errors of the image model. They are not shown, and they do not
        keep others from being shown.
        """
        log_odds = memory.log_odds
        ranked = sorted(log_odds.keys() - set(unconfirmed), key=lambda i: (-log_odds[i], i))
        if expression.several:
            meant = [i for i in ranked if log_odds[i] >= self.config.least] or ranked[:1]
            return set(meant[: expression.count]) & set(visible)
        # The object may have been lost, and found again as another track.
        trajectories = {one.id: one.trajectory for one in memory.tracks}
        shown = (
            i
            for i in ranked
            if i in visible
            and log_odds[i] >= log_odds[ranked[0]] - self.config.behind
            and (
                log_odds[i] >= self.config.clear
                or _frames_together(trajectories[i], trajectories[ranked[0]]) <= self.config.together
            )
        )
        if ranked and ranked[0] in visible:
            return {ranked[0]}
        return set(islice(shown, 1))

    def _update_track(self, view: View, track: Track, previous: TrackMotion | None, scene: int) -> TrackMotion:
        """What is remembered of a track, its trajectory one frame longer."""
        trajectory = (Trajectory() if previous is None else previous.trajectory).updated(view, track.probs, scene)
        seen = (0 if previous is None else previous.seen) + (track.probs is not None)
        return TrackMotion(track.id, trajectory, track.belief.value(self.meaning), seen, track.log_odds)

    def _score_tracks(self, expression: TimedExpression, tracks: Sequence[TrackMotion]) -> dict[int, float]:
        """Track id -> log-odds that it is meant, or one of those meant."""
        beliefs = np.clip([one.belief for one in tracks], MIN_BELIEF, 1 - MIN_BELIEF)
        motion = motion_log_odds(expression.motions, [one.trajectory for one in tracks])
        log_odds = np.log(beliefs / (1 - beliefs)) + self.config.weight * motion
        if not expression.several:
            log_odds = log_odds + self.config.against_others * np.array([one.log_odds for one in tracks])
        # A track that was seen only briefly may be an error of the image model.
        weights = self._visibility_weights(tracks)
        log_odds = weights * log_odds - (1 - weights) * self.config.fleeting
        return {one.id: float(value) for one, value in zip(tracks, log_odds, strict=True)}

    def _visibility_weights(self, tracks: Sequence[TrackMotion]) -> np.ndarray:
        """(N,) in [0, 1]: frames on which each track was seen, divided by `enough`, or by the most of any track if that
        is fewer."""
        seen = np.array([one.seen for one in tracks], dtype=np.float64)
        return np.minimum(1.0, seen / np.clip(seen.max(initial=1.0), 1.0, self.config.enough))


def _frames_together(one: Trajectory, other: Trajectory) -> int:
    """About how many frames show both tracks."""
    times, others = (t.samples[t.samples[:, SEEN] > 0, TIME] for t in (one, other))
    return len(np.intersect1d(times, others)) * max(one.stride, other.stride)
