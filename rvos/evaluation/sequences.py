"""The outcome of scoring one sequence of id maps."""

from __future__ import annotations

from dataclasses import dataclass

from rvos.metrics.davis import SequenceScores


@dataclass(frozen=True)
class SequenceOutcome:
    """scores: None if scoring failed, and `error` says why; missing: paths, without suffix, of frames without a
    prediction, which count as empty."""

    name: str
    scores: SequenceScores | None
    missing: tuple[str, ...] = ()
    error: str | None = None
