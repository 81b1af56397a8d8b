"""The compared systems by name: the method of each, and how it decides on which frames the target is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks.gain.baselines import Method, carried_from_best, largest_components, tracked
from benchmarks.gain.clip import FrameAnswer
from benchmarks.gain.oracles import true_identity, true_propagation
from rvos.tracking.belief.meaning import MeaningConfig
from rvos.tracking.belief.presence import PresenceConfig
from rvos.tracking.following import FollowingConfig
from rvos.tracking.maps.steadying import SteadyingConfig
from rvos.tracking.tracker import NoTracker, NoTrackerConfig
from rvos.tracking.tracks import TracksConfig, TracksTracker

KINDS = ("causal", "offline", "oracle")
"""Kinds of systems, which are never in one table: those that look ahead and those that know the truth are separate."""
FRAME_BY_FRAME = "frame_by_frame"
ALWAYS_SHOWN = "always_shown"
"""Frame by frame without a presence threshold: its masks alone, and the best frame of each video."""
WINDOW = 5


@dataclass(frozen=True)
class Thresholds:
    """A hidden target is shown at a presence of `on` or more, a shown one hidden below `off`; [0, 1], `off` <= `on`."""

    on: float
    off: float

    def __post_init__(self) -> None:
        if not 0 <= self.off <= self.on <= 1:
            raise ValueError(f"Thresholds: expected 0 <= off <= on <= 1, got on {self.on}, off {self.off}")


Decide = Callable[[Sequence[FrameAnswer], Thresholds], list[np.ndarray]]

LEVELS = (0.0, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
ONE_LEVEL = tuple(Thresholds(level, level) for level in LEVELS)
TWO_LEVELS = tuple(Thresholds(on, off) for on, off in product(LEVELS, LEVELS) if off <= on)
NO_CHOICE = ONE_LEVEL[:1]


def gate(answers: Sequence[FrameAnswer], thresholds: Thresholds) -> list[np.ndarray]:
    """The masks of T answers, empty where the target is judged absent."""
    masks, shown = [], False
    for answer in answers:
        shown = answer.presence >= (thresholds.off if shown else thresholds.on)
        masks.append(answer.mask if shown else np.zeros_like(answer.mask))
    return masks


def vote(before: int, after: int) -> Decide:
    """Majority vote of each pixel over the gated masks of up to `before` earlier and `after` later frames; in a tie the
    frame itself decides."""

    def decide(answers: Sequence[FrameAnswer], thresholds: Thresholds) -> list[np.ndarray]:
        masks = np.stack(gate(answers, thresholds))
        windows = [masks[max(0, t - before) : t + after + 1] for t in range(len(masks))]
        return [2 * window.sum(0) + own > len(window) for own, window in zip(masks, windows, strict=True)]

    return decide


@dataclass(frozen=True)
class System:
    """A system that computes masks of a clip."""

    kind: str  # one of `KINDS`
    method: Method
    decide: Decide = gate
    grid: tuple[Thresholds, ...] = ONE_LEVEL  # the candidates for tuning
    tuned_as: str | None = None  # the system whose thresholds it uses instead

    @property
    def is_tuned(self) -> bool:
        """Whether it has a threshold of its own to choose."""
        return len(self.grid) > 1 and self.tuned_as is None


ALONE = tracked(NoTracker(NoTrackerConfig(presence_threshold=0.0)))
"""The image model frame by frame."""


LOOKAHEAD = 12


def tracks(**numbers: Any) -> TracksTracker:
    """The tracker with some numbers changed. It shows every mask: the presence threshold is applied afterwards."""
    return TracksTracker(TracksConfig(presence_threshold=0.0, **numbers))


HEADLINE: dict[str, System] = {
    FRAME_BY_FRAME: System("causal", ALONE),
    ALWAYS_SHOWN: System("causal", ALONE, grid=NO_CHOICE),
    "hysteresis": System("causal", largest_components(ALONE), grid=TWO_LEVELS),
    "vote_causal": System("causal", ALONE, vote(WINDOW - 1, 0)),
    "tracks": System("causal", tracked(tracks())),
    "tracks_key_4": System("causal", tracked(tracks(), decode_every=4)),
    "vote_centred": System("offline", ALONE, vote(WINDOW // 2, WINDOW // 2)),
    "best_key_frame": System("offline", carried_from_best(ALONE)),
    "tracks_lookahead": System("offline", tracked(tracks(lookahead=LOOKAHEAD))),
    "tracks_both_ways": System("offline", tracked(tracks(both_ways=True), passes=2)),
    "true_propagation": System("oracle", true_propagation(ALONE)),
    "true_identity": System("oracle", true_identity(ALONE), grid=NO_CHOICE),
}


def ablated(**numbers: Any) -> System:
    """`tracks` with other numbers and its thresholds."""
    return System("causal", tracked(tracks(**numbers)), tuned_as="tracks")


ABLATIONS: dict[str, System] = {
    "without_said": ablated(steadying=SteadyingConfig(answer_weight=0.0)),
    "without_shown": ablated(steadying=SteadyingConfig(mask_weight=0.0)),
    "without_history": ablated(meaning=MeaningConfig(switch=0.0, lead=1.0)),
    "without_presence": ablated(presence=PresenceConfig(keep=0.0)),
    "without_refusal": ablated(following=FollowingConfig(most_refused=0)),
}
"""`tracks` with one part off: the classifier of the answers; that of the masks shown; the history of answers; the mean
of presence, so that each frame's own decides; and the refusal of candidates."""

SYSTEMS = HEADLINE | ABLATIONS
OURS = {"causal": "tracks", "offline": "tracks_both_ways"}
"""Kind -> our system, which the others are the baselines of."""
