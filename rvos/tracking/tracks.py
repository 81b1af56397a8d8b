"""The tracker `tracks`: turns candidates into tracks, carries their masks, and decides which tracks are meant.

On a frame with an answer the regions of the answer are assigned to tracks (`association`); the other tracks are carried
on (`following`). Each answer gives a likelihood for every track; these add up along the best history (`meaning`).
Whether the target is there at all is a fading mean of the presence of the answers (`presence`).

Which track is meant does not change where the tracks are. So a look-ahead and the second of two passes see the same
tracks with the same ids, and use later frames only to choose among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np

from image_core.answer import MaskAnswer
from image_core.identity import ModelIdentity, name_of
from image_core.language.motion import TimedExpression
from image_core.ranges import Range, Share
from rvos.tracking.association import AssociationConfig, assign
from rvos.tracking.belief.meaning import Claim, MeaningConfig, chosen, track_at
from rvos.tracking.belief.presence import PresenceAverage, PresenceConfig
from rvos.tracking.belief.presence_levels import DEFAULT_THRESHOLD, presence_threshold_for
from rvos.tracking.carrying.appearance import work_flow, work_size
from rvos.tracking.carrying.lifted import lifted
from rvos.tracking.carrying.object_tracker import ObjectTracker, ObjectTrackerConfig
from rvos.tracking.deciding.album import Album, seen_tracks
from rvos.tracking.deciding.building import DEFAULT, DecidingConfig, build_decider
from rvos.tracking.deciding.decider import Decider, check_both_ways
from rvos.tracking.deciding.decision import Decision
from rvos.tracking.following import Follower, FollowingConfig, PlacedTrack, Track, most_likely_track, new_track
from rvos.tracking.maps.steadying import AnswerMap, MapMemory, Steadier, SteadyingConfig
from rvos.tracking.motion.motion_scorer import MotionScorer, MotionScorerConfig
from rvos.tracking.regions import Region, RegionsConfig, region_of_mask, regions_of_candidates, regions_of_map
from rvos.tracking.track_evidence import NO_TRACK, add_evidence, apply_correction, deny_visible, keep_choice, open_share
from rvos.tracking.tracker import Tracker
from rvos.tracking.tracks_state import TracksState
from rvos.tracking.waiting import TrackMask, WaitingFrame, observed_after
from rvos.types import FrameResult
from rvos.view.frame_view import View

if TYPE_CHECKING:
    from image_core.device_names import Precision


@dataclass(frozen=True)
class TracksConfig(DecidingConfig):
    """Every number of the tracker (ours)."""

    #: Number of later frames that the result of a frame waits for, and uses.
    lookahead: Annotated[int, Range(0)] = 0
    #: Share of visible targets for which a mask is to be shown. It selects the presence threshold, as measured on
    #: validation videos for the models of this project; other models use 0.5.
    wanted_t_acc: Share = 0.95
    #: A mask is shown if the presence is at least this; overrides `wanted_t_acc`.
    presence_threshold: Share | None = None
    #: How answers become regions.
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    #: How the maps of dense models are made steady.
    steadying: SteadyingConfig = field(default_factory=SteadyingConfig)
    #: How regions are assigned to tracks.
    association: AssociationConfig = field(default_factory=AssociationConfig)
    #: How tracks are followed.
    following: FollowingConfig = field(default_factory=FollowingConfig)
    #: How masks are carried.
    carrying: ObjectTrackerConfig = field(default_factory=ObjectTrackerConfig)
    #: Which track is meant.
    meaning: MeaningConfig = field(default_factory=MeaningConfig)
    #: How motion decides, if the expression speaks of it.
    motion: MotionScorerConfig = field(default_factory=MotionScorerConfig)
    #: How the presence of the answers is averaged.
    presence: PresenceConfig = field(default_factory=PresenceConfig)

    def for_model(self, model: ModelIdentity | None) -> Self:
        """With the presence threshold for `wanted_t_acc`, unless a threshold was given."""
        if self.presence_threshold is not None:
            return self
        return replace(self, presence_threshold=presence_threshold_for(model, self.wanted_t_acc))


class TracksTracker(Tracker[TracksState]):
    """The tracker `tracks`: see the module."""

    between_decodes = True
    config_type = TracksConfig
    config: TracksConfig

    def __init__(self, config: TracksConfig | None = None, decider: Decider | None = None) -> None:
        """decider: decides which tracks are meant, and needs `both_ways`; None if the answers decide. Raises
        `ConfigError` without `both_ways`, `ValueError` if the config names a decider and none is given."""
        super().__init__(config)
        self.both_ways = self.config.both_ways
        self.lookahead = self.config.lookahead
        if decider is None and self.config.decider != DEFAULT:
            raise ValueError(f"TracksTracker: expected a decider '{self.config.decider}', got none: use from_config")
        self._decider = decider
        if decider is not None:
            check_both_ways(type(decider).__name__, self.both_ways)
        self._follower = Follower(self.config.following, ObjectTracker(self.config.carrying))
        self._steadier = Steadier(self.config.steadying)
        self._motion_scorer = MotionScorer(self.config.motion, self.config.meaning)

    @classmethod
    def from_config(cls, config: TracksConfig, device: str, precision: Precision) -> Self:
        return cls(config, build_decider(config, device, precision))

    def load(self) -> None:
        if self._decider is not None:
            self._decider.load()

    def document(self) -> dict[str, Any]:
        if self._decider is None:
            return super().document()
        decided_by = {"class": name_of(type(self._decider)), **self._decider.document()}
        return {**super().document(), "decided_by": decided_by}

    def decision_document(self, state: TracksState) -> dict[str, Any] | None:
        return None if state.decision is None else state.decision.document()

    def question(self, expression: TimedExpression, draws_candidates: bool) -> str:
        return expression.still if draws_candidates else expression.candidate_query

    def start(self, expression_index: int, expression: TimedExpression) -> TracksState:
        return TracksState(expression_index, expression, album=None if self._decider is None else Album())

    def prepare(self, view: View) -> None:
        view.once(lifted)
        if view.before is not None and not view.cut:
            view.once(work_flow)

    def step(self, view: View, answer: MaskAnswer | None, state: TracksState) -> tuple[FrameResult | None, TracksState]:
        return self.steps(view, [answer], [state])[0]

    def steps(
        self, view: View, answers: Sequence[MaskAnswer | None], states: Sequence[TracksState]
    ) -> list[tuple[FrameResult | None, TracksState]]:
        answer_maps = self._answer_maps(view, answers, states)
        return [
            self._finish_step(view, answer, *self._place_tracks(view, answer, one, state))
            for answer, one, state in zip(answers, answer_maps, states, strict=True)
        ]

    def _answer_maps(
        self, view: View, answers: Sequence[MaskAnswer | None], states: Sequence[TracksState]
    ) -> list[AnswerMap | None]:
        """For each answer its map, which the memory has learned from; None if it has no map."""
        pairs = zip(answers, states, strict=True)
        with_map = [(a, state.maps or MapMemory()) for a, state in pairs if a is not None and a.map is not None]
        answer_maps = iter(self._steadier.learn_answers(view, *zip(*with_map, strict=True)) if with_map else ())
        return [next(answer_maps) if answer is not None and answer.map is not None else None for answer in answers]

    def _place_tracks(
        self, view: View, answer: MaskAnswer | None, answer_map: AnswerMap | None, state: TracksState
    ) -> tuple[list[PlacedTrack], TracksState]:
        """The tracks on this frame. answer_map: the map of the answer, if it has one."""
        if view.cut:  # the presence in the old scene says nothing about the new one
            state = replace(state, presence=PresenceAverage())
        carried = {track.id: self._follower.carry(view, track) for track in state.tracks}
        if answer is None:
            placed = [self._follower.carry_on(view, track, carried[track.id], None) for track in state.tracks]
            return placed, replace(state, unanswered=state.unanswered + 1)
        return self._place_with_answer(view, answer, answer_map, carried, state)

    def corrected(
        self, view: View, mask: np.ndarray | None, answer: MaskAnswer | None, state: TracksState
    ) -> tuple[FrameResult | None, TracksState]:
        if mask is None:
            return self._step_denied(view, answer, state)
        if view.cut:
            state = replace(state, presence=PresenceAverage())
        carried = {track.id: self._follower.carry(view, track) for track in state.tracks}
        region, known = region_of_mask(view, mask), state.tracks
        owner = assign([t.place(carried[t.id], view.cut) for t in known], [region], self.config.association).get(0)
        track = new_track(state.next_id, region) if owner is None else known[owner]
        placed = [self._follower.with_user_mask(view, track, region)]
        for other in (replace(other, given=False) for other in known if other.id != track.id):
            placed.append(self._follower.carry_on(view, other, carried[other.id], region.core))
        placed = apply_correction(view.frame.index, placed, track.id, known, self.config.meaning)
        state = replace(state, given=track.id, next_id=max(state.next_id, track.id + 1))
        return self._finish_step(view, None, placed, state)

    def _step_denied(
        self, view: View, answer: MaskAnswer | None, state: TracksState
    ) -> tuple[FrameResult | None, TracksState]:
        """A step on a frame on which the user said that the target is absent: every track on it is denied."""
        known = tuple(replace(track, given=False) for track in state.tracks)
        state = replace(state, tracks=known, given=None)
        (answer_map,) = self._answer_maps(view, [answer], [state])
        placed, state = self._place_tracks(view, answer, answer_map, state)
        placed = deny_visible(view.frame.index, placed, known, self.config.meaning)
        absent = PresenceAverage().after(0.0, 0.0, self.config.presence)
        result, state = self._finish_step(view, answer, placed, replace(state, given=NO_TRACK, presence=absent))
        return result, replace(state, given=None)

    def _finish_step(
        self, view: View, answer: MaskAnswer | None, placed: Sequence[PlacedTrack], state: TracksState
    ) -> tuple[FrameResult | None, TracksState]:
        """The end of a step, once all tracks have their places on the frame."""
        tracks = [one.track for one in placed]
        state = replace(state, motion=self._motion_scorer.update(view, tracks, state.expression, state.motion))
        if state.album is not None:
            state = replace(state, album=state.album.after(view, seen_tracks(placed), self.config.album))
        state = replace(state, tracks=self._follower.prune(tracks))
        state = replace(state, waiting=(*state.waiting, self._waiting_frame(view, answer, placed, state)))
        if len(state.waiting) <= self.lookahead:
            return None, state
        return self._result(state), replace(state, waiting=state.waiting[1:])

    def needs_answer(self, state: TracksState) -> bool:
        """If no track has a place, as after a cut: on the frames 1, 2, 4, 8, ... after the last answer."""
        lost = not any(track.probs is not None for track in state.tracks)
        return lost and (state.unanswered & (state.unanswered + 1)) == 0

    def finish(self, state: TracksState) -> list[FrameResult]:
        return [self._result(replace(state, waiting=state.waiting[waited:])) for waited in range(len(state.waiting))]

    def second_pass_state(self, state: TracksState) -> TracksState:
        """With the best history or the decision; the second pass finds the same tracks."""
        first, decision = most_likely_track(state.tracks), None
        if state.album is not None and self._decider is not None:
            album = state.album.settled(self.config.following.least_candidates)
            decision = self._decider.decide(state.expression.text, album)
        started = self.start(state.expression_index, state.expression)
        plan = () if first is None else first.path
        motion = self._motion_scorer.for_second_pass(state.expression, state.motion)
        return replace(started, plan=plan, album=None, decision=decision, motion=motion)

    def _place_with_answer(
        self,
        view: View,
        answer: MaskAnswer,
        answer_map: AnswerMap | None,
        carried: Mapping[int, np.ndarray | None],
        state: TracksState,
    ) -> tuple[list[PlacedTrack], TracksState]:
        """The tracks on a frame with an answer."""
        c = self.config
        steady, maps = None, None
        if answer_map is None:
            regions = regions_of_candidates(view, answer.candidates, c.regions)
        else:
            steady, maps = self._steadier.steady(view, answer_map), answer_map.memory
            regions = regions_of_map(view, steady, c.regions)
        known = state.tracks
        owners = assign([t.place(carried[t.id], view.cut) for t in known], regions, c.association)
        region_of = {known[owner].id: regions[position] for position, owner in owners.items()}
        new = [region for position, region in enumerate(regions) if position not in owners]
        placed = [
            self._follower.with_candidate(view, track, carried[track.id], region_of[track.id])
            for track in known
            if track.id in region_of
        ]
        drawn = [one.track.probs > 0.5 for one in placed if one.track.probs is not None]
        taken = np.logical_or.reduce([np.zeros(work_size(view), bool), *drawn])
        placed += [
            self._follower.with_context(
                self._follower.carry_on(view, track, carried[track.id], None if track.given else taken),
                regions,
            )
            for track in known
            if track.id not in region_of
        ]
        for next_id, region in enumerate(new, state.next_id):
            track = new_track(next_id, region)
            placed.append(self._follower.with_candidate(view, track, None, region))
            region_of[next_id] = region
        placed = add_evidence(view.frame.index, answer, steady, placed, known, c.meaning)
        if state.given is not None:
            placed = keep_choice(placed, state.given, known, c.meaning)
        placed = self._learn(view, placed, region_of)
        several = float(steady is not None or sum(region.likelihood >= 0.5 for region in regions) > 1)
        state = replace(
            state,
            next_id=state.next_id + len(new),
            presence=state.presence.after(answer.presence * open_share(placed), self._visibility(placed), c.presence),
            several=1.0 if steady is not None else state.several + c.meaning.several_rate * (several - state.several),
            score=answer.score,
            unanswered=0,
            maps=maps,
        )
        if steady is not None and maps is not None:
            shown = self._shown_to_memory([one.track for one in placed], view.frame.index, state)
            cores = [one.track.probs > 0.5 for one in placed if one.track.id in shown and one.track.probs is not None]
            if cores:
                meant = np.logical_or.reduce(cores)
                drawn_now = np.where(meant, steady.probs, np.minimum(steady.probs, 0.5)).astype(np.float32)
                maps = self._steadier.learned(view, drawn_now, answer.presence, maps)
        return placed, replace(state, maps=maps)

    def _learn(self, view: View, placed: Sequence[PlacedTrack], region_of: Mapping[int, Region]) -> list[PlacedTrack]:
        """With updated appearance memories: the tracks most likely meant have one, the others have none."""
        most = self.config.following.most_learned
        ranked = sorted(placed, key=lambda one: (-one.track.log_odds, one.track.id))
        taught = [
            self._follower.update_memory(view, one, region_of[one.track.id]) if one.track.id in region_of else one
            for one in ranked[:most]
        ]
        return taught + [replace(one, track=replace(one.track, memory=None, lessons=0)) for one in ranked[most:]]

    def _is_confirmed(self, track: Track, state: TracksState) -> bool:
        """Whether the last answer drew it, or several answers before: it is no error on a single frame."""
        return track.age <= state.unanswered or track.candidates >= self.config.following.least_candidates

    def _visibility(self, placed: Sequence[PlacedTrack]) -> float:
        """[0, 1], how well the track most likely meant is seen on this frame, whatever the answer says about it."""
        first = most_likely_track([one.track for one in placed if not one.track.denied])
        return 0.0 if first is None or first.probs is None or first.memory is None else first.quality

    def _waiting_frame(
        self, view: View, answer: MaskAnswer | None, placed: Sequence[PlacedTrack], state: TracksState
    ) -> WaitingFrame:
        """The frame with the masks of all tracks that may be shown on it."""
        claims = self._claims([one.track for one in placed], state)
        shown = set(claims) if self.lookahead else self._shown(claims, view.frame.index, state, state.decision)
        visible = [one for one in placed if one.track.id in shown]
        given = next((one.track for one in placed if one.track.id == state.given), None)
        return WaitingFrame(
            frame_index=view.frame.index,
            time_s=view.frame.time_s,
            size=view.frame.size,
            score=state.score if given is None else given.quality,
            presence=state.presence,
            observed=None if answer is None else answer.presence,
            observed_open=None if answer is None else answer.presence * open_share(placed),
            several=state.several,
            given=state.given,
            tracks=tuple(TrackMask(one.track.id, claims[one.track.id], self._mask(view, one)) for one in visible),
        )

    def _shown_to_memory(self, tracks: Sequence[Track], frame_index: int, state: TracksState) -> set[int]:
        """The ids of the tracks that the map's memory learns as shown: if motion decides, all that may yet be meant.
        Decisions are ignored, so that the tracks are the same on both passes over a video."""
        if state.expression.needs_motion:
            return {track.id for track in tracks if track.probs is not None}
        return self._shown(self._claims(tracks, state), frame_index, replace(state, tracks=tuple(tracks)), None)

    def _claims(self, tracks: Sequence[Track], state: TracksState) -> dict[int, Claim]:
        """Track id -> what speaks for showing it, for all tracks that have a place."""
        # A map also says where nothing is: a track that the last map did not contain is not there.
        oldest = math.inf if state.maps is None else state.unanswered
        there = [t for t in tracks if t.probs is not None and not t.denied and (t.given or t.age <= oldest)]
        return {
            t.id: Claim(t.log_odds, t.belief.value(self.config.meaning), is_sure=self._is_confirmed(t, state))
            for t in there
        }

    def _shown(
        self, claims: Mapping[int, Claim], frame_index: int, state: TracksState, decision: Decision | None
    ) -> set[int]:
        """The ids of the tracks that are shown on a frame, by what is known so far."""
        if state.given is not None:
            return claims.keys() & {state.given}
        believed = most_likely_track(state.tracks)
        first = track_at(state.plan or (() if believed is None else believed.path), frame_index)

        def by_evidence(claims: Mapping[int, Claim]) -> set[int]:
            able = {i: claim for i, claim in claims.items() if claim.is_sure or i == first}
            if state.expression.needs_motion:
                return self._motion_scorer.select(state.expression, state.motion, able, claims.keys() - able.keys())
            return chosen(able, first, state.several >= 0.5, self.config.meaning)

        return by_evidence(claims) if decision is None else decision.shown(claims, by_evidence)

    def _mask(self, view: View, placed: PlacedTrack) -> np.ndarray:
        """(H, W) bool at frame size."""
        if placed.mask is not None:
            return placed.mask
        assert placed.track.probs is not None
        return self._follower.mask(view, placed.track.probs)

    def _result(self, state: TracksState) -> FrameResult:
        """The result of the first waiting frame, by all that is known so far."""
        c = self.config
        frame, *later = state.waiting
        presence = frame.presence.smoothed(observed_after(later), c.presence)
        presence *= state.motion.presence_factor
        shown = {track.id for track in frame.tracks}
        if self.lookahead:
            claims = {track.id: track.claim for track in frame.tracks}
            then = replace(state, several=frame.several, given=frame.given)
            shown = self._shown(claims, frame.frame_index, then, state.decision)
        masks = {t.id: t.mask for t in frame.tracks if t.id in shown and t.mask.any()}
        if frame.given is not None or (state.decision is not None and not state.decision.is_open):
            presence = 1.0 if masks else 0.0  # an accepted track is present where it is seen
        if presence < (DEFAULT_THRESHOLD if c.presence_threshold is None else c.presence_threshold):
            masks = {}
        return FrameResult(
            frame_index=frame.frame_index,
            time_s=frame.time_s,
            expression_index=state.expression_index,
            mask=np.logical_or.reduce([np.zeros(frame.size, dtype=bool), *masks.values()]),
            score=frame.score,
            presence=presence,
            track_masks=masks,
        )
