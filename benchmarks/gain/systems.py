"""The systems that are compared, by name: the method of each, and how it decides where the target is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks.gain.baselines import Method, carried_from_best, largest_components, tracked
from benchmarks.gain.clip import FrameAnswer
from benchmarks.gain.oracles import true_identity, true_propagation
from rvos.tracking.memory import LOOKAHEAD, MemoryConfig, MemoryTracker
from rvos.tracking.pending import Choice
from rvos.tracking.presence import PresenceModel
from rvos.tracking.tracker import NoTracker, NoTrackerConfig

KINDS = ("causal", "offline", "oracle")
"""Never in one row: what may look ahead, and what knows the truth, is another thing."""
FRAME_BY_FRAME = "frame_by_frame"
ALWAYS_SHOWN = "always_shown"
"""Frame by frame without a presence gate: what its masks alone are worth, and the best that each video has to offer."""
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

LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
ONE_LEVEL = tuple(Thresholds(level, level) for level in LEVELS)
TWO_LEVELS = tuple(Thresholds(on, off) for on, off in product(LEVELS, LEVELS) if off <= on)
NO_CHOICE = ONE_LEVEL[:1]


def gate(answers: Sequence[FrameAnswer], thresholds: Thresholds) -> list[np.ndarray]:
    """The masks of T answers, empty where the target is judged to be away."""
    masks, shown = [], False
    for answer in answers:
        shown = answer.presence >= (thresholds.off if shown else thresholds.on)
        masks.append(answer.mask if shown else np.zeros_like(answer.mask))
    return masks


def vote(before: int, after: int) -> Decide:
    """Every pixel as most of the gated masks around a frame have it, `before` and `after` frames at most; in a
    draw its own decides."""

    def decide(answers: Sequence[FrameAnswer], thresholds: Thresholds) -> list[np.ndarray]:
        masks = np.stack(gate(answers, thresholds))
        windows = [masks[max(0, t - before) : t + after + 1] for t in range(len(masks))]
        return [2 * window.sum(0) + own > len(window) for own, window in zip(masks, windows, strict=True)]

    return decide


@dataclass(frozen=True)
class System:
    """One way from a clip to its masks."""

    kind: str  # one of `KINDS`
    method: Method
    decide: Decide = gate
    grid: tuple[Thresholds, ...] = ONE_LEVEL  # what tuning chooses from
    tuned_as: str | None = None  # the system whose thresholds it takes instead

    @property
    def is_tuned(self) -> bool:
        """It has a threshold of its own to choose."""
        return len(self.grid) > 1 and self.tuned_as is None


ALONE = tracked(NoTracker(NoTrackerConfig(presence_threshold=0.0)))
"""The image model frame by frame."""


def memory(**numbers: Any) -> MemoryTracker:
    """The tracker with some numbers of its own. It shows every mask: presence is judged afterwards."""
    return MemoryTracker(MemoryConfig(presence_threshold=0.0, **numbers))


HEADLINE: dict[str, System] = {
    FRAME_BY_FRAME: System("causal", ALONE),
    ALWAYS_SHOWN: System("causal", ALONE, grid=NO_CHOICE),
    "hysteresis": System("causal", largest_components(ALONE), grid=TWO_LEVELS),
    "vote_causal": System("causal", ALONE, vote(WINDOW - 1, 0)),
    "memory": System("causal", tracked(memory())),
    "memory_key_4": System("causal", tracked(memory(), decode_every=4)),
    "vote_centred": System("offline", ALONE, vote(WINDOW // 2, WINDOW // 2)),
    "best_key_frame": System("offline", carried_from_best(ALONE)),
    "memory_lookahead": System("offline", tracked(memory(lookahead=LOOKAHEAD))),
    "memory_both_ways": System("offline", tracked(memory(both_ways=True), passes=2)),
    "true_propagation": System("oracle", true_propagation(ALONE)),
    "true_identity": System("oracle", true_identity(ALONE), grid=NO_CHOICE),
}


def ablated(**numbers: Any) -> System:
    """`memory` with other numbers and its thresholds."""
    return System("causal", tracked(memory(**numbers)), tuned_as="memory")


ABLATIONS: dict[str, System] = {
    "without_said": ablated(answer_weight=0.0),
    "without_shown": ablated(mask_weight=0.0),
    "without_belief": ablated(belief_weight=0.0, choice=Choice(lead=1.0)),
    "without_presence": ablated(presence=PresenceModel(trust=1.0, change=0.5)),
    "without_unsure": ablated(unsure_weight=1.0),
}
"""`memory` with one part off: what was said by appearance; what was shown; belief in tracks; the filter of presence, so
that every frame's own decides; and the weight by presence of what is learned."""

SYSTEMS = HEADLINE | ABLATIONS
OURS = {"causal": "memory", "offline": "memory_both_ways"}
"""Per kind the system that the others are the baselines of."""
