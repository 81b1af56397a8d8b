"""What a frame left behind until it is answered, which may wait for later frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rvos.tracking.presence import PresenceModel
from rvos.types import FrameResult


@dataclass(frozen=True)
class Candidate:
    """A place that may be meant. mask: (H, W) bool at frame size; belief: [0, 1], as it was on this frame."""

    id: int
    belief: float
    mask: np.ndarray


@dataclass(frozen=True)
class Choice:
    """Which candidates are meant: those that come near the one believed most.

    least: belief below which nothing is; lead: how far behind the first a candidate may lie.
    """

    least: float = 0.3
    lead: float = 0.3

    def of(self, beliefs: Mapping[int, float]) -> set[int]:
        """Their ids."""
        enough = max(self.least, max(beliefs.values(), default=0.0) - self.lead)
        return {i for i, belief in beliefs.items() if belief >= enough}


@dataclass(frozen=True)
class Moment:
    """One frame for one expression. log_odds: of the target's presence, after all frames up to this one; seen: the
    calibrated presence that the image model gave this frame, None where nobody looked; score: [0, 1]."""

    frame_index: int
    time_s: float
    size: tuple[int, int]
    log_odds: float
    seen: float | None
    score: float
    candidates: tuple[Candidate, ...]

    def answer(
        self,
        expression_index: int,
        choice: Choice,
        beliefs: Mapping[int, float],
        later: Iterable[Moment],
        presence: PresenceModel,
        threshold: float,
    ) -> FrameResult:
        """The result of this frame. beliefs: what is believed of tracks by now, by id; later: the frames that have
        passed since; threshold: presence from which on anything is shown."""
        shift = 0.0
        for moment in reversed(list(later)):
            shift = presence.before(shift, moment.seen)
        there = 1 / (1 + math.exp(-(self.log_odds + shift)))
        meant = choice.of({c.id: beliefs.get(c.id, c.belief) for c in self.candidates})
        masks = {c.id: c.mask for c in self.candidates if c.id in meant and c.mask.any()} if there >= threshold else {}
        return FrameResult(
            frame_index=self.frame_index,
            time_s=self.time_s,
            expression_index=expression_index,
            mask=np.logical_or.reduce([np.zeros(self.size, dtype=bool), *masks.values()]),
            score=self.score,
            presence=there,
            track_masks=masks,
        )

    def document(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """JSON values, and arrays by name."""
        header = {
            "frame_index": self.frame_index,
            "time_s": self.time_s,
            "size": list(self.size),
            "log_odds": self.log_odds,
            "seen": self.seen,
            "score": self.score,
            "candidates": [{"id": c.id, "belief": c.belief} for c in self.candidates],
        }
        return header, {str(c.id): np.packbits(c.mask) for c in self.candidates}


def moment_of(header: dict[str, Any], masks: Mapping[str, np.ndarray]) -> Moment:
    """What `Moment.document` wrote. Raises `KeyError`, `TypeError` or `ValueError` where it is something else."""
    height, width = header["size"]
    moment = Moment(**{**header, "size": (height, width), "candidates": ()})
    candidates = (
        Candidate(
            **values,
            mask=np.unpackbits(masks[str(values["id"])], count=height * width).reshape(height, width).astype(bool),
        )
        for values in header["candidates"]
    )
    return replace(moment, candidates=tuple(candidates))
