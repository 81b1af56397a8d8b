"""The tracker `memory`: what the image model says of a frame, weighed against what the objects were before.

An expression owns tracks (0 .. `most_tracks`), each an object that the image model once pointed at. A track is followed
by its own memory (`ObjectTracker`), with the image model's evidence where the two agree. What the model says of the
places of all tracks adds up to a belief for each; the tracks that lead are shown, so that a look-alike elsewhere does
not win against a continuous track. A lost track is recognised by its appearance when the image model points at it
again. Whether anything is shown at all is decided apart, by a filter over the calibrated presence of the frames.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import cv2
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.tracking.evidence import Evidence, overlap, read_evidence
from rvos.tracking.object_tracker import ObjectGuess, ObjectTracker, ObjectTrackerSettings
from rvos.tracking.presence import PresenceModel
from rvos.tracking.track import BeliefModel, Status, Thresholds, Track, said_of, touching
from rvos.tracking.tracker import Tracker
from rvos.types import FrameResult
from rvos.view import View


@dataclass(frozen=True)
class MemorySettings:
    """Every number of the tracker (readings; chosen on the validation split of the synthetic videos).

    temperature: what raw mask logits are divided by to be log-odds; evidence_weight, evidence_most: how much of them
    counts where image model and track agree, and the largest log-odds of a pixel; claimed_share: part of a region that
    a track must cover to own it; return_similarity, return_weight: when a region is a lost track, and what of it joins
    the memory; lead: how far in belief a track may lie behind the one believed most and still be shown; loyalty: what
    a track that was shown has ahead; same: overlap (IoU) at which two tracks are one; most_tracks: of one expression.
    """

    temperature: float = 1.5
    evidence_weight: float = 4.0
    evidence_most: float = 4.0
    claimed_share: float = 0.4
    return_similarity: float = 0.1
    return_weight: float = 0.3
    lead: float = 0.35
    loyalty: float = 0.1
    same: float = 0.6
    most_tracks: int = 4
    presence: PresenceModel = field(default_factory=PresenceModel)
    thresholds: Thresholds = field(default_factory=Thresholds)
    belief: BeliefModel = field(default_factory=BeliefModel)
    objects: ObjectTrackerSettings = field(default_factory=lambda: ObjectTrackerSettings(first_share=0.5))


@dataclass(frozen=True)
class MemoryState:
    """What is remembered of one expression on one video."""

    expression_index: int
    tracks: tuple[Track, ...] = ()
    next_id: int = 1
    log_odds: float = 0.0
    score: float = 0.0


@dataclass(frozen=True)
class Followed:
    """A track on this frame: its guess when it has a place, and what the image model said of that place."""

    track: Track
    guess: ObjectGuess | None
    said: float = 0.0


class MemoryTracker(Tracker[MemoryState]):
    """Masks that last: see the module."""

    between_decodes = True

    def __init__(self, postprocess: Postprocessor, settings: MemorySettings | None = None) -> None:
        super().__init__(postprocess)
        self.settings = settings or MemorySettings()
        self.objects = ObjectTracker(self.settings.objects)

    def start(self, expression_index: int) -> MemoryState:
        return MemoryState(expression_index, log_odds=self.settings.presence.start)

    def step(
        self, view: View, prediction: Prediction | None, features: ImageFeatures | None, state: MemoryState
    ) -> tuple[FrameResult, MemoryState]:
        evidence = None
        if prediction is not None and features is not None:
            evidence = read_evidence(view, prediction, features, self.postprocess, self.settings.temperature)
        followed = [self._follow(view, track, evidence) for track in state.tracks]
        followed = self._distinct(followed)
        next_id = state.next_id
        if evidence is not None:
            followed, next_id = self._noticed(view, evidence, followed, next_id)
        log_odds = self.settings.presence.step(state.log_odds, None if evidence is None else evidence.presence)
        score = state.score if evidence is None else evidence.score
        tracks = self._chosen([f.track for f in followed])
        after = MemoryState(state.expression_index, tuple(tracks), next_id, log_odds, score)
        shown = self._shown([replace(f, track=t) for f, t in zip(followed, tracks, strict=True)])
        return self._result(view, after, shown), after

    def _follow(self, view: View, track: Track, evidence: Evidence | None) -> Followed:
        s = self.settings
        if not track.live:
            return Followed(s.belief.forget(replace(track, away=track.away + 1)), None)
        extra = None
        if evidence is not None:
            place = track.core.probs > 0.5
            agreement = overlap(touching(place, evidence), place)
            limited = np.clip(evidence.logits, -s.evidence_most, s.evidence_most)
            extra = (s.evidence_weight * agreement * limited).astype(np.float32)
        guess = self.objects.predict(view, track.core, extra)
        track = s.thresholds.after(track, guess.quality)
        if not track.live:
            return Followed(s.belief.forget(track), None)
        write = track.status is Status.PRESENT and guess.quality > s.thresholds.write
        track = replace(track, core=self.objects.update(view, track.core, guess, write))
        if evidence is None:
            return Followed(track, guess)
        said = said_of(guess, evidence)
        return Followed(s.belief.hear(track, said), guess, said)

    def _distinct(self, followed: Sequence[Followed]) -> list[Followed]:
        """Of two tracks that have come to lie on the same pixels, the one that is believed less ends."""
        kept: list[Followed] = []
        for one in sorted(followed, key=lambda f: (-f.track.chosen, -self.settings.belief.of(f.track), f.track.id)):
            twin = one.guess is not None and any(
                other.guess is not None and overlap(one.guess.probs > 0.5, other.guess.probs > 0.5) > self.settings.same
                for other in kept
            )
            if not twin:
                kept.append(one)
        return sorted(kept, key=lambda f: f.track.id)

    def _noticed(
        self, view: View, evidence: Evidence, followed: list[Followed], next_id: int
    ) -> tuple[list[Followed], int]:
        """Regions that no track lies on: a lost track that came back, or a new one."""
        s = self.settings
        places = [f.guess.probs > 0.5 for f in followed if f.guess is not None]
        for region in evidence.regions:
            area = np.count_nonzero(region)
            if any(np.count_nonzero(region & place) > s.claimed_share * area for place in places):
                continue
            mask = _at_frame_size(region, view)
            if not mask.any():
                continue
            said = float(evidence.probs[region].mean())
            back = self._recognised(view, mask, followed)
            if back is not None:
                core = self.objects.renew(view, followed[back].track.core, mask, s.return_weight)
                track = replace(followed[back].track, core=core, status=Status.UNCERTAIN, low=0, away=0)
                followed[back] = self._placed(s.belief.hear(track, said), said)
            else:
                core = self.objects.begin(view, mask)
                followed.append(self._placed(Track(next_id, core, said, 1.0), said))
                next_id += 1
            places.append(region)
        return self._within_limit(followed), next_id

    def _recognised(self, view: View, mask: np.ndarray, followed: Sequence[Followed]) -> int | None:
        """Position of the lost track that a region looks like most, None where it looks like none of them."""
        likeness = {
            i: self.objects.similarity(view, f.track.core, mask) for i, f in enumerate(followed) if not f.track.live
        }
        best = max(likeness, key=lambda i: likeness[i], default=None)
        return best if best is not None and likeness[best] > self.settings.return_similarity else None

    def _placed(self, track: Track, said: float) -> Followed:
        probs = track.core.probs
        return Followed(track, ObjectGuess(probs, 1.0, float((probs > 0.5).mean())), said)

    def _within_limit(self, followed: list[Followed]) -> list[Followed]:
        belief = self.settings.belief
        kept = sorted(followed, key=lambda f: (-f.track.chosen, -belief.of(f.track)))[: self.settings.most_tracks]
        return sorted(kept, key=lambda f: f.track.id)

    def _chosen(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks, told which of them are meant: all that come near the one believed most, lost ones counted.

        Beside a track that was shown, one that was pointed at only once has to wait.
        """
        s = self.settings
        proven = any(t.chosen for t in tracks)
        beliefs = [s.belief.of(t) + s.loyalty * t.chosen for t in tracks]
        least = max(beliefs, default=0.0) - s.lead
        return [
            replace(t, chosen=belief >= least and (t.chosen or t.heard > 1 or not proven))
            for t, belief in zip(tracks, beliefs, strict=True)
        ]

    def _shown(self, followed: Sequence[Followed]) -> dict[int, ObjectGuess]:
        """Of the chosen tracks those that the image model points at now, and those that are believed more than they."""
        belief = self.settings.belief
        chosen = [(f, f.guess) for f in followed if f.track.chosen and f.guess is not None]
        most = max((belief.of(f.track) for f, _ in chosen if f.said > 0.5), default=0.0)
        return {f.track.id: guess for f, guess in chosen if f.said > 0.5 or belief.of(f.track) > most}

    def _result(self, view: View, state: MemoryState, shown: dict[int, ObjectGuess]) -> FrameResult:
        presence = 1 / (1 + math.exp(-state.log_odds))
        masks = {}
        if presence >= self.postprocess.presence_threshold:
            masks = {i: mask for i, guess in shown.items() if (mask := self.objects.mask(view, guess)).any()}
        mask = np.any(list(masks.values()), axis=0) if masks else np.zeros(view.frame.size, dtype=bool)
        return FrameResult(
            frame_index=view.frame.index,
            time_s=view.frame.time_s,
            expression_index=state.expression_index,
            mask=mask,
            score=state.score,
            presence=presence,
            track_masks=masks,
        )

    def snapshot(self, state: MemoryState) -> bytes:
        header = {f.name: getattr(state, f.name) for f in fields(state) if f.name != "tracks"}
        header["tracks"] = [{f.name: getattr(t, f.name) for f in fields(t) if f.name != "core"} for t in state.tracks]
        parts = {str(i): self.objects.snapshot(track.core) for i, track in enumerate(state.tracks)}
        parts["header"] = json.dumps(header).encode()
        return safetensors.numpy.save({name: np.frombuffer(data, np.uint8) for name, data in parts.items()})

    def restore(self, data: bytes) -> MemoryState:
        try:
            parts = {name: array.tobytes() for name, array in safetensors.numpy.load(data).items()}
            header = json.loads(parts["header"])
            tracks = tuple(
                Track(core=self.objects.restore(parts[str(i)]), **{**values, "status": Status(values["status"])})
                for i, values in enumerate(header.pop("tracks"))
            )
            return MemoryState(tracks=tracks, **header)
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"tracker 'memory': damaged state ({error!r})") from error


def _at_frame_size(region: np.ndarray, view: View) -> np.ndarray:
    height, width = view.frame.size
    return cv2.resize(region.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
