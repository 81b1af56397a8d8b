"""What was decided of the tracks of a film, and what was asked and answered on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rvos.tracking.belief.meaning import Claim


class Verdict(StrEnum):
    """What is held of one track."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Asked:
    """One question to a model, and what came of it."""

    #: The frames that were shown, in their order.
    frames: tuple[int, ...]
    #: The number that stood at an outline -> the id of the track.
    numbers: Mapping[int, int]
    question: str
    answer: str
    #: Number -> verdict; None where the answer could not be read, and all are unsure.
    verdicts: Mapping[int, Verdict] | None

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        read = None if self.verdicts is None else {str(n): str(verdict) for n, verdict in self.verdicts.items()}
        numbers = {str(number): track_id for number, track_id in self.numbers.items()}
        return {**asdict(self), "frames": list(self.frames), "numbers": numbers, "verdicts": read}


@dataclass(frozen=True)
class Decision:
    """Which tracks an expression means."""

    #: Track id -> verdict, of the tracks that were judged.
    verdicts: Mapping[int, Verdict]
    #: Track id -> [0, 1], how likely it is the one meant, where the decider tells.
    scores: Mapping[int, float] = field(default_factory=dict)
    #: The questions, where a model was asked some.
    asked: tuple[Asked, ...] = ()

    @property
    def accepted(self) -> frozenset[int]:
        """The ids of the tracks that are meant."""
        return self._of(Verdict.ACCEPT)

    @property
    def is_open(self) -> bool:
        """No track was accepted, and of some it is not known: the evidence of the answers decides among those."""
        return not self.accepted and bool(self._of(Verdict.UNSURE))

    def shown(self, claims: Mapping[int, Claim], by_evidence: Callable[[Mapping[int, Claim]], set[int]]) -> set[int]:
        """The ids of the tracks that are shown on a frame: those accepted.

        claims: of the tracks that may be shown there; by_evidence: what chooses among claims where this is open.
        """
        if self.is_open:
            rejected = self._of(Verdict.REJECT)
            return by_evidence({i: claim for i, claim in claims.items() if i not in rejected})
        return set(claims) & self.accepted

    def document(self) -> dict[str, Any]:
        """As JSON values, for `result.json`."""
        told: dict[str, Any] = {"tracks": {str(i): str(verdict) for i, verdict in sorted(self.verdicts.items())}}
        if self.is_open:
            told["left_to"] = "rules"
        if self.scores:
            told["scores"] = {str(i): round(score, 4) for i, score in sorted(self.scores.items())}
        if self.asked:
            told["questions"] = [asked.document() for asked in self.asked]
        return told

    def _of(self, verdict: Verdict) -> frozenset[int]:
        return frozenset(i for i, held in self.verdicts.items() if held is verdict)
