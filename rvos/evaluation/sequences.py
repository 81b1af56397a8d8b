"""The outcome of scoring one sequence of id pictures."""

from __future__ import annotations

from dataclasses import dataclass

from rvos.metrics.davis import SequenceScores


@dataclass(frozen=True)
class SequenceOutcome:
    """scores: None if scoring failed; `error` says why; missing: frames without a predicted picture, which count as
    empty, by their paths without suffix."""

    name: str
    scores: SequenceScores | None
    missing: tuple[str, ...] = ()
    error: str | None = None
