"""The tracker `memory`: what the image model says of a frame, weighed against what it said of all frames before.

Three things are remembered of an expression, and each mends another fault of single frames. What the model pointed at,
by appearance (`consensus`): an object that it misses once, or a part of it, is still known by its looks. Where tracks
lie and how much spoke for each (`linking`): a look-alike does not win against a track that more was heard of. And
whether the target is there at all: a filter over the calibrated presence of the frames. The regions of the map that
the first two give are the candidates; those that come near the one believed most are shown.

With a look-ahead the choice is late: candidates wait, and are judged by what is believed of their tracks by then and by
the presence of the frames that followed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import cv2
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from image_core.errors import ConfigError
from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.tracking.appearance import work_flow, work_picture, work_size
from rvos.tracking.box import box_of, core_of
from rvos.tracking.consensus import (
    Classifier,
    ConsensusConfig,
    blank_classifier,
    examples_said,
    examples_shown,
    lifted_picture,
)
from rvos.tracking.evidence import Evidence, read_evidence
from rvos.tracking.guided import fast_guided_filter, snapped
from rvos.tracking.head import Sums
from rvos.tracking.linking import Linked, LinkingConfig, link, moved, parts_of
from rvos.tracking.moment import Candidate, Choice, Moment, moment_of
from rvos.tracking.presence import PresenceModel
from rvos.tracking.track import BeliefModel, Status, Track
from rvos.tracking.tracker import Tracker, TrackerConfig, check_share
from rvos.types import FrameResult
from rvos.view.frame_view import View
from rvos.view.motion import warp

LOOKAHEAD = 12
"""Frames that the second of two passes looks ahead: by then the presence of later frames bears on a frame no more."""


@dataclass(frozen=True)
class MemoryConfig(TrackerConfig):
    """Every number of the tracker `memory` (readings; chosen on the validation split of the synthetic videos).

    Raises `ConfigError` for a `lookahead` below 0 and a `presence_threshold` outside [0, 1].
    """

    lookahead: int = 0
    """Later frames that the answer to a frame waits for; with `both_ways`, 0 stands for `LOOKAHEAD`."""
    both_ways: bool = False
    """The video is watched twice, the second time knowing how it goes on."""
    presence_threshold: float = 0.5
    """Probability that the target is there from which on anything is shown."""
    temperature: float = 1.5
    """What raw mask logits are divided by to be log-odds."""
    evidence_most: float = 4.0
    """The largest log-odds that count."""
    said_weight: float = 8.0
    """Log-odds that the classifier of what the image model answered adds at most."""
    belief_weight: float = 2.0
    """The same of the belief in the track that lay here."""
    shown_weight: float = 3.0
    """The same of the classifier of what was shown."""
    unsure_weight: float = 0.05
    """What a frame without any presence still counts in the memory."""
    keep_said: float = 0.995
    """Share of what was answered that stays from one frame to the next."""
    keep_shown: float = 0.995
    """Share of what was shown that stays from one frame to the next."""
    candidate: float = 0.4
    """Probability above which a pixel is of a candidate."""
    edge: float = 0.02
    """What is carried is never surer than this."""
    near: float = 0.6
    """How far around what may be shown it is asked what looks like it, in its sizes: farther is too far anyway."""
    distance_weight: float = 10.0
    """Log-odds that distance from what is a candidate already takes away, per size of it."""
    distance_free: float = 0.15
    """Distance that takes nothing away, in sizes."""
    distance_most: float = 5.0
    """Distance beyond which no more is taken away, in sizes."""
    filter_share: float = 0.16
    """Radius of the guided filter, in sizes of what is a candidate."""
    filter_least: int = 5
    """The smallest such radius, in pixels at work size."""
    filter_most: int = 20
    """The largest such radius, in pixels at work size."""
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)
    linking: LinkingConfig = field(default_factory=LinkingConfig)
    presence: PresenceModel = field(default_factory=PresenceModel)
    belief: BeliefModel = field(default_factory=BeliefModel)
    choice: Choice = field(default_factory=Choice)

    def __post_init__(self) -> None:
        if self.lookahead < 0:
            raise ConfigError(f"tracker.lookahead: expected 0 or more frames, got {self.lookahead}")
        check_share("presence_threshold", self.presence_threshold)


@dataclass(frozen=True)
class MemoryState:
    """What is remembered of one expression on one video: arrays of a fixed size.

    probs: (h, w) float32 at work size, the map of the last frame; labels: (h, w) int32, the id of the track at each of
    its pixels, 0 for none. Both None before the first frame. unheard: frames since the image model was last
    heard; pending: the frames that wait for their answer.
    """

    expression_index: int
    said: Classifier = field(default_factory=blank_classifier)
    shown: Classifier = field(default_factory=blank_classifier)
    tracks: tuple[Track, ...] = ()
    next_id: int = 1
    probs: np.ndarray | None = None
    labels: np.ndarray | None = None
    log_odds: float = 0.0
    score: float = 0.0
    unheard: int = 0
    pending: tuple[Moment, ...] = ()


class MemoryTracker(Tracker[MemoryState]):
    """Masks that last: see the module."""

    between_decodes = True
    config_type = MemoryConfig
    config: MemoryConfig

    def __init__(self, postprocess: Postprocessor, config: MemoryConfig | None = None) -> None:
        super().__init__(postprocess, config)
        self.both_ways = self.config.both_ways
        self.lookahead = self.config.lookahead or (LOOKAHEAD if self.both_ways else 0)

    def start(self, expression_index: int) -> MemoryState:
        return MemoryState(expression_index, log_odds=self.config.presence.start)

    def prepare(self, view: View) -> None:
        view.once(lifted_picture)
        if view.before is not None and not view.cut:
            view.once(work_flow)

    def step(
        self, view: View, prediction: Prediction | None, features: ImageFeatures | None, state: MemoryState
    ) -> tuple[FrameResult | None, MemoryState]:
        evidence = None
        if prediction is not None and features is not None:
            evidence = read_evidence(view, prediction, features, self.postprocess, self.config.temperature)
        state = self._heard(view, evidence, state)
        labels = _blank(view) if state.labels is None else moved(view, state.labels)
        probs = self._map(view, evidence, labels, state)
        regions = parts_of(probs, self.config.candidate, self.config.linking)
        linked, lost = link(view, regions, labels, state.tracks, state.next_id, self.config.belief, self.config.linking)
        linked = self._judged(linked, evidence)
        moment = self._moment(view, evidence, probs, linked, state)
        state = replace(
            state,
            shown=self._seen(view, probs, linked, evidence, state.shown),
            tracks=tuple(sorted([one.track for one in linked] + lost, key=lambda t: t.id)),
            next_id=max([state.next_id, *(one.track.id + 1 for one in linked)]),
            probs=probs,
            labels=_painted(view, linked),
            pending=(*state.pending, moment),
        )
        if len(state.pending) <= self.lookahead:
            return None, state
        return self._answered(state), replace(state, pending=state.pending[1:])

    def asks(self, state: MemoryState) -> bool:
        """Nothing of the expression has a place, as after a cut: it is looked for after 1, 2, 4, 8, ... frames."""
        lost = not any(track.status is not Status.ABSENT for track in state.tracks)
        return lost and (state.unheard & (state.unheard + 1)) == 0

    def finish(self, state: MemoryState) -> list[FrameResult]:
        return [self._answered(replace(state, pending=state.pending[waited:])) for waited in range(len(state.pending))]

    def again(self, state: MemoryState) -> MemoryState:
        """Nothing lies anywhere yet; what the expression means, and its tracks by their looks, are known already."""
        return replace(
            self.start(state.expression_index),
            said=state.said,
            shown=state.shown,
            tracks=tuple(replace(track, status=Status.ABSENT, away=1) for track in state.tracks),
            next_id=state.next_id,
        )

    def _heard(self, view: View, evidence: Evidence | None, state: MemoryState) -> MemoryState:
        """The state with what the image model says of this frame in its memory."""
        s = self.config
        if evidence is None:
            return replace(state, log_odds=s.presence.step(state.log_odds, None), unheard=state.unheard + 1)
        weight = evidence.presence**2 + s.unsure_weight
        return replace(
            state,
            said=state.said.learned(
                examples_said(view, evidence.logits, weight, s.consensus), s.keep_said, s.consensus.ridge
            ),
            log_odds=s.presence.step(state.log_odds, evidence.presence),
            score=evidence.score,
            unheard=0,
        )

    def _map(self, view: View, evidence: Evidence | None, labels: np.ndarray, state: MemoryState) -> np.ndarray:
        """(h, w) float32: how likely each pixel is meant, borders at the edges of the picture."""
        s = self.config
        now = _carried(view, state.probs, s.edge) if evidence is None else evidence.logits
        logits = np.clip(now, -s.evidence_most, s.evidence_most) + s.said_weight * state.said.scores(view)
        for track in state.tracks:
            logits[labels == track.id] += s.belief_weight * (2 * s.belief.of(track) - 1)
        probs = self._smooth(view, logits, s.filter_least + 2)
        if not (probs > s.candidate).any() or not state.shown.theta.any():
            return probs
        return self._sharpened(view, probs, state.shown)

    def _sharpened(self, view: View, probs: np.ndarray, shown: Classifier) -> np.ndarray:
        """The map with what tells the shown from its surroundings, near what is a candidate already."""
        s = self.config
        core = core_of(probs)
        size = math.sqrt(np.count_nonzero(core)) + 4
        away = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5) / size
        near = box_of(core, round(s.near * size))
        logits = _log_odds(probs, s.edge) + s.shown_weight * shown.scores(view, near)
        logits -= s.distance_weight * np.clip(away - s.distance_free, 0, s.distance_most)
        return self._smooth(view, logits, round(min(max(s.filter_share * size, s.filter_least), s.filter_most)))

    def _smooth(self, view: View, logits: np.ndarray, radius: int) -> np.ndarray:
        soft = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return fast_guided_filter(view.once(work_picture), soft, radius, 1e-4)

    def _judged(self, linked: Sequence[Linked], evidence: Evidence | None) -> list[Linked]:
        """The candidates after what is said of them now, told which of them are meant: all that come near the one
        believed most."""
        s = self.config
        if evidence is not None:
            weight = evidence.presence + s.unsure_weight
            linked = [
                replace(one, track=s.belief.hear(one.track, float(evidence.probs[one.region].mean()), weight))
                for one in linked
            ]
        meant = s.choice.of({one.track.id: s.belief.of(one.track) for one in linked})
        return [
            replace(one, track=replace(one.track, status=Status.PRESENT if one.track.id in meant else Status.UNCERTAIN))
            for one in linked
        ]

    def _seen(
        self, view: View, probs: np.ndarray, linked: Sequence[Linked], evidence: Evidence | None, before: Classifier
    ) -> Classifier:
        """What is shown joins the memory, by how sure the image model is that the target is there at all."""
        s = self.config
        shown = [one.region for one in linked if one.track.status is Status.PRESENT]
        if evidence is None or not shown:
            return before
        meant = np.logical_or.reduce(shown)
        weight = evidence.presence + s.unsure_weight
        examples = examples_shown(view, np.where(meant, probs, np.minimum(probs, 0.5)), weight, s.consensus)
        return before if examples is None else before.learned(examples, s.keep_shown, s.consensus.ridge)

    def _moment(
        self, view: View, evidence: Evidence | None, probs: np.ndarray, linked: Sequence[Linked], state: MemoryState
    ) -> Moment:
        return Moment(
            frame_index=view.frame.index,
            time_s=view.frame.time_s,
            size=view.frame.size,
            log_odds=state.log_odds,
            seen=None if evidence is None else evidence.presence,
            score=state.score,
            candidates=tuple(
                Candidate(one.track.id, self.config.belief.of(one.track), _mask(view, probs, one.region))
                for one in linked
            ),
        )

    def _answered(self, state: MemoryState) -> FrameResult:
        """The result of the first frame that waits, by all that is known now."""
        s = self.config
        moment, *later = state.pending
        beliefs = {track.id: s.belief.of(track) for track in state.tracks}
        return moment.answer(state.expression_index, s.choice, beliefs, later, s.presence, s.presence_threshold)

    def snapshot(self, state: MemoryState) -> bytes:
        arrays = {
            "said.gram": state.said.sums.gram,
            "said.target": state.said.sums.target,
            "said.theta": state.said.theta,
            "shown.gram": state.shown.sums.gram,
            "shown.target": state.shown.sums.target,
            "shown.theta": state.shown.theta,
        }
        if state.probs is not None and state.labels is not None:
            arrays |= {"probs": state.probs, "labels": state.labels}
        arrays |= {f"look.{track.id}": track.look for track in state.tracks}
        moments = [moment.document() for moment in state.pending]
        arrays |= {f"pending.{n}.{i}": mask for n, (_, masks) in enumerate(moments) for i, mask in masks.items()}
        header = {
            "expression_index": state.expression_index,
            "next_id": state.next_id,
            "log_odds": state.log_odds,
            "score": state.score,
            "unheard": state.unheard,
            "tracks": [{k: v for k, v in asdict(track).items() if k != "look"} for track in state.tracks],
            "pending": [moment for moment, _ in moments],
        }
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    def restore(self, data: bytes) -> MemoryState:
        try:
            arrays = safetensors.numpy.load(data)
            header = json.loads(arrays["header"].tobytes())
            tracks = tuple(
                Track(look=arrays[f"look.{values['id']}"], **{**values, "status": Status(values["status"])})
                for values in header.pop("tracks")
            )
            said, shown = (
                Classifier(Sums(arrays[f"{name}.gram"], arrays[f"{name}.target"]), arrays[f"{name}.theta"])
                for name in ("said", "shown")
            )
            pending = tuple(
                moment_of(moment, _under(arrays, f"pending.{n}.")) for n, moment in enumerate(header.pop("pending"))
            )
            return MemoryState(
                said=said,
                shown=shown,
                tracks=tracks,
                probs=arrays.get("probs"),
                labels=arrays.get("labels"),
                pending=pending,
                **header,
            )
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"tracker 'memory': damaged state ({error!r})") from error


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _mask(view: View, probs: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(H, W) bool: one region of the map at frame size."""
    return snapped(view, np.where(region, probs, 0).astype(np.float32))


def _blank(view: View) -> np.ndarray:
    return np.zeros(work_size(view), np.int32)


def _painted(view: View, linked: Sequence[Linked]) -> np.ndarray:
    labels = _blank(view)
    for one in linked:
        labels[one.region] = one.track.id
    return labels


def _carried(view: View, probs: np.ndarray | None, edge: float) -> np.ndarray:
    """Log-odds (h, w) that the map of the frame before gives this one: none on the first frame and across a cut."""
    if probs is None or view.cut:
        return np.zeros(work_size(view), np.float32)
    return _log_odds(warp(probs, view.once(work_flow)), edge)


def _log_odds(probs: np.ndarray, edge: float) -> np.ndarray:
    kept = np.clip(probs, edge, 1 - edge)
    return np.log(kept / (1 - kept))
