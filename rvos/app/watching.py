"""A film that is watched for some expressions: what was found, what was corrected, and where it goes on."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from image_core.answer import MaskAnswer
from image_core.errors import DataError
from rvos.app.film import Film
from rvos.export.records import to_record, to_result
from rvos.segmenter import VideoSegmenter
from rvos.types import FrameRecord, FrameResult
from rvos.watch.corrected import CorrectedSession
from rvos.watch.stream import Results, Stream

SNAPSHOT_EVERY = 16
PREVIEWS = 8
"""Frames that are looked at before the film is watched."""
_KEPT_ANSWERS = 4


@dataclass(frozen=True)
class Meaning:
    """What an expression is understood as."""

    text: str
    #: What the model, and the tracker where the words speak of motion, say of it, as JSON values; {} for nothing.
    understood: Mapping[str, object]
    #: Its words that the model says it does not know.
    unseen: tuple[str, ...]


class Watching:
    """One question to one film. `steps` does the work, a frame at a time, in one thread; the rest may be asked for from
    any thread meanwhile. `correct` and `withdraw` are called while nobody steps.

    folder: its own, for snapshots.
    """

    def __init__(self, film: Film, segmenter: VideoSegmenter, expressions: tuple[str, ...], folder: Path) -> None:
        self.film = film
        self.expressions = expressions
        self.meanings: tuple[Meaning, ...] = ()
        self.revision = 0
        """Rises with everything that can be seen."""
        self.corrected_times = 0
        """Rises when what was found is forgotten: a frame that had its results may have others."""
        self._segmenter = segmenter
        self._folder = folder
        self._lock = Lock()
        self._records: list[tuple[FrameRecord, ...]] = []
        self._looked = 0
        self._previews: dict[int, tuple[FrameRecord, ...]] = {}
        self._answers: dict[int, list[MaskAnswer]] = {}
        self._corrections: dict[int, dict[int, np.ndarray | None]] = {}
        self._snapshots: dict[int, int] = {}  # frames seen -> frames answered by then
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> int:
        """Frames from the first on whose results are there."""
        return len(self._records)

    @property
    def first_look(self) -> tuple[int, int]:
        """How many frames of the first look were looked at, and how many it has."""
        return self._looked, len(preview_frames(self.film.frame_count))

    @property
    def is_finished(self) -> bool:
        """All frames have their results."""
        return self.done >= self.film.frame_count

    def records(self, frame_index: int) -> tuple[FrameRecord, ...] | None:
        """What was found on a frame, by expression: by the tracker, else by the preview; None where nobody looked."""
        with self._lock:
            if frame_index < len(self._records):
                return self._records[frame_index]
            return self._previews.get(frame_index)

    def results(self, frame_index: int) -> tuple[FrameResult, ...]:
        """The same with masks; () where nobody looked."""
        return tuple(map(to_result, self.records(frame_index) or ()))

    def looked_at(self) -> list[int]:
        """The frames that have records, in order."""
        with self._lock:
            return sorted({*range(len(self._records)), *self._previews})

    def corrected(self) -> list[tuple[int, int, bool]]:
        """The corrections as (frame, expression, whether it is there), in order."""
        with self._lock:
            return sorted(
                (frame, index, mask is not None)
                for frame, masks in self._corrections.items()
                for index, mask in masks.items()
            )

    def answers(self, frame_index: int) -> list[MaskAnswer]:
        """What the image model says of a frame by itself, an answer an expression. Raises `DataError`."""
        with self._lock:
            known = self._answers.get(frame_index)
        if known is not None:
            return known
        frame = self.film.frame(frame_index)
        answers = self._segmenter.system.answers(frame.image, self.expressions)
        with self._lock:
            while len(self._answers) >= _KEPT_ANSWERS:
                self._answers.pop(next(iter(self._answers)))
            self._answers[frame_index] = answers
        return answers

    def correct(self, frame_index: int, expression_index: int, mask: np.ndarray | None) -> None:
        """From this frame on, that is what an expression means: mask (H, W) bool, None where it is not there. What was
        found from there on is forgotten. Raises `DataError` or `ConfigError` for what cannot be."""
        self._segmenter.system.tracker.check_correctable()
        self._check_place(frame_index, expression_index)
        if mask is not None:
            self._check_mask(mask, expression_index)
        before = self.results(frame_index)
        self._forget_from(frame_index)
        with self._lock:
            self._corrections.setdefault(frame_index, {})[expression_index] = mask
            if before:  # seen at once, before the film is watched so far again
                is_there = float(mask is not None)
                seen = np.zeros(self.film.info.size, bool) if mask is None else mask
                meant = replace(before[expression_index], mask=seen, score=is_there, presence=is_there, track_masks={})
                shown = [meant if i == expression_index else other for i, other in enumerate(before)]
                self._previews[frame_index] = tuple(map(to_record, shown))

    def _check_mask(self, mask: np.ndarray, expression_index: int) -> None:
        if mask.shape != self.film.info.size or mask.dtype != np.bool_:
            raise DataError(f"correction: expected bool {self.film.info.size}, got {mask.dtype} {mask.shape}")
        if not mask.any():
            raise DataError(
                f"correction: expected the pixels of '{self.expressions[expression_index]}', got none: if it is "
                "not visible, choose Not here"
            )

    def withdraw(self, frame_index: int, expression_index: int) -> None:
        """Take a correction back. Raises `DataError` where there is none."""
        self._check_place(frame_index, expression_index)
        with self._lock:
            if expression_index not in self._corrections.get(frame_index, {}):
                raise DataError(f"correction: expected one on frame {frame_index}, got none: there is nothing to undo")
            del self._corrections[frame_index][expression_index]
        self._forget_from(frame_index)

    def steps(self) -> Generator[None, None, None]:
        """Look at some frames first, then watch the film from where it stopped: a frame a step.

        Raises `RvosError`: what cannot be asked, or `DataError` where the film breaks, with all before it kept.
        """
        session = self._segmenter.session(self.expressions, candidates=True)
        self._understand()
        yield
        if not self._records:
            for index in preview_frames(self.film.frame_count)[self._looked :]:
                if self.records(index) is None:
                    self._preview(index)
                self._looked += 1
                yield
        corrected = CorrectedSession(session, self._corrections)
        answered = self._restore(corrected)
        stream = Stream(corrected, answered)
        with self.film.frames(answered) as frames:
            for frame in frames:
                seen_before = corrected.frame_count
                for _, results in stream.step(frame):
                    self._add(results)
                if corrected.frame_count // SNAPSHOT_EVERY > seen_before // SNAPSHOT_EVERY:
                    self._keep(corrected, corrected.frame_count - stream.waiting)
                yield
        for _, results in stream.finish():
            self._add(results)
        self._end()

    def _understand(self) -> None:
        system = self._segmenter.system
        understood = system.understood(self.expressions) or [{}] * len(self.expressions)
        self.meanings = tuple(
            Meaning(text, told, tuple(system.unseen_words([text])))
            for text, told in zip(self.expressions, understood, strict=True)
        )
        self.revision += 1

    def _preview(self, index: int) -> None:
        """What the image model says of a frame, as a first idea of it."""
        frame = self.film.frame(index)
        shown = [
            FrameResult(index, frame.time_s, i, answer.mask(frame.size), answer.score, answer.presence)
            for i, answer in enumerate(self.answers(index))
        ]
        with self._lock:
            self._previews[index] = tuple(map(to_record, shown))
        self.revision += 1

    def _add(self, results: Results) -> None:
        """What was found on a frame, unless that is known: on the way to a correction frames are watched again."""
        with self._lock:
            if results[0].frame_index == len(self._records):
                self._records.append(tuple(map(to_record, results)))
        self.revision += 1

    def _end(self) -> None:
        """Where fewer frames came than the header says, the film is as long as what came."""
        if self.done:
            self.film.frame_count = self.done
        self.revision += 1

    def _keep(self, session: CorrectedSession, answered: int) -> None:
        (self._folder / f"{session.frame_count}").write_bytes(session.snapshot())
        with self._lock:
            self._snapshots[session.frame_count] = answered

    def _restore(self, session: CorrectedSession) -> int:
        """Bring a session to the last snapshot; how many frames have had their answers by then."""
        with self._lock:
            seen = max(self._snapshots, default=0)
        if not seen:
            return 0
        session.restore((self._folder / f"{seen}").read_bytes())
        return self._snapshots[seen]

    def _forget_from(self, frame_index: int) -> None:
        with self._lock:
            del self._records[frame_index:]
            self._previews = {index: kept for index, kept in self._previews.items() if index < frame_index}
            for seen in [seen for seen in self._snapshots if seen > frame_index]:
                del self._snapshots[seen]
                (self._folder / f"{seen}").unlink(missing_ok=True)
        self.corrected_times += 1
        self.revision += 1

    def _check_place(self, frame_index: int, expression_index: int) -> None:
        if not 0 <= expression_index < len(self.expressions):
            raise DataError(f"expression: expected 0 to {len(self.expressions) - 1}, got {expression_index}")
        if not 0 <= frame_index < self.film.frame_count:
            raise DataError(f"frame: expected 0 to {self.film.frame_count - 1}, got {frame_index}")


def preview_frames(frame_count: int) -> list[int]:
    """The frames that are looked at first: the first one, then those that halve what is between."""
    spread = sorted({round(i * (frame_count - 1) / (PREVIEWS - 1)) for i in range(PREVIEWS)})
    order: list[int] = []
    for step in (PREVIEWS, 4, 2, 1):
        order += [index for index in spread[::step] if index not in order]
    return order
