"""The segmentation of one video for some expressions: results, corrections, and snapshots to continue from."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from image_core.answer import MaskAnswer
from image_core.errors import DataError
from rvos.app.uploaded_video import UploadedVideo
from rvos.export.records import to_record, to_result
from rvos.segmenter import VideoSegmenter
from rvos.types import FrameRecord, FrameResult
from rvos.watch.corrected_session import CorrectedSession
from rvos.watch.stream import Results, Stream

SNAPSHOT_EVERY = 16
"""Frames between two snapshots."""
PREVIEW_FRAMES = 8
"""Frames that the image model segments before the video is processed, or fewer if the video is shorter."""
_CACHED_ANSWERS = 4


@dataclass(frozen=True)
class ExpressionInfo:
    """How an expression is understood."""

    text: str
    #: What the model, and the tracker for words of motion, report about it, as JSON values; {} for nothing.
    understood: Mapping[str, object]
    #: Its words that the model does not know.
    unseen_words: tuple[str, ...]


class Segmentation:
    """The segmentation of one video for E expressions.

    One thread advances `steps`, one frame per step. Meanwhile other threads may read the results. `correct` and
    `undo_correction` may be called only while no thread advances `steps`.

    folder: for the snapshots of this object alone.
    """

    def __init__(
        self, video: UploadedVideo, segmenter: VideoSegmenter, expressions: tuple[str, ...], folder: Path
    ) -> None:
        self.video = video
        self.expressions = expressions
        self.expression_infos: tuple[ExpressionInfo, ...] = ()
        self.revision = 0
        """Increases with every change of the results or of `expression_infos`."""
        self.correction_revision = 0
        """Increases when results are discarded, that is, when the results of a frame may change."""
        self._segmenter = segmenter
        self._folder = folder
        self._lock = Lock()
        self._records: list[tuple[FrameRecord, ...]] = []
        self._previews_done = 0
        self._previews: dict[int, tuple[FrameRecord, ...]] = {}
        self._answers: dict[int, list[MaskAnswer]] = {}
        self._corrections: dict[int, dict[int, np.ndarray | None]] = {}
        self._snapshots: dict[int, int] = {}  # frames that the session has seen -> frames that have results by then
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def frames_done(self) -> int:
        """How many frames from the first one on have their results."""
        return len(self._records)

    @property
    def preview_progress(self) -> tuple[int, int]:
        """How many frames of the preview are segmented, and how many the preview has."""
        return self._previews_done, len(preview_frames(self.video.frame_count))

    @property
    def is_finished(self) -> bool:
        """Whether all frames have their results."""
        return self.frames_done >= self.video.frame_count

    def records(self, frame_index: int) -> tuple[FrameRecord, ...] | None:
        """The E records of a frame: of the tracker, else of the preview; None if there are none yet."""
        with self._lock:
            if frame_index < len(self._records):
                return self._records[frame_index]
            return self._previews.get(frame_index)

    def results(self, frame_index: int) -> tuple[FrameResult, ...]:
        """The E results of a frame, with masks; () if there are none yet."""
        return tuple(map(to_result, self.records(frame_index) or ()))

    def frames_with_records(self) -> list[int]:
        """The indices of the frames that have records, in order."""
        with self._lock:
            return sorted({*range(len(self._records)), *self._previews})

    def corrections(self) -> list[tuple[int, int, bool]]:
        """The corrections as (frame index, expression index, whether there is a mask), in order. A correction without a
        mask says that the target is absent."""
        with self._lock:
            return sorted(
                (frame_index, expression_index, mask is not None)
                for frame_index, masks in self._corrections.items()
                for expression_index, mask in masks.items()
            )

    def answers(self, frame_index: int) -> list[MaskAnswer]:
        """The answers of the image model on a frame by itself, one per expression. Raises `DataError`."""
        with self._lock:
            cached = self._answers.get(frame_index)
        if cached is not None:
            return cached
        frame = self.video.frame(frame_index)
        answers = self._segmenter.system.answers(frame.image, self.expressions)
        with self._lock:
            while len(self._answers) >= _CACHED_ANSWERS:
                self._answers.pop(next(iter(self._answers)))
            self._answers[frame_index] = answers
        return answers

    def correct(self, frame_index: int, expression_index: int, mask: np.ndarray | None) -> None:
        """Set what an expression means from a frame on, and discard the results from that frame on.

        mask: (H, W) bool, or None if the target is absent on the frame. Raises `DataError` for a mask or an index that
        does not fit, and `ConfigError` if the tracker takes no corrections.
        """
        self._segmenter.system.tracker.check_correctable()
        self._check_indices(frame_index, expression_index)
        if mask is not None:
            self._check_mask(mask, expression_index)
        before = self.results(frame_index)
        self._discard_from(frame_index)
        with self._lock:
            self._corrections.setdefault(frame_index, {})[expression_index] = mask
            if before:  # the page shows the correction at once, before the video is processed again up to this frame
                presence = float(mask is not None)
                shown_mask = np.zeros(self.video.info.size, bool) if mask is None else mask
                result = replace(
                    before[expression_index], mask=shown_mask, score=presence, presence=presence, track_masks={}
                )
                results = [result if i == expression_index else other for i, other in enumerate(before)]
                self._previews[frame_index] = tuple(map(to_record, results))

    def _check_mask(self, mask: np.ndarray, expression_index: int) -> None:
        if mask.shape != self.video.info.size or mask.dtype != np.bool_:
            raise DataError(f"correction: expected bool {self.video.info.size}, got {mask.dtype} {mask.shape}")
        if not mask.any():
            raise DataError(
                f"correction: expected the pixels of '{self.expressions[expression_index]}', got none: if it is "
                "not visible, choose Not here"
            )

    def undo_correction(self, frame_index: int, expression_index: int) -> None:
        """Remove a correction, and discard the results from its frame on. Raises `DataError` if there is none."""
        self._check_indices(frame_index, expression_index)
        with self._lock:
            if expression_index not in self._corrections.get(frame_index, {}):
                raise DataError(f"correction: expected one on frame {frame_index}, got none: there is nothing to undo")
            del self._corrections[frame_index][expression_index]
        self._discard_from(frame_index)

    def steps(self) -> Generator[None, None, None]:
        """Segment the preview, then process the video from where it stopped, one frame per step.

        Raises `RvosError` for expressions that cannot be segmented, and `DataError` at a frame that cannot be decoded.
        The results of the frames before are kept.
        """
        session = self._segmenter.session(self.expressions, candidates=True)
        self._describe_expressions()
        yield
        if not self._records:
            for index in preview_frames(self.video.frame_count)[self._previews_done :]:
                if self.records(index) is None:
                    self._segment_preview(index)
                self._previews_done += 1
                yield
        corrected = CorrectedSession(session, self._corrections)
        answered = self._restore_snapshot(corrected)
        stream = Stream(corrected, answered)
        with self.video.frames(answered) as frames:
            for frame in frames:
                seen_before = corrected.frame_count
                for _, results in stream.step(frame):
                    self._add(results)
                if corrected.frame_count // SNAPSHOT_EVERY > seen_before // SNAPSHOT_EVERY:
                    self._save_snapshot(corrected, corrected.frame_count - stream.waiting)
                yield
        for _, results in stream.finish():
            self._add(results)
        self._finish()

    def _describe_expressions(self) -> None:
        system = self._segmenter.system
        understood = system.understood(self.expressions) or [{}] * len(self.expressions)
        self.expression_infos = tuple(
            ExpressionInfo(text, values, tuple(system.unseen_words([text])))
            for text, values in zip(self.expressions, understood, strict=True)
        )
        self.revision += 1

    def _segment_preview(self, index: int) -> None:
        """Take the answers of the image model on a frame as its results until the tracker has some."""
        frame = self.video.frame(index)
        results = [
            FrameResult(index, frame.time_s, i, answer.mask(frame.size), answer.score, answer.presence)
            for i, answer in enumerate(self.answers(index))
        ]
        with self._lock:
            self._previews[index] = tuple(map(to_record, results))
        self.revision += 1

    def _add(self, results: Results) -> None:
        """Add the results of a frame, unless it has some: frames between a snapshot and a correction are processed
        again, and keep their results."""
        with self._lock:
            if results[0].frame_index == len(self._records):
                self._records.append(tuple(map(to_record, results)))
        self.revision += 1

    def _finish(self) -> None:
        """Correct the number of frames if the file has fewer than its header says."""
        if self.frames_done:
            self.video.frame_count = self.frames_done
        self.revision += 1

    def _save_snapshot(self, session: CorrectedSession, answered: int) -> None:
        (self._folder / f"{session.frame_count}").write_bytes(session.snapshot())
        with self._lock:
            self._snapshots[session.frame_count] = answered

    def _restore_snapshot(self, session: CorrectedSession) -> int:
        """Restore a session from the last snapshot. Returns how many frames had results when it was taken."""
        with self._lock:
            seen = max(self._snapshots, default=0)
        if not seen:
            return 0
        session.restore((self._folder / f"{seen}").read_bytes())
        return self._snapshots[seen]

    def _discard_from(self, frame_index: int) -> None:
        """Discard the results of a frame and of all later ones, and the snapshots that have seen the frame."""
        with self._lock:
            del self._records[frame_index:]
            self._previews = {index: records for index, records in self._previews.items() if index < frame_index}
            for seen in [seen for seen in self._snapshots if seen > frame_index]:
                del self._snapshots[seen]
                (self._folder / f"{seen}").unlink(missing_ok=True)
        self.correction_revision += 1
        self.revision += 1

    def _check_indices(self, frame_index: int, expression_index: int) -> None:
        if not 0 <= expression_index < len(self.expressions):
            raise DataError(f"expression: expected 0 to {len(self.expressions) - 1}, got {expression_index}")
        if not 0 <= frame_index < self.video.frame_count:
            raise DataError(f"frame: expected 0 to {self.video.frame_count - 1}, got {frame_index}")


def preview_frames(frame_count: int) -> list[int]:
    """The indices of at most `PREVIEW_FRAMES` evenly spaced frames, in the order of the preview: the first frame, then
    coarse to fine."""
    spread = sorted({round(i * (frame_count - 1) / (PREVIEW_FRAMES - 1)) for i in range(PREVIEW_FRAMES)})
    order: list[int] = []
    for step in (PREVIEW_FRAMES, 4, 2, 1):
        order += [index for index in spread[::step] if index not in order]
    return order
