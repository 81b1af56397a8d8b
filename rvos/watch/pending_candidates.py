"""The candidates of the image model on the frames of an expression, kept until the results of these frames are
ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from image_core.answer import Candidate, MaskAnswer
from rvos.types import Frame, FrameResult

MAX_CANDIDATES = 5
"""Most candidates that are kept per frame and expression: the likeliest."""


@dataclass(frozen=True)
class FrameCandidates:
    """The candidates of one expression on one frame, as in `FrameResult.candidates`."""

    frame_index: int
    candidates: tuple[Candidate, ...] | None


@dataclass(frozen=True)
class PendingCandidates:
    """The candidates of one expression on the frames whose results are not ready yet, in order of the frames."""

    frames: tuple[FrameCandidates, ...] = ()

    def after(self, frame: Frame, answer: MaskAnswer | None) -> PendingCandidates:
        """With one more frame. answer: None if the image model did not run on it."""
        candidates = None if answer is None else answer.candidates_at(frame.size, MAX_CANDIDATES)
        return PendingCandidates((*self.frames, FrameCandidates(frame.index, candidates)))

    def attach(self, results: Sequence[FrameResult]) -> tuple[list[FrameResult], PendingCandidates]:
        """The results, which are of the first of these frames, with their candidates; and the frames that remain."""
        pairs = zip(results, self.frames[: len(results)], strict=True)
        remaining = PendingCandidates(self.frames[len(results) :])
        return [_attach_one(result, frame) for result, frame in pairs], remaining


def _attach_one(result: FrameResult, frame: FrameCandidates) -> FrameResult:
    if result.frame_index != frame.frame_index:
        raise ValueError(f"session: expected the result of frame {frame.frame_index}, got that of {result.frame_index}")
    return replace(result, candidates=frame.candidates)
