"""Follows the tracks of an expression: where each one is, what it looks like, and which mask it has.

A track with a candidate takes the candidate's mask as the image model drew it. Where the candidate differs from the
carried mask, the appearance memory scores the pixels on which they differ; if it clearly contradicts the candidate, the
candidate is refused and the carried mask is kept. A track without a candidate is carried: by optical flow where the
flow can be trusted, elsewhere by appearance. One that the candidate of another track covers counts as hidden, unless
the appearance memory still recognises it: then the model drew the same object again, too large or as a whole of which
the track is a part.
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
from rvos.tracking.carrying.guided import snap_to_edges
from rvos.tracking.carrying.lifted import scores
from rvos.tracking.carrying.object_tracker import ObjectMemory, ObjectState, ObjectTracker
from rvos.tracking.hub.memory import NetworkMemory
from rvos.tracking.regions import Region
from rvos.view.frame_view import View
from rvos.view.motion import warp


@dataclass(frozen=True)
class FollowingConfig:
    """The numbers by which tracks are followed."""

    #: Most tracks of one expression that are kept, lost ones included.
    most_tracks: Count = 12
    #: Tracks most likely meant that have an appearance memory; the others are carried by optical flow alone.
    most_learned: Count = 4
    #: A track that had fewer candidates, and then none for as many answers in a row, was an error of the image model.
    least_candidates: Count = 2
    #: Frames between two updates of the appearance memory if the new candidate differs from the carried mask.
    learn_late: Count = 12
    #: Frames between two updates of the appearance memory if the new candidate agrees with the carried mask.
    learn_every: Count = 5
    #: Least share of an update in the appearance memory.
    lesson_share: Share = 0.2
    #: Quality from which on a candidate's mask is taken as it is and learned from; below, it is averaged with the
    #: carried mask.
    good: Share = 0.5
    #: A candidate differs from the carried mask if they differ on at least this share of their union.
    doubt: Share = 0.15
    #: Strips of the difference that are thinner than this, in sizes of the object, do not count: no outline is exact.
    thin: Sizes = 0.05
    #: How clearly the appearance memory must contradict a candidate that differs for it to be refused, in [0, 1].
    against: Share = 0.2
    #: Likelihood from which on a candidate is taken after frames without one, and a containing region becomes a track's
    #: mask.
    likely: Share = 0.5
    #: Most candidates that are refused in a row; the next one is taken.
    most_refused: Annotated[int, Range(0)] = 1
    #: Frames after which the trust in a mask carried by flow has fallen to 1/e; the rest is predicted by appearance.
    flow_frames: Annotated[float, Range(0.1, 100)] = 10.0
    #: Quality of a carried mask below which the track is lost.
    lost: Share = 0.25
    #: Share of a carried mask inside the candidate of another track from which on the track counts as hidden.
    hidden: Share = 0.6
    #: Quality of a carried mask from which on a covered track is still recognised, and does not count as hidden.
    seen: Share = 0.5
    #: A region that contains a track can be a whole of which it is a part if it is at most this many times larger.
    whole: Annotated[float, Range(1)] = 4.0
    #: Share of a new candidate in the mean appearance of its track.
    appearance_rate: Share = 0.2
    #: Frames for which a track may be lost before it ends.
    forget: Annotated[int, Range(1)] = 300

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class FlowedMask:
    """A candidate that was carried on by optical flow alone. For some frames this is the best estimate where the flow
    can be trusted."""

    #: (h, w) float32 at work size, probabilities.
    probs: np.ndarray
    #: (h, w) float32 in [0, 1], how much each pixel is trusted.
    trust: np.ndarray

    def warped(self, view: View, keep: float) -> FlowedMask:
        """One frame later. keep: factor in [0, 1] on the trust, beside that of the flow."""
        flow = view.once(work_flow)
        both = warp(np.dstack([self.probs, self.trust]), flow)
        return FlowedMask(both[..., 0].copy(), np.float32(keep) * both[..., 1] * view.once(flow_trust))

    def blended_with(self, probs: np.ndarray) -> np.ndarray:
        """(h, w) float32: the carried probabilities where they are trusted, `probs` elsewhere."""
        trust = cv2.blur(self.trust, (5, 5))
        return trust * self.probs + (1 - trust) * probs


@dataclass(frozen=True)
class Track:
    """One object that the expression may mean."""

    #: Never changes.
    id: int
    #: (C,) float32, mean pixel features.
    appearance: np.ndarray
    #: (h, w) float32 at work size, its mask as probabilities; None while it is lost.
    probs: np.ndarray | None
    #: Its last candidate, carried by optical flow alone; None if it had none.
    flowed: FlowedMask | None
    #: (x, y) of its last mask, in pixels at work size.
    centre: tuple[float, float]
    #: Of its last mask, in pixels at work size.
    area: float
    #: [0, 1], of its mask on the last frame.
    quality: float = 0.0
    #: Its appearance memory; None if it has none.
    memory: ObjectMemory | None = None
    #: What a network of the hub remembers of it; None if no network carries its mask.
    network: NetworkMemory | None = None
    #: Candidates so far.
    candidates: int = 0
    #: Updates of its appearance memory.
    lessons: int = 0
    #: Frames since the last update.
    since_lesson: int = 0
    #: Candidates refused in a row.
    refused: int = 0
    #: Answers in a row without a candidate.
    missed: int = 0
    #: Frames since the last candidate.
    age: int = 0
    #: Frames for which it has been lost.
    away: int = 0
    #: Log-odds that it is the one meant, relative to the best track, which has 0.
    log_odds: float = 0.0
    #: The best history that ends with this track.
    path: Path = ()
    #: Fading mean of the likelihoods that the answers gave it.
    belief: Belief = field(default_factory=Belief)
    #: The user gave its mask: a candidate that differs much is refused.
    given: bool = False
    #: The user said that the target was absent while this track was visible: it is not the target.
    denied: bool = False

    def place(self, carried: np.ndarray | None, cut: bool) -> Place:
        """Where it is expected on the next frame. carried: its carried mask."""
        return Place(carried, self.appearance, None if cut else self.centre, self.area, self.away)


def new_track(track_id: int, region: Region) -> Track:
    """A track that begins with a region, and has no mask yet."""
    return Track(track_id, region.appearance, None, None, (0.0, 0.0), 0.0)


def most_likely_track(tracks: Sequence[Track]) -> Track | None:
    """The track most likely meant, the oldest of equals; None if there are none."""
    return max(tracks, key=lambda track: (track.log_odds, -track.id), default=None)


@dataclass(frozen=True)
class PlacedTrack:
    """A track on this frame, and its mask at frame size if that is known already."""

    track: Track
    #: (H, W) bool at frame size; None for a carried mask, which is computed at frame size only when it is shown.
    mask: np.ndarray | None = None
    #: It has a candidate, and nothing speaks against it.
    trusted: bool = False
    #: [0, 1], the likelihood that the answer gives it: that of its candidate, or of a region that contains it or is a
    #: part of it; None if there is no such region.
    answer_likelihood: float | None = None


class Follower:
    """Moves tracks from frame to frame; shared, and holds nothing that changes."""

    def __init__(self, config: FollowingConfig, objects: ObjectTracker) -> None:
        self.config = config
        self.objects = objects

    def carry(self, view: View, track: Track) -> np.ndarray | None:
        """(h, w) float32 at work size: the mask of a track carried by optical flow; None if the track is lost or leaves
        the image, and across a cut."""
        if track.probs is None or view.cut:
            return None
        probs = warp(track.probs, view.once(work_flow))
        return probs if probs.max() > 0.5 else None

    def carry_on(self, view: View, track: Track, carried: np.ndarray | None, taken: np.ndarray | None) -> PlacedTrack:
        """A track without a candidate on this frame.

        taken: (h, w) bool at work size, the candidates of the other tracks; None on a frame without an answer, and for
        a track whose mask the user gave.
        """
        if taken is not None:
            track = replace(track, missed=track.missed + 1)
        covered = carried is not None and taken is not None and share_inside(carried, taken) >= self.config.hidden
        if carried is None or track.probs is None or (covered and track.memory is None):
            return PlacedTrack(replace(track, probs=None, away=track.away + 1))
        if track.memory is None:
            return PlacedTrack(replace(self._moved(track, carried, self.config.good), age=track.age + 1))
        state = ObjectState(track.probs, track.memory)
        guess = self.objects.predict(view, state)
        if track.flowed is not None:
            flowed = track.flowed.warped(view, math.exp(-1 / self.config.flow_frames) if track.age else 1.0)
            guess = replace(guess, probs=flowed.blended_with(guess.probs))
            track = replace(track, flowed=flowed)
        least = self.config.seen if covered else self.config.lost
        if guess.quality < least or not (guess.probs > 0.5).any():
            return PlacedTrack(replace(track, probs=None, away=track.away + 1))
        memory = self.objects.update(view, state, guess).memory
        return PlacedTrack(replace(self._moved(track, guess.probs, guess.quality), memory=memory, age=track.age + 1))

    def with_context(self, placed: PlacedTrack, regions: Sequence[Region]) -> PlacedTrack:
        """A track without a candidate, given the regions that contain it or are a part of it: the highest likelihood of
        these counts for the track. The likeliest containing region becomes its mask, if that is likely meant and not
        too large to be a whole. A track whose mask the user gave is left as it is.

        regions: those of the frame.
        """
        c, probs = self.config, placed.track.probs
        if probs is None or placed.track.given:
            return placed
        own = probs > 0.5
        px = np.count_nonzero(own)
        around = [r for r in regions if share_inside(probs, r.core) >= c.hidden]
        parts = [
            r for r in regions if share_inside(r.soft, own) >= c.hidden and px <= c.whole * np.count_nonzero(r.core)
        ]
        wholes = [r for r in around if r.likelihood >= c.likely and np.count_nonzero(r.core) <= c.whole * px]
        whole = max(wholes, key=lambda region: region.likelihood, default=None)
        answer_likelihood = max((region.likelihood for region in (*around, *parts)), default=None)
        return replace(placed, mask=None if whole is None else whole.mask, answer_likelihood=answer_likelihood)

    def with_candidate(self, view: View, track: Track, carried: np.ndarray | None, region: Region) -> PlacedTrack:
        """A track that has a candidate on this frame. carried: its carried mask, or None; region: the candidate."""
        differing = None if carried is None else self._differing(track, carried, region)
        # After frames without a candidate the carried mask may well be off.
        trusted = carried is not None and (differing is None or (track.age > 0 and not track.refused))
        track = replace(
            track,
            appearance=track.appearance + self.config.appearance_rate * (region.appearance - track.appearance),
            candidates=track.candidates + 1,
            missed=0,
            away=0,
        )
        if carried is not None and differing is not None and self._is_refused(view, track, region, differing):
            refused = self.carry_on(view, replace(track, refused=track.refused + 1), carried, None)
            return replace(refused, answer_likelihood=region.likelihood)
        flowed = FlowedMask(region.soft, np.ones_like(region.soft))
        track = replace(track, refused=0, flowed=flowed, age=0)
        if carried is None or region.quality >= self.config.good:
            return PlacedTrack(self._moved(track, region.soft, region.quality), region.mask, trusted, region.likelihood)
        mixed = region.quality * region.soft + (1 - region.quality) * carried
        soft = mixed if (mixed > 0.5).any() else region.soft
        return PlacedTrack(self._moved(track, soft, region.quality), answer_likelihood=region.likelihood)

    def with_user_mask(self, view: View, track: Track, region: Region) -> PlacedTrack:
        """A track whose mask on this frame the user gave. region: one with that mask. At the first such mask the
        appearance memory starts anew, since what it has learned may be of another object."""
        assert region.mask is not None
        if track.given and track.memory is not None:
            state = self.objects.renew(view, ObjectState(region.soft, track.memory), region.mask)
        else:
            state = self.objects.begin(view, region.mask)
        track = replace(
            track,
            appearance=region.appearance,
            flowed=FlowedMask(region.soft, np.ones_like(region.soft)),
            memory=state.memory,
            candidates=max(track.candidates + 1, self.config.least_candidates),
            lessons=track.lessons + 1,
            refused=0,
            missed=0,
            age=0,
            given=True,
            denied=False,
        )
        return PlacedTrack(replace(self._moved(track, region.soft, 1.0), since_lesson=0), region.mask, trusted=True)

    def prune(self, tracks: Sequence[Track]) -> tuple[Track, ...]:
        """The tracks that are kept, by rising id: at most `most_tracks`, those with a mask first, then those most
        likely meant."""
        going_on = [track for track in tracks if track.given or not self._is_over(track)]
        ranked = sorted(going_on, key=lambda t: (t.probs is None, -t.log_odds, t.away, t.id))
        best, first = ranked[: self.config.most_tracks], most_likely_track(going_on)
        if first is not None and first not in best:
            best[-1] = first
        return tuple(sorted(best, key=lambda track: track.id))

    def _is_over(self, track: Track) -> bool:
        """It was lost for too long; it is denied and lost; or it had few candidates, and none in as many answers since:
        an error of the image model."""
        c = self.config
        is_fault = track.candidates < c.least_candidates and track.missed >= c.least_candidates
        return track.away > c.forget or is_fault or (track.denied and track.probs is None)

    def mask(self, view: View, probs: np.ndarray) -> np.ndarray:
        """(H, W) bool at frame size: the carried mask, its boundary moved to the nearest edge of the image."""
        return snap_to_edges(view, probs)

    def update_memory(self, view: View, placed: PlacedTrack, region: Region) -> PlacedTrack:
        """With an update of its appearance memory, if one is due: sooner if its candidate is trusted."""
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
        """(h, w) bool: where a candidate and the carried mask differ substantially; None if they agree."""
        before, now = carried > 0.5, region.core
        differing = _bulk(before ^ now, self.config.thin * math.sqrt(track.area))
        is_large = np.count_nonzero(differing) >= self.config.doubt * np.count_nonzero(before | now)
        return differing if is_large and differing.any() else None

    def _is_refused(self, view: View, track: Track, region: Region, differing: np.ndarray) -> bool:
        """Whether the appearance memory contradicts the candidate where it differs from the carried mask.

        After frames without a candidate the carried mask may be at fault, so a candidate that is likely meant is taken.
        For a track whose mask the user gave, every candidate that differs is refused.
        """
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
    """The parts of a difference (h, w) bool that are at least `width` pixels wide."""
    side = max(2, round(width))
    return cv2.morphologyEx(differing.astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0


def share_inside(carried: np.ndarray, taken: np.ndarray) -> float:
    """Share of a carried mask, (h, w) in [0, 1], that lies inside `taken`, (h, w) bool."""
    core = carried > 0.5
    return np.count_nonzero(core & taken) / max(1, np.count_nonzero(core))
