"""The tracks of an expression as objects: where each is, what it looks like, and whose mask is drawn.

A track's mask is the candidate's, as the image model drew it. Where a candidate differs from what was carried there,
the memory of the object's appearance is asked about the pixels on which they differ, and where it speaks clearly
against the candidate, the mask is drawn anew from what was carried. Tracks without a candidate are carried: by the flow
where it can be trusted, and by appearance. One that another candidate covers is hidden behind it, unless it still looks
like itself: then the model drew the same thing too large, or its whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import cv2
import numpy as np

from image_core.ranges import Count, Range, Share, check_ranges
from rvos.tracking.association import Place
from rvos.tracking.belief.meaning import Belief, Path
from rvos.tracking.carrying.appearance import flow_trust, work_flow
from rvos.tracking.carrying.box import Sizes, box_of, centre_of
from rvos.tracking.carrying.guided import snapped
from rvos.tracking.carrying.lifted import scores
from rvos.tracking.carrying.object_tracker import ObjectMemory, ObjectState, ObjectTracker
from rvos.tracking.hub.memory import NetworkMemory
from rvos.tracking.regions import Region
from rvos.view.frame_view import View
from rvos.view.motion import warp


@dataclass(frozen=True)
class FollowingConfig:
    """The numbers by which tracks are followed."""

    #: Tracks of one expression that are kept, with a place or without.
    most_tracks: Count = 12
    #: Those most likely meant whose appearance is learned; the others are carried by optical flow alone.
    most_learned: Count = 4
    #: A track of fewer candidates that has had none for as many answers was a fault of the image model.
    least_candidates: Count = 2
    #: Frames after which a candidate is learned from that differs from what was carried, ...
    learn_late: Count = 12
    #: ... and from one lesson to the next, ...
    learn_every: Count = 5
    #: ... and what a lesson counts at least among those before it.
    lesson_share: Share = 0.2
    #: Quality from which on a candidate's mask is taken as it is and learned from.
    good: Share = 0.5
    #: Share of what candidate and carried mask cover on which they differ, from which on the candidate is doubted; ...
    doubt: Share = 0.15
    #: ... seams that are thinner, in sizes of the object, do not count: every mask is a little off.
    thin: Sizes = 0.05
    #: How clearly the memory of appearance must speak against a doubted candidate, in [0, 1].
    against: Share = 0.2
    #: Likelihood of a candidate from which on it is not refused over a gap between answers, or is a track's whole.
    likely: Share = 0.5
    #: Candidates that are refused in a row: one that comes back is right.
    most_refused: Annotated[int, Range(0)] = 1
    #: Frames after which what the flow carries counts as much less as e says, against what is drawn by appearance.
    flow_frames: Annotated[float, Range(0.1, 100)] = 10.0
    #: Quality of a carried mask below which the track is lost.
    lost: Share = 0.25
    #: Share of a carried mask that lies on what is another track's, from which on it is hidden behind it, ...
    hidden: Share = 0.6
    #: ... unless its quality is at least this: then the other was drawn around it, ...
    seen: Share = 0.5
    #: ... too large, or as the whole of which it is a part: a whole is at most so many times larger.
    whole: Annotated[float, Range(1)] = 4.0
    #: Share of a new frame in the appearance of a track.
    appearance_rate: Share = 0.2
    #: Frames without a place after which a track ends.
    forget: Annotated[int, Range(1)] = 300

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Flowed:
    """A candidate that optical flow alone has carried on: for some frames the best that there is, where flow can be
    trusted."""

    #: (h, w) float32 at work size.
    probs: np.ndarray
    #: (h, w) float32 in [0, 1], how much every pixel of it is trusted.
    trust: np.ndarray

    def moved(self, view: View, keep: float) -> Flowed:
        """One frame later. keep: what stays of the trust whatever the flow."""
        flow = view.once(work_flow)
        both = warp(np.dstack([self.probs, self.trust]), flow)
        return Flowed(both[..., 0].copy(), np.float32(keep) * both[..., 1] * view.once(flow_trust))

    def mixed_with(self, probs: np.ndarray) -> np.ndarray:
        """(h, w) float32: what was carried where it is trusted, `probs` where it is not."""
        trust = cv2.blur(self.trust, (5, 5))
        return trust * self.probs + (1 - trust) * probs


@dataclass(frozen=True)
class Track:
    """One object that may be what the words mean."""

    #: Never changes.
    id: int
    #: (C,) float32, mean pixel features.
    appearance: np.ndarray
    #: (h, w) float32 at work size, where it is; None of one that is lost.
    probs: np.ndarray | None
    #: Its last candidate, carried by optical flow alone; None of one that had none.
    flowed: Flowed | None
    #: (x, y) at work size, where it was last.
    centre: tuple[float, float]
    #: Pixels at work size that it had last.
    area: float
    #: [0, 1], how good its mask on the last frame is.
    quality: float = 0.0
    #: What its pixels look like, once that was learned.
    memory: ObjectMemory | None = None
    #: What a network of the hub remembers of it, where one carries its mask.
    network: NetworkMemory | None = None
    #: Candidates that it has had.
    candidates: int = 0
    #: Lessons about its appearance.
    lessons: int = 0
    #: Frames since the last one.
    since_lesson: int = 0
    #: Candidates refused in a row.
    refused: int = 0
    #: Answers in a row without a candidate.
    missed: int = 0
    #: Frames since the last candidate.
    age: int = 0
    #: Frames without a place.
    away: int = 0
    #: Log-odds that it is the one meant, 0 for the first of all tracks.
    log_odds: float = 0.0
    #: The history of the expression that ends with it.
    path: Path = ()
    #: What was answered of it.
    belief: Belief = field(default_factory=Belief)
    #: The user gave its mask: a candidate that differs is another thing.
    given: bool = False
    #: The user said that what is meant was not there while this was to be seen: it is something else.
    denied: bool = False

    def place(self, carried: np.ndarray | None, cut: bool) -> Place:
        """Where it is expected on the next frame."""
        return Place(carried, self.appearance, None if cut else self.centre, self.area, self.away)


def new_track(track_id: int, region: Region) -> Track:
    """A track that begins with a region, and is not placed yet."""
    return Track(track_id, region.appearance, None, None, (0.0, 0.0), 0.0)


def first_of(tracks: Sequence[Track]) -> Track | None:
    """The track most likely meant, the oldest of equals."""
    return max(tracks, key=lambda track: (track.log_odds, -track.id), default=None)


@dataclass(frozen=True)
class Placed:
    """A track on this frame, and its mask where that is at hand."""

    track: Track
    #: (H, W) bool at frame size; None of one that was carried, whose mask is drawn when it is shown.
    mask: np.ndarray | None = None
    #: Nothing speaks against its candidate.
    trusted: bool = False
    #: [0, 1], the likelihood of its candidate, of what was drawn around it or of a part; None of none.
    said: float | None = None


class Follower:
    """Moves tracks from frame to frame; shared, and holds nothing that changes."""

    def __init__(self, config: FollowingConfig, objects: ObjectTracker) -> None:
        self.config = config
        self.objects = objects

    def carried(self, view: View, track: Track) -> np.ndarray | None:
        """(h, w) float32: where the flow carries a track; None of one that is lost, or leaves the picture."""
        if track.probs is None or view.cut:
            return None
        probs = warp(track.probs, view.once(work_flow))
        return probs if probs.max() > 0.5 else None

    def continued(self, view: View, track: Track, carried: np.ndarray | None, taken: np.ndarray | None) -> Placed:
        """A track that has no candidate on this frame. taken: (h, w) bool, where other tracks were drawn."""
        if taken is not None:
            track = replace(track, missed=track.missed + 1)
        covered = carried is not None and taken is not None and share_of(carried, taken) >= self.config.hidden
        if carried is None or track.probs is None or (covered and track.memory is None):
            return Placed(replace(track, probs=None, away=track.away + 1))
        if track.memory is None:
            return Placed(replace(self._moved(track, carried, self.config.good), age=track.age + 1))
        state = ObjectState(track.probs, track.memory)
        guess = self.objects.predict(view, state)
        if track.flowed is not None:
            flowed = track.flowed.moved(view, math.exp(-1 / self.config.flow_frames) if track.age else 1.0)
            guess = replace(guess, probs=flowed.mixed_with(guess.probs))
            track = replace(track, flowed=flowed)
        least = self.config.seen if covered else self.config.lost
        if guess.quality < least or not (guess.probs > 0.5).any():
            return Placed(replace(track, probs=None, away=track.away + 1))
        memory = self.objects.update(view, state, guess).memory
        return Placed(replace(self._moved(track, guess.probs, guess.quality), memory=memory, age=track.age + 1))

    def in_context(self, placed: Placed, regions: Sequence[Region]) -> Placed:
        """A track without a candidate, where the model drew something around it, or a part of it: what is said of that
        is said of the track. Its mask is what was drawn around it, if that is likely meant and no larger than a whole
        is. What the user gave stays as it was given.

        regions: those of the frame.
        """
        c, probs = self.config, placed.track.probs
        if probs is None or placed.track.given:
            return placed
        own = probs > 0.5
        px = np.count_nonzero(own)
        around = [r for r in regions if share_of(probs, r.core) >= c.hidden]
        parts = [r for r in regions if share_of(r.soft, own) >= c.hidden and px <= c.whole * np.count_nonzero(r.core)]
        wholes = [r for r in around if r.likelihood >= c.likely and np.count_nonzero(r.core) <= c.whole * px]
        whole = max(wholes, key=lambda region: region.likelihood, default=None)
        said = max((region.likelihood for region in (*around, *parts)), default=None)
        return replace(placed, mask=None if whole is None else whole.mask, said=said)

    def drawn(self, view: View, track: Track, carried: np.ndarray | None, region: Region) -> Placed:
        """A track whose candidate on this frame is a region."""
        differing = None if carried is None else self._differing(track, carried, region)
        # Over a gap a mask that was carried may well be off.
        trusted = carried is not None and (differing is None or (track.age > 0 and not track.refused))
        track = replace(
            track,
            appearance=track.appearance + self.config.appearance_rate * (region.appearance - track.appearance),
            candidates=track.candidates + 1,
            missed=0,
            away=0,
        )
        if carried is not None and differing is not None and self._is_refused(view, track, region, differing):
            refused = self.continued(view, replace(track, refused=track.refused + 1), carried, None)
            return replace(refused, said=region.likelihood)
        flowed = Flowed(region.soft, np.ones_like(region.soft))
        track = replace(track, refused=0, flowed=flowed, age=0)
        if carried is None or region.quality >= self.config.good:
            return Placed(self._moved(track, region.soft, region.quality), region.mask, trusted, region.likelihood)
        mixed = region.quality * region.soft + (1 - region.quality) * carried
        soft = mixed if (mixed > 0.5).any() else region.soft
        return Placed(self._moved(track, soft, region.quality), said=region.likelihood)

    def given(self, view: View, track: Track, region: Region) -> Placed:
        """A track whose mask on this frame the user gave: a region with that mask. What was learned of the track
        before it was first given may be of another thing, and goes."""
        assert region.mask is not None
        if track.given and track.memory is not None:
            state = self.objects.renew(view, ObjectState(region.soft, track.memory), region.mask)
        else:
            state = self.objects.begin(view, region.mask)
        track = replace(
            track,
            appearance=region.appearance,
            flowed=Flowed(region.soft, np.ones_like(region.soft)),
            memory=state.memory,
            candidates=max(track.candidates + 1, self.config.least_candidates),
            lessons=track.lessons + 1,
            refused=0,
            missed=0,
            age=0,
            given=True,
            denied=False,
        )
        return Placed(replace(self._moved(track, region.soft, 1.0), since_lesson=0), region.mask, trusted=True)

    def kept(self, tracks: Sequence[Track]) -> tuple[Track, ...]:
        """As many tracks as there is room for: those with a place first, then those most likely meant."""
        going_on = [track for track in tracks if track.given or not self._is_over(track)]
        ranked = sorted(going_on, key=lambda t: (t.probs is None, -t.log_odds, t.away, t.id))
        best, first = ranked[: self.config.most_tracks], first_of(going_on)
        if first is not None and first not in best:
            best[-1] = first
        return tuple(sorted(best, key=lambda track: track.id))

    def _is_over(self, track: Track) -> bool:
        """It was away for too long; it is known to be something else and lost, after which nothing is known; or it had
        few candidates, and as many answers since had none: a fault of the image model."""
        c = self.config
        is_fault = track.candidates < c.least_candidates and track.missed >= c.least_candidates
        return track.away > c.forget or is_fault or (track.denied and track.probs is None)

    def mask(self, view: View, probs: np.ndarray) -> np.ndarray:
        """(H, W) bool at frame size: what was carried, its boundary moved to the nearest edge of the picture."""
        return snapped(view, probs)

    def learned(self, view: View, placed: Placed, region: Region) -> Placed:
        """The same with a lesson about its appearance, where one is due: sooner where its candidate is trusted."""
        c, track = self.config, placed.track
        if track.probs is None or region.mask is None or placed.mask is not region.mask:
            return placed
        if track.memory is None:
            due = track.candidates >= (c.least_candidates if placed.trusted else 2 * c.least_candidates)
        else:
            due = track.since_lesson >= (c.learn_every if placed.trusted else c.learn_late)
        if not due:
            return placed
        if track.memory is None:
            memory = self.objects.begin(view, region.mask).memory
        else:
            share = max(c.lesson_share, 1 / (track.lessons + 1))
            memory = self.objects.renew(view, ObjectState(track.probs, track.memory), region.mask, share).memory
        return replace(placed, track=replace(track, memory=memory, lessons=track.lessons + 1, since_lesson=0))

    def _differing(self, track: Track, carried: np.ndarray, region: Region) -> np.ndarray | None:
        """(h, w) bool: where a candidate and the carried mask differ in earnest; None where they agree."""
        before, now = carried > 0.5, region.core
        differing = _bulk(before ^ now, self.config.thin * math.sqrt(track.area))
        is_large = np.count_nonzero(differing) >= self.config.doubt * np.count_nonzero(before | now)
        return differing if is_large and differing.any() else None

    def _is_refused(self, view: View, track: Track, region: Region, differing: np.ndarray) -> bool:
        """The memory of the object's appearance speaks against the candidate where it differs from what was carried.

        Over a gap that may be the carried mask's fault: there a candidate that is likely meant is taken. What the user
        gave is not asked about."""
        if track.given:
            return True
        if track.memory is None or region.mask is None or track.refused >= self.config.most_refused:
            return False
        if track.age > 0 and region.likelihood >= self.config.likely:
            return False
        box = box_of(differing)
        head = np.clip(scores(view, track.memory.theta, box), -1, 1)
        signed = np.where(region.core[box.part], head, -head)[differing[box.part]]
        return float(signed.mean()) < -self.config.against

    def _moved(self, track: Track, probs: np.ndarray, quality: float) -> Track:
        return replace(
            track,
            quality=quality,
            probs=probs,
            centre=centre_of(probs),
            area=float(probs.sum()),
            away=0,
            since_lesson=track.since_lesson + 1,
        )


def _bulk(differing: np.ndarray, width: float) -> np.ndarray:
    """What of a difference (h, w) bool is at least so wide in pixels."""
    side = max(2, round(width))
    return cv2.morphologyEx(differing.astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0


def share_of(carried: np.ndarray, taken: np.ndarray) -> float:
    """Of what was carried, (h, w) in [0, 1], the share that lies on (h, w) bool."""
    core = carried > 0.5
    return np.count_nonzero(core & taken) / max(1, np.count_nonzero(core))
