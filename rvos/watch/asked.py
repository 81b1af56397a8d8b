"""The candidates of the image model on the frames of an expression, kept until the results of these frames are
ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from image_core.answer import Candidate, MaskAnswer
from rvos.types import Frame, FrameResult

MOST = 5
"""Most candidates that are kept for a frame and expression: the likeliest."""


@dataclass(frozen=True)
class AskedFrame:
    """One frame; its candidates as in `FrameResult`."""

    frame_index: int
    candidates: tuple[Candidate, ...] | None


@dataclass(frozen=True)
class AskedFrames:
    """The frames of one expression whose results are still to come, in order."""

    frames: tuple[AskedFrame, ...] = ()

    def after(self, frame: Frame, answer: MaskAnswer | None) -> AskedFrames:
        """With one more frame. answer: None where the image model was not asked."""
        found = None if answer is None else answer.candidates_at(frame.size, MOST)
        return AskedFrames((*self.frames, AskedFrame(frame.index, found)))

    def told(self, results: Sequence[FrameResult]) -> tuple[list[FrameResult], AskedFrames]:
        """The results of the first of these frames with their candidates, and the frames that still wait."""
        pairs = zip(results, self.frames[: len(results)], strict=True)
        return [_joined(result, asked) for result, asked in pairs], AskedFrames(self.frames[len(results) :])


def _joined(result: FrameResult, asked: AskedFrame) -> FrameResult:
    if result.frame_index != asked.frame_index:
        raise ValueError(f"session: expected the result of frame {asked.frame_index}, got that of {result.frame_index}")
    return replace(result, candidates=asked.candidates)
