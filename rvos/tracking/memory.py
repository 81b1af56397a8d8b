"""The tracker `memory`: what the image model answers on a frame, weighed against its answers on all frames before.

Three things are remembered of an expression, and each mends another fault of single frames. What the model pointed at,
by appearance (`consensus`): an object that it misses once, or a part of it, is still known by its appearance. Where
tracks lie and how much spoke for each (`linking`): a look-alike does not win against a track with more evidence. And
whether the target is there at all: a filter over the calibrated presence of the frames. The regions of the map that
the first two give are the candidates; those that come near the one believed most are shown.

With a look-ahead the choice is late: regions wait, and are judged by what is believed of their tracks by then and by
the presence of the frames that followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import cv2
import numpy as np

from image_core.answer import MaskAnswer
from image_core.ranges import PositiveShare, Range, Share, Weight
from rvos.tracking.appearance import work_flow, work_picture, work_size
from rvos.tracking.box import Sizes, box_of, core_of
from rvos.tracking.consensus import (
    Classifier,
    ConsensusConfig,
    answer_examples,
    blank_classifier,
    lifted_picture,
    mask_examples,
)
from rvos.tracking.evidence import Evidence, read_evidence
from rvos.tracking.guided import FilterRadius, fast_guided_filter, snapped
from rvos.tracking.linking import LinkingConfig, TrackRegion, link, moved, parts_of
from rvos.tracking.pending import Choice, PendingFrame, TrackMask
from rvos.tracking.presence import PresenceModel
from rvos.tracking.track import BeliefModel, Status, Track
from rvos.tracking.tracker import Tracker, TrackerConfig
from rvos.types import FrameResult
from rvos.view.frame_view import View
from rvos.view.motion import warp

LOOKAHEAD = 12
"""Frames that the second of two passes looks ahead: by then the presence of later frames bears on a frame no more."""


@dataclass(frozen=True)
class MemoryConfig(TrackerConfig):
    """Every number of the tracker (ours; chosen on the validation split of the synthetic videos)."""

    #: Later frames that the answer to a frame waits for; with `both_ways`, 0 stands for 12.
    lookahead: Annotated[int, Range(0)] = 0
    #: The video is watched twice, the second time knowing how it goes on.
    both_ways: bool = False
    #: Presence from which on anything is shown, [0, 1].
    presence_threshold: Share = 0.5
    #: What the model's log-odds are divided by to be calibrated.
    temperature: Annotated[float, Range(0.01, 100)] = 1.5
    #: The largest log-odds of an answer that count.
    evidence_most: Weight = 4.0
    #: Log-odds that the appearance of what was answered adds at most.
    answer_weight: Weight = 8.0
    #: Log-odds that the belief in the track that lay here adds at most.
    belief_weight: Weight = 2.0
    #: Log-odds that the appearance of what was shown adds at most.
    mask_weight: Weight = 3.0
    #: What a frame without any presence still counts in the memory.
    unsure_weight: PositiveShare = 0.05
    #: What stays of the appearance of answers from one frame to the next.
    keep_answers: Share = 0.995
    #: What stays of the appearance of masks from one frame to the next.
    keep_masks: Share = 0.995
    #: Probability above which a pixel is of a candidate.
    candidate: Share = 0.4
    #: What is carried is never surer than this.
    edge: Annotated[float, Range(1e-6, 0.5)] = 0.02
    #: How far around what may be shown the appearance is compared, in its sizes: farther is too far anyway.
    near: Sizes = 0.6
    #: What distance from what is a candidate already costs, in log-odds by its size.
    distance_weight: Weight = 10.0
    #: Distance that costs nothing, in sizes of the candidate.
    distance_free: Sizes = 0.15
    #: Distance beyond which nothing more is added, in sizes of the candidate.
    distance_most: Sizes = 5.0
    #: Radius of the guided filter, in sizes of the candidate, ...
    filter_share: Sizes = 0.16
    #: ... but at least this, in pixels at work size, ...
    filter_least: FilterRadius = 5
    #: ... and at most this.
    filter_most: FilterRadius = 20
    #: How the two classifiers of appearance learn.
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)
    #: How regions become tracks.
    linking: LinkingConfig = field(default_factory=LinkingConfig)
    #: How the presence of frames adds up.
    presence: PresenceModel = field(default_factory=PresenceModel)
    #: How the evidence for a track adds up.
    belief: BeliefModel = field(default_factory=BeliefModel)
    #: Which tracks are meant.
    choice: Choice = field(default_factory=Choice)


@dataclass(frozen=True)
class MemoryState:
    """What is remembered of one expression on one video: arrays of a fixed size."""

    expression_index: int
    #: Appearance of what the image model answered.
    of_answers: Classifier = field(default_factory=blank_classifier)
    #: Appearance of what was shown, against its surroundings.
    of_masks: Classifier = field(default_factory=blank_classifier)
    tracks: tuple[Track, ...] = ()
    next_id: int = 1
    #: (h, w) float32 at work size, the map of the last frame; None before the first.
    probs: np.ndarray | None = None
    #: (h, w) int32, the id of the track at each pixel of `probs`, 0 for none.
    labels: np.ndarray | None = None
    log_odds: float = 0.0
    score: float = 0.0
    #: Frames since the image model last answered.
    unanswered: int = 0
    #: The frames that wait for their result.
    pending: tuple[PendingFrame, ...] = ()


class MemoryTracker(Tracker[MemoryState]):
    """Masks that last: see the module."""

    between_decodes = True
    config_type = MemoryConfig
    config: MemoryConfig

    def __init__(self, config: MemoryConfig | None = None) -> None:
        super().__init__(config)
        self.both_ways = self.config.both_ways
        self.lookahead = self.config.lookahead or (LOOKAHEAD if self.both_ways else 0)

    def start(self, expression_index: int) -> MemoryState:
        return MemoryState(expression_index, log_odds=self.config.presence.start)

    def prepare(self, view: View) -> None:
        view.once(lifted_picture)
        if view.before is not None and not view.cut:
            view.once(work_flow)

    def step(self, view: View, answer: MaskAnswer | None, state: MemoryState) -> tuple[FrameResult | None, MemoryState]:
        evidence = None if answer is None else read_evidence(view, answer, self.config.temperature)
        state = self._observed(view, evidence, state)
        labels = _blank(view) if state.labels is None else moved(view, state.labels)
        probs = self._map(view, evidence, labels, state)
        regions = parts_of(probs, self.config.candidate, self.config.linking)
        placed, lost = link(view, regions, labels, state.tracks, state.next_id, self.config.belief, self.config.linking)
        placed = self._judged(placed, evidence)
        frame = self._pending(view, evidence, probs, placed, state)
        state = replace(
            state,
            of_masks=self._learned(view, probs, placed, evidence, state.of_masks),
            tracks=tuple(sorted([one.track for one in placed] + lost, key=lambda t: t.id)),
            next_id=max([state.next_id, *(one.track.id + 1 for one in placed)]),
            probs=probs,
            labels=_painted(view, placed),
            pending=(*state.pending, frame),
        )
        if len(state.pending) <= self.lookahead:
            return None, state
        return self._result(state), replace(state, pending=state.pending[1:])

    def asks(self, state: MemoryState) -> bool:
        """Nothing of the expression has a place, as after a cut: it is sought after 1, 2, 4, 8, ... frames."""
        lost = not any(track.status is not Status.ABSENT for track in state.tracks)
        return lost and (state.unanswered & (state.unanswered + 1)) == 0

    def finish(self, state: MemoryState) -> list[FrameResult]:
        return [self._result(replace(state, pending=state.pending[waited:])) for waited in range(len(state.pending))]

    def again(self, state: MemoryState) -> MemoryState:
        """Nothing lies anywhere yet; what the expression means, and the appearance of its tracks, are known already."""
        return replace(
            self.start(state.expression_index),
            of_answers=state.of_answers,
            of_masks=state.of_masks,
            tracks=tuple(replace(track, status=Status.ABSENT, away=1) for track in state.tracks),
            next_id=state.next_id,
        )

    def _observed(self, view: View, evidence: Evidence | None, state: MemoryState) -> MemoryState:
        """The state with the answer of this frame in its memory."""
        c = self.config
        if evidence is None:
            return replace(state, log_odds=c.presence.step(state.log_odds, None), unanswered=state.unanswered + 1)
        weight = evidence.presence**2 + c.unsure_weight
        examples = answer_examples(view, evidence.logits, weight, c.consensus)
        return replace(
            state,
            of_answers=state.of_answers.learned(examples, c.keep_answers, c.consensus.ridge),
            log_odds=c.presence.step(state.log_odds, evidence.presence),
            score=evidence.score,
            unanswered=0,
        )

    def _map(self, view: View, evidence: Evidence | None, labels: np.ndarray, state: MemoryState) -> np.ndarray:
        """(h, w) float32: how likely each pixel is meant, borders at the edges of the picture."""
        c = self.config
        now = _carried(view, state.probs, c.edge) if evidence is None else evidence.logits
        logits = np.clip(now, -c.evidence_most, c.evidence_most) + c.answer_weight * state.of_answers.scores(view)
        for track in state.tracks:
            logits[labels == track.id] += c.belief_weight * (2 * c.belief.of(track) - 1)
        probs = self._smooth(view, logits, c.filter_least + 2)
        if not (probs > c.candidate).any() or not state.of_masks.theta.any():
            return probs
        return self._sharpened(view, probs, state.of_masks)

    def _sharpened(self, view: View, probs: np.ndarray, of_masks: Classifier) -> np.ndarray:
        """The map with what tells the shown from its surroundings, near what is a candidate already."""
        c = self.config
        core = core_of(probs)
        size = math.sqrt(np.count_nonzero(core)) + 4
        away = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5) / size
        near = box_of(core, round(c.near * size))
        logits = _log_odds(probs, c.edge) + c.mask_weight * of_masks.scores(view, near)
        logits -= c.distance_weight * np.clip(away - c.distance_free, 0, c.distance_most)
        return self._smooth(view, logits, round(min(max(c.filter_share * size, c.filter_least), c.filter_most)))

    def _smooth(self, view: View, logits: np.ndarray, radius: int) -> np.ndarray:
        soft = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return fast_guided_filter(view.once(work_picture), soft, radius, 1e-4)

    def _judged(self, placed: Sequence[TrackRegion], evidence: Evidence | None) -> list[TrackRegion]:
        """The regions with the evidence of this frame, and which of them are meant: all that come near the one believed
        most."""
        c = self.config
        if evidence is not None:
            weight = evidence.presence + c.unsure_weight
            placed = [
                replace(one, track=c.belief.observe(one.track, float(evidence.probs[one.region].mean()), weight))
                for one in placed
            ]
        meant = c.choice.of({one.track.id: c.belief.of(one.track) for one in placed})
        return [
            replace(one, track=replace(one.track, status=Status.PRESENT if one.track.id in meant else Status.UNCERTAIN))
            for one in placed
        ]

    def _learned(
        self,
        view: View,
        probs: np.ndarray,
        placed: Sequence[TrackRegion],
        evidence: Evidence | None,
        before: Classifier,
    ) -> Classifier:
        """What is shown joins the memory, by how sure the image model is that the target is there at all."""
        c = self.config
        shown = [one.region for one in placed if one.track.status is Status.PRESENT]
        if evidence is None or not shown:
            return before
        meant = np.logical_or.reduce(shown)
        weight = evidence.presence + c.unsure_weight
        examples = mask_examples(view, np.where(meant, probs, np.minimum(probs, 0.5)), weight, c.consensus)
        return before if examples is None else before.learned(examples, c.keep_masks, c.consensus.ridge)

    def _pending(
        self,
        view: View,
        evidence: Evidence | None,
        probs: np.ndarray,
        placed: Sequence[TrackRegion],
        state: MemoryState,
    ) -> PendingFrame:
        return PendingFrame(
            frame_index=view.frame.index,
            time_s=view.frame.time_s,
            size=view.frame.size,
            log_odds=state.log_odds,
            observed=None if evidence is None else evidence.presence,
            score=state.score,
            tracks=tuple(
                TrackMask(one.track.id, self.config.belief.of(one.track), _mask(view, probs, one.region))
                for one in placed
            ),
        )

    def _result(self, state: MemoryState) -> FrameResult:
        """That of the first frame that waits, by all that is known now."""
        c = self.config
        frame, *later = state.pending
        beliefs = {track.id: c.belief.of(track) for track in state.tracks}
        return frame.result(state.expression_index, c.choice, beliefs, later, c.presence, c.presence_threshold)


def _mask(view: View, probs: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(H, W) bool: one region of the map at frame size."""
    return snapped(view, np.where(region, probs, 0).astype(np.float32))


def _blank(view: View) -> np.ndarray:
    return np.zeros(work_size(view), np.int32)


def _painted(view: View, placed: Sequence[TrackRegion]) -> np.ndarray:
    labels = _blank(view)
    for one in placed:
        labels[one.region] = one.track.id
    return labels


def _carried(view: View, probs: np.ndarray | None, edge: float) -> np.ndarray:
    """Log-odds (h, w) that the map of the frame before gives this one: none on the first frame and across a cut."""
    if probs is None or view.cut:
        return np.zeros(work_size(view), np.float32)
    return _log_odds(warp(probs, view.once(work_flow)), edge)


def _log_odds(probs: np.ndarray, edge: float) -> np.ndarray:
    """probs: kept `edge` off 0 and 1."""
    kept = np.clip(probs, edge, 1 - edge)
    return np.log(kept / (1 - kept))
