"""Which track an expression means: a hidden Markov model whose states are the tracks, decoded by Viterbi.

Every answer says of each track how likely it is the one meant. These log-likelihoods add up along the best history of
each track; a history may change tracks at the price of `switch`. So no track can fall further behind the first than
that: evidence is bounded and what is old is forgotten, a look-alike has to lead for several frames, and a wrong first
guess is left. The history behind the best track at the end says which track was meant on all frames before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from image_core.ranges import Count, Range, Share, Weight, check_ranges

Path = tuple[tuple[int, int], ...]
"""Runs of a history: from which frame on, and the id of the track that was meant from there."""
LEAST = 0.02
"""No answer is held to be less likely: a model may be wrong."""


@dataclass(frozen=True)
class MeaningConfig:
    """The numbers of the model."""

    #: Log-odds that a change from one track to another costs.
    switch: Weight = 3.0
    #: Share of a frame's log-likelihood that counts: the errors of an image model last for frames.
    trust: Share = 0.5
    #: How often a target that is there has no candidate.
    missed: Annotated[float, Range(1e-3, 1)] = 0.1
    #: What an answer without any presence still counts in the belief in a track.
    unsure_weight: Share = 0.05
    #: Runs of a history that are kept.
    most_runs: Count = 64
    #: Share of a new answer in whether several things are meant, ...
    several_rate: Share = 0.2
    #: ... what stays of the evidence for each from one answer to the next, ...
    keep: Share = 0.97
    #: ... the weight of "half" that every track begins with, ...
    prior: Annotated[float, Range(1e-6)] = 1.0
    #: ... the belief below which none is meant, ...
    least: Share = 0.3
    #: ... and how far behind the first one that is meant, too, may lie.
    lead: Share = 0.3

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class History:
    """The best history that ends with a certain track."""

    #: Log-likelihood, 0 for the best of all tracks.
    log_odds: float
    path: Path


NEW = History(0.0, ())
"""Of a track before which there was none."""


def likelihood(presence: float, probability: float | None, config: MeaningConfig) -> float:
    """How likely an answer is, if a track is the one meant.

    presence: of the answer; probability: what the answer gives the track, None where it says nothing of it: then the
    target is away or was missed.
    """
    if probability is None:
        return max(LEAST, 1 - presence + presence * config.missed)
    return max(LEAST, presence * probability)


def moved_on(
    histories: Mapping[int, History],
    likelihoods: Mapping[int, float],
    frame_index: int,
    config: MeaningConfig,
) -> dict[int, History]:
    """Track id -> its history after one more answer. likelihoods: of all tracks there are now, new ones among them."""
    best_id = max(histories, key=lambda i: (histories[i].log_odds, -i), default=None)
    following = {}
    for i, value in likelihoods.items():
        own = histories.get(i)
        if best_id is None:
            own = History(0.0, ((frame_index, i),))
        else:
            best = histories[best_id]
            switched = History(best.log_odds - config.switch, (*best.path, (frame_index, i))[-config.most_runs :])
            own = switched if own is None or own.log_odds < switched.log_odds else own
        following[i] = History(own.log_odds + config.trust * math.log(value), own.path)
    first = max((h.log_odds for h in following.values()), default=0.0)
    return {i: History(h.log_odds - first, h.path) for i, h in following.items()}


def meant_at(path: Path, frame_index: int) -> int | None:
    """The track that a history holds to be meant on a frame, that of its beginning for frames before it."""
    ids = [i for start, i in path if start <= frame_index]
    return ids[-1] if ids else path[0][1] if path else None


@dataclass(frozen=True)
class Belief:
    """What was answered of a track by itself, whatever was answered of the others: a fading mean."""

    #: Probabilities that answers gave it, summed by weight.
    support: float = 0.0
    #: The sum of these weights.
    weight: float = 0.0

    def after(self, probability: float | None, weight: float, config: MeaningConfig) -> Belief:
        """After one more answer; None where it said nothing of the track."""
        kept = Belief(config.keep * self.support, config.keep * self.weight)
        if probability is None:
            return kept
        return Belief(kept.support + weight * probability, kept.weight + weight)

    def value(self, config: MeaningConfig) -> float:
        """[0, 1]"""
        return (self.support + 0.5 * config.prior) / (self.weight + config.prior)


@dataclass(frozen=True)
class Claim:
    """What speaks for showing a track."""

    log_odds: float
    #: [0, 1]
    belief: float
    #: It is no fault of one frame; else it is shown only where it is the one that is believed.
    is_sure: bool = True


def chosen(claims: Mapping[int, Claim], first: int | None, several: bool, config: MeaningConfig) -> set[int]:
    """The ids of the tracks that are shown: one, or all that are believed where several are meant.

    claims: of the tracks that have a place; first: the one that is believed to be meant.
    """
    if not claims:
        return set()
    if several:
        enough = max(config.least, max(claim.belief for claim in claims.values()) - config.lead)
        return {i for i, claim in claims.items() if claim.belief >= enough}
    # While the track that is believed has no place, the one stands in of which most was answered by itself: whether
    # anything is there at all is for presence to say.
    if first is not None and first in claims:
        return {first}
    return {max(claims, key=lambda i: (claims[i].belief, claims[i].log_odds, -i))}
