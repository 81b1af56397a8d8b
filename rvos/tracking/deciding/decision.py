"""The decision about the tracks of a video, with the questions and answers that led to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rvos.tracking.belief.meaning import Claim


class Verdict(StrEnum):
    """The verdict on one track."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNSURE = "unsure"


@dataclass(frozen=True)
class QuestionRecord:
    """One question to a model, with its answer."""

    #: The frames that were shown, in their order.
    frames: tuple[int, ...]
    #: The number at an outline -> the id of the track.
    numbers: Mapping[int, int]
    question: str
    answer: str
    #: Number -> verdict; None if the answer was invalid: then all stay unsure.
    verdicts: Mapping[int, Verdict] | None

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        verdicts = None if self.verdicts is None else {str(n): str(verdict) for n, verdict in self.verdicts.items()}
        numbers = {str(number): track_id for number, track_id in self.numbers.items()}
        return {**asdict(self), "frames": list(self.frames), "numbers": numbers, "verdicts": verdicts}


@dataclass(frozen=True)
class Decision:
    """Which tracks an expression means."""

    #: Track id -> verdict, of the tracks that were judged.
    verdicts: Mapping[int, Verdict]
    #: Track id -> [0, 1], how likely it is meant, if the decider says so.
    scores: Mapping[int, float] = field(default_factory=dict)
    #: The questions to a model, if there were any.
    questions: tuple[QuestionRecord, ...] = ()

    @property
    def accepted(self) -> frozenset[int]:
        """The ids of the tracks that are meant."""
        return self._of(Verdict.ACCEPT)

    @property
    def is_open(self) -> bool:
        """No track was accepted and some are unsure: the answers decide among those that were not rejected."""
        return not self.accepted and bool(self._of(Verdict.UNSURE))

    def shown(self, claims: Mapping[int, Claim], by_evidence: Callable[[Mapping[int, Claim]], set[int]]) -> set[int]:
        """The ids of the tracks that are shown on a frame: those accepted.

        claims: of the tracks that may be shown there; by_evidence: chooses among claims by the answers, if the decision
        is open.
        """
        if self.is_open:
            rejected = self._of(Verdict.REJECT)
            return by_evidence({i: claim for i, claim in claims.items() if i not in rejected})
        return set(claims) & self.accepted

    def document(self) -> dict[str, Any]:
        """As JSON values, for `result.json`."""
        document: dict[str, Any] = {"tracks": {str(i): str(verdict) for i, verdict in sorted(self.verdicts.items())}}
        if self.is_open:
            document["left_to"] = "rules"
        if self.scores:
            document["scores"] = {str(i): round(score, 4) for i, score in sorted(self.scores.items())}
        if self.questions:
            document["questions"] = [record.document() for record in self.questions]
        return document

    def _of(self, verdict: Verdict) -> frozenset[int]:
        return frozenset(i for i, held in self.verdicts.items() if held is verdict)
