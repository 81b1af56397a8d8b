"""What became of one sequence of id pictures when it was scored."""

from __future__ import annotations

from dataclasses import dataclass

from rvos.metrics.davis import SequenceScores


@dataclass(frozen=True)
class SequenceOutcome:
    """scores: None where something broke, as `error` says; missing: frames without a predicted picture, by their paths
    without suffix, which count as empty."""

    name: str
    scores: SequenceScores | None
    missing: tuple[str, ...] = ()
    error: str | None = None
