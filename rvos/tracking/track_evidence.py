"""What an answer says about each track: evidence that it is the one meant, and that it is among several meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from image_core.answer import MaskAnswer
from rvos.tracking.belief.meaning import MIN_LIKELIHOOD, History, MeaningConfig, Path, likelihood, viterbi_step
from rvos.tracking.following import PlacedTrack, Track, most_likely_track
from rvos.tracking.maps.steadying import SteadyMap

NO_TRACK = 0
"""The id of no track. It stands in a history where the user said that the target is absent."""


def add_evidence(
    frame_index: int,
    answer: MaskAnswer,
    steady: SteadyMap | None,
    placed: Sequence[PlacedTrack],
    known: Sequence[Track],
    config: MeaningConfig,
) -> list[PlacedTrack]:
    """The tracks, with log-odds, history and belief updated by the answer of a frame.

    steady: the steady map of the answer, if it has one; placed: all tracks on the frame; known: the tracks of the frame
    before. Denied tracks are left as they are.
    """
    likelihoods = {one.track.id: one.answer_likelihood for one in placed}
    if steady is not None:
        for track in (one.track for one in placed):
            if track.probs is not None:
                likelihoods[track.id] = float(np.average(steady.answered, weights=track.probs))
    open_ones = [one.track.id for one in placed if not one.track.denied]
    values = {i: likelihood(answer.presence, likelihoods[i], config) for i in open_ones}
    before = {track.id: History(track.log_odds, track.path) for track in known if not track.denied}
    if not before and known:
        before = {NO_TRACK: History(0.0, known[0].path)}
    after = viterbi_step(before, values, frame_index, config)
    weight = answer.presence + config.unsure_weight
    updated = []
    for one in placed:
        if one.track.denied:
            updated.append(one)
            continue
        history, before_it = after[one.track.id], one.track.belief
        belief = before_it.after(likelihoods[one.track.id], weight, config)
        track = replace(one.track, log_odds=history.log_odds, path=history.path, belief=belief)
        updated.append(replace(one, track=track))
    return updated


def apply_correction(
    frame_index: int, placed: Sequence[PlacedTrack], given: int, known: Sequence[Track], config: MeaningConfig
) -> list[PlacedTrack]:
    """The tracks on a frame on which the user gave the mask of one of them. given: its id. On earlier frames the best
    history so far stays."""
    path = _path_to(frame_index, given, known, config)
    return [_with_user_choice(one, given, path, config) for one in placed]


def deny_visible(
    frame_index: int, placed: Sequence[PlacedTrack], known: Sequence[Track], config: MeaningConfig
) -> list[PlacedTrack]:
    """The tracks on a frame on which the user said that the target is absent: all that have a place on it are denied.
    On earlier frames the best history so far stays."""
    path = _path_to(frame_index, NO_TRACK, known, config)
    return [_denied(one, path, config) if one.track.probs is not None else one for one in placed]


def open_share(placed: Sequence[PlacedTrack]) -> float:
    """[0, 1], the factor on the presence of an answer for the tracks that the user denied (ours): the highest
    likelihood of a track that is not denied, divided by the highest of all."""
    likelihoods = [(one.answer_likelihood, one.track.denied) for one in placed if one.answer_likelihood is not None]
    if not any(is_denied for _, is_denied in likelihoods):
        return 1.0
    return max((value for value, is_denied in likelihoods if not is_denied), default=0.0) / max(
        max(likelihoods)[0], MIN_LIKELIHOOD
    )


def keep_choice(
    placed: Sequence[PlacedTrack], given: int, known: Sequence[Track], config: MeaningConfig
) -> list[PlacedTrack]:
    """The tracks after an answer, where the user gave the mask of one before: that one stays the one meant, whatever
    the answer."""
    path = next(track.path for track in known if track.id == given)
    return [_with_user_choice(one, given, path, config) for one in placed]


def _path_to(frame_index: int, meant: int, known: Sequence[Track], config: MeaningConfig) -> Path:
    """The best history so far, continued by the track with the id `meant` from this frame on."""
    before = most_likely_track(known)
    return (*(() if before is None else before.path), (frame_index, meant))[-config.most_runs :]


def _denied(one: PlacedTrack, path: Path, config: MeaningConfig) -> PlacedTrack:
    return replace(one, track=replace(one.track, denied=True, log_odds=-config.switch - 1, path=path))


def _with_user_choice(one: PlacedTrack, given: int, path: Path, config: MeaningConfig) -> PlacedTrack:
    """A track, where the one with the id `given` is the one meant."""
    if one.track.id == given:
        return replace(one, track=replace(one.track, log_odds=0.0, path=path))
    return replace(one, track=replace(one.track, log_odds=min(one.track.log_odds, -config.switch - 1)))
