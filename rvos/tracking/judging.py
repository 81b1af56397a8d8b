"""What an answer says of each track: evidence that it is the one meant, and that it is one of those meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from image_core.answer import MaskAnswer
from rvos.tracking.belief.meaning import History, MeaningConfig, Path, likelihood, moved_on
from rvos.tracking.following import Placed, Track, first_of
from rvos.tracking.maps.steadying import SteadyMap


def judged(
    frame_index: int,
    answer: MaskAnswer,
    steady: SteadyMap | None,
    placed: Sequence[Placed],
    known: Sequence[Track],
    config: MeaningConfig,
) -> list[Placed]:
    """The tracks with what the answer of a frame says of each.

    steady: its map, where it has one; placed: all tracks on the frame; known: the tracks of the frame before.
    """
    said = {one.track.id: one.said for one in placed}
    if steady is not None:
        for track in (one.track for one in placed):
            if track.probs is not None:
                said[track.id] = float(np.average(steady.answered, weights=track.probs))
    values = {one.track.id: likelihood(answer.presence, said[one.track.id], config) for one in placed}
    before = {track.id: History(track.log_odds, track.path) for track in known}
    after = moved_on(before, values, frame_index, config)
    weight = answer.presence + config.unsure_weight
    told = []
    for one in placed:
        history, before_it = after[one.track.id], one.track.belief
        belief = before_it.after(said[one.track.id], weight, config)
        track = replace(one.track, log_odds=history.log_odds, path=history.path, belief=belief)
        told.append(replace(one, track=track))
    return told


def corrected(
    frame_index: int, placed: Sequence[Placed], given: int, known: Sequence[Track], config: MeaningConfig
) -> list[Placed]:
    """The tracks on the frame on which the user said that one is meant: given, its id. The frames before keep the
    history that led here."""
    before = first_of(known)
    path = (*(() if before is None else before.path), (frame_index, given))[-config.most_runs :]
    return [_led(one, given, path, config) for one in placed]


def pinned(placed: Sequence[Placed], given: int, known: Sequence[Track], config: MeaningConfig) -> list[Placed]:
    """The tracks after an answer, where the user said before which is meant: that one leads, whatever is answered."""
    path = next(track.path for track in known if track.id == given)
    return [_led(one, given, path, config) for one in placed]


def _led(one: Placed, given: int, path: Path, config: MeaningConfig) -> Placed:
    """A track where the one with the id `given` leads."""
    if one.track.id == given:
        return replace(one, track=replace(one.track, log_odds=0.0, path=path))
    return replace(one, track=replace(one.track, log_odds=min(one.track.log_odds, -config.switch - 1)))
