"""Which track an expression means: a hidden Markov model whose states are the tracks, decoded by the Viterbi algorithm.

Each answer gives a likelihood for every track. The log-likelihoods add up along the best history of each track; a
change of track within a history costs `switch`. So when an answer is added, no track is further behind the best one
than `switch`: old evidence is forgotten, a look-alike has to lead for several frames before it takes over, and a wrong
first guess can be corrected. The history of the best track at the end says which track was meant on all frames before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from image_core.ranges import Count, Range, Share, Weight, check_ranges

Path = tuple[tuple[int, int], ...]
"""Runs of a history: the frame from which on, and the id of the track that is meant from there."""
MIN_LIKELIHOOD = 0.02
"""Least likelihood of an answer: a model may be wrong."""


@dataclass(frozen=True)
class MeaningConfig:
    """The numbers of the model."""

    #: Log-odds that a change from one track to another costs.
    switch: Weight = 3.0
    #: Factor on the log-likelihood of an answer: the errors of an image model last for several frames.
    trust: Share = 0.5
    #: Probability that a target that is present has no candidate.
    missed: Annotated[float, Range(1e-3, 1)] = 0.1
    #: Weight of an answer with presence 0 in the belief in a track.
    unsure_weight: Share = 0.05
    #: Most runs of a history that are kept.
    most_runs: Count = 64
    #: Share of a new answer in the moving average that tells whether several objects are meant.
    several_rate: Share = 0.2
    #: Weight that an answer keeps in the belief in a track when the next one arrives.
    keep: Share = 0.97
    #: Weight of the prior belief in every track, which is 0.5.
    prior: Annotated[float, Range(1e-6)] = 1.0
    #: If several objects are meant: belief below which a track is not shown.
    least: Share = 0.3
    #: If several objects are meant: how far below the highest belief that of a shown track may lie.
    lead: Share = 0.3

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class History:
    """The best history that ends with a certain track."""

    #: Log-likelihood relative to the best track, which has 0.
    log_odds: float
    path: Path


def likelihood(presence: float, probability: float | None, config: MeaningConfig) -> float:
    """Likelihood of an answer if a track is the one meant, from `MIN_LIKELIHOOD` to 1.

    presence: of the answer; probability: the likelihood of the track in the answer, None if the answer says nothing of
    it: then the target is absent or was missed.
    """
    if probability is None:
        return max(MIN_LIKELIHOOD, 1 - presence + presence * config.missed)
    return max(MIN_LIKELIHOOD, presence * probability)


def viterbi_step(
    histories: Mapping[int, History],
    likelihoods: Mapping[int, float],
    frame_index: int,
    config: MeaningConfig,
) -> dict[int, History]:
    """One step of the Viterbi algorithm: track id -> its best history after one more answer. likelihoods: of all tracks
    on the frame, new ones included."""
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


def track_at(path: Path, frame_index: int) -> int | None:
    """The track that a history says is meant on a frame; before the history begins, its first one. None for an empty
    history."""
    ids = [i for start, i in path if start <= frame_index]
    return ids[-1] if ids else path[0][1] if path else None


@dataclass(frozen=True)
class Belief:
    """The fading mean of the likelihoods that the answers gave a track, independent of the other tracks."""

    #: Weighted sum of the likelihoods.
    support: float = 0.0
    #: The sum of the weights.
    weight: float = 0.0

    def after(self, probability: float | None, weight: float, config: MeaningConfig) -> Belief:
        """After one more answer. probability: the likelihood of the track in it; None if it says nothing of the track,
        which only fades the earlier ones."""
        kept = Belief(config.keep * self.support, config.keep * self.weight)
        if probability is None:
            return kept
        return Belief(kept.support + weight * probability, kept.weight + weight)

    def value(self, config: MeaningConfig) -> float:
        """[0, 1], with the prior."""
        return (self.support + 0.5 * config.prior) / (self.weight + config.prior)


@dataclass(frozen=True)
class Claim:
    """What speaks for showing a track."""

    log_odds: float
    #: [0, 1]
    belief: float
    #: It is no error on a single frame; otherwise it is shown only if it is the track of the best history.
    is_sure: bool = True


def chosen(claims: Mapping[int, Claim], first: int | None, several: bool, config: MeaningConfig) -> set[int]:
    """The ids of the tracks that are shown: one, or all with enough belief if several are meant.

    claims: of the tracks that have a place; first: the track of the best history on this frame.
    """
    if not claims:
        return set()
    if several:
        enough = max(config.least, max(claim.belief for claim in claims.values()) - config.lead)
        return {i for i, claim in claims.items() if claim.belief >= enough}
    # While the track of the best history is lost, the one with the highest belief stands in. Whether the target is
    # there at all is for the presence to decide.
    if first is not None and first in claims:
        return {first}
    return {max(claims, key=lambda i: (claims[i].belief, claims[i].log_odds, -i))}
