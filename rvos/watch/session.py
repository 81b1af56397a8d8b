"""Sessions: the one code path of video. A session takes a frame and returns the result of every target on it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from image_core.errors import DataError
from image_core.identity import name_of
from image_core.language.motion_parser import parse_timed
from image_core.state import from_bytes, to_bytes
from rvos.reading.key_frames import KeyFrames, KeyFrameState
from rvos.tracking.tracker import Tracker
from rvos.types import Frame, FrameResult, OutputError, expression_targets
from rvos.view.frame_view import View, view_of
from rvos.watch.pending_candidates import PendingCandidates

if TYPE_CHECKING:
    from rvos.reading.reader import Answers, Reader

SNAPSHOT_VERSION = 12
_MAX_PREPARE_THREADS = 8
"""Most threads that compute what a tracker needs of the frames of a chunk."""
EVERY_FRAME = KeyFrames(1)
FrameCorrections = Mapping[int, np.ndarray | None]
"""Position of an expression -> (H, W) bool, what it means on a frame and from there on; None if the target is
absent."""
NO_CORRECTIONS: FrameCorrections = MappingProxyType({})
NO_FRAMES_CORRECTED: Mapping[int, FrameCorrections] = MappingProxyType({})


@dataclass(frozen=True)
class SessionState:
    """All that is remembered of the frames so far. The states of reader and trackers are stored as bytes, since only
    reader and trackers know their types."""

    #: The settings of the session, as JSON: a snapshot is restored only in a session with the same.
    identity: str
    frame_count: int
    pace: KeyFrameState
    reading: bytes
    tracks: tuple[bytes, ...]
    #: One for each expression whose candidates are reported: the candidates that wait for their results.
    asked: tuple[PendingCandidates, ...]
    #: `View.small_image` of the last frame, (h, w, 3) uint8.
    picture: np.ndarray | None = None


class StreamSession:
    """The processing of one video for E expressions.

    The image model, the propagator and the tracker are shared and have no state. The whole state of this video is here:
    the last image, the key-frame counter, the reader's state, a tracker state per expression, and the number of frames
    so far. Frames are given in order, by one thread. Whether the parts can process a video together is checked before
    (`rvos.system`).

    key_frames: which frames are key frames. They do not depend on the expressions, so that E expressions together have
    the same results as E runs; expressions: as the user gave them, if the reader asks for a part of each (`questions`),
    else those of the reader; apart: each expression is treated as the only one of a run of its own, which `snapshot_of`
    is for: its results have the expression index 0; candidates_of: positions of the expressions whose results include
    the candidates of the image model.
    """

    def __init__(
        self,
        reader: Reader[Any],
        tracker: Tracker[Any],
        key_frames: KeyFrames = EVERY_FRAME,
        expressions: Sequence[str] | None = None,
        apart: bool = False,
        chunk: int = 1,
        candidates_of: Collection[int] = (),
    ) -> None:
        """chunk: how many frames are read together. Raises `ValueError` if the reader has another number of
        expressions."""
        self.expressions = reader.expressions if expressions is None else tuple(expressions)
        if len(self.expressions) != len(reader.expressions):
            raise ValueError(f"expected a reader of {len(self.expressions)} expressions, got {len(reader.expressions)}")
        self.targets = expression_targets(self.expressions)
        self.frame_count = 0
        self.chunk = chunk
        self._reader = reader
        self._tracker = tracker
        self._key_frames = key_frames
        # OpenCV releases the interpreter lock, so frames are prepared in parallel with the network, and with each
        # other. A new thread for every frame would leave memory behind, some MB a frame at first; these threads end
        # with the session.
        self._executor = ThreadPoolExecutor(min(chunk, _MAX_PREPARE_THREADS), "prepare")
        self._picture: np.ndarray | None = None
        self._pace = key_frames.start()
        self._reading = reader.start()
        self._tracks = tuple(
            tracker.start(0 if apart else index, parse_timed(text)) for index, text in enumerate(self.expressions)
        )
        self._candidates = {index: PendingCandidates() for index in sorted(candidates_of)}

    @property
    def latency(self) -> int:
        """How many frames at most pass before the results of a frame are ready."""
        return self._tracker.lookahead + self.chunk - 1

    @property
    def both_ways(self) -> bool:
        """Whether the session needs two passes over the video, with `rewind` in between."""
        return self._tracker.both_ways

    def step(self, frame: Frame, given: FrameCorrections = NO_CORRECTIONS) -> tuple[FrameResult, ...]:
        """The results of the E expressions, in their order, on the frame that is the tracker's `lookahead` back: ()
        before the first of them. A chunk of one frame.

        given: position of an expression -> (H, W) bool, a mask of this frame. It is the result of this frame, pixel for
        pixel, and from this frame on the expression means the object that it covers, whatever the image model answers.
        None says that the target is absent: nothing is shown on this frame, and the objects visible on it are not the
        target as long as they are followed; what comes into view later may be. The other expressions, and the frames
        before, stay as they are. Raises `DataError` for anything but a `Frame`, an empty mask, one of another size and
        an unknown expression; `ConfigError` if the tracker takes no corrections.
        """
        if not isinstance(frame, Frame):
            raise DataError(f"step: expected rvos.Frame(index, time_s, image), got {type(frame).__name__}")
        results = self.steps([frame], {frame.index: given})
        return results[0] if results else ()

    def steps(
        self, frames: Sequence[Frame], given: Mapping[int, FrameCorrections] = NO_FRAMES_CORRECTED
    ) -> list[tuple[FrameResult, ...]]:
        """`step` for consecutive frames, which are read together: all results that are ready then, in order. given: by
        the index of a frame. Raises as `step` does."""
        for frame in frames:
            self._check_corrections(frame, given.get(frame.index, NO_CORRECTIONS))
        views, keys, picture, pace = list[View](), [], self._picture, self._pace
        for frame in frames:
            views.append(view_of(frame, picture))
            is_key, pace = self._key_frames.step(views[-1], pace)
            keys.append(is_key)
            picture = views[-1].small_image
        prepared = deque(self._executor.submit(self._tracker.prepare, view) for view in views)
        answers, reading = self._reader.read(views, keys, self._reading)
        results, tracks, pending = [], self._tracks, self._candidates
        for is_key, of_frame in zip(keys, answers, strict=True):
            view = views.pop(0)  # what was computed for a frame is freed with it
            of_frame = of_frame if is_key else self._with_requested(view, of_frame, tracks)
            prepared.popleft().result()
            stepped = self._step_tracker(view, of_frame, given.get(view.frame.index, NO_CORRECTIONS), tracks)
            tracks = tuple(state for _, state in stepped)
            ready = [[] if result is None else [result] for result, _ in stepped]
            pending = {i: candidates.after(view.frame, of_frame[i]) for i, candidates in pending.items()}
            ready, pending = _with_candidates(ready, pending)
            results.append(tuple(result for of_expression in ready for result in of_expression))
        # The state changes only after the frames were processed completely.
        self._picture, self._pace, self._reading = picture, pace, reading
        self._tracks, self._candidates = tracks, pending
        self.frame_count += len(frames)
        return [of_frame for of_frame in results if of_frame]

    def _with_requested(self, view: View, answers: Answers, tracks: Sequence[Any]) -> Answers:
        """The answers on a frame between key frames, with those of the expressions that need the whole model on it."""
        indices = [i for i, state in enumerate(tracks) if self._tracker.needs_answer(state)]
        if not indices:
            return answers
        requested = dict(zip(indices, self._reader.ask(view, indices), strict=True))
        return [requested.get(i, answer) for i, answer in enumerate(answers)]

    def _step_tracker(
        self, view: View, answers: Answers, given: FrameCorrections, tracks: Sequence[Any]
    ) -> list[tuple[FrameResult | None, Any]]:
        """Results and states after a frame. given: the corrections on it."""
        uncorrected = [i for i in range(len(tracks)) if i not in given]
        stepped = iter(self._tracker.steps(view, [answers[i] for i in uncorrected], [tracks[i] for i in uncorrected]))
        return [
            self._tracker.corrected(view, given[i], answers[i], state) if i in given else next(stepped)
            for i, state in enumerate(tracks)
        ]

    def _check_corrections(self, frame: Frame, given: FrameCorrections) -> None:
        """Raise `DataError` for a correction that does not fit the frame or the expressions, and `ConfigError` if the
        tracker takes none."""
        if given:
            self._tracker.check_correctable()
        where = f"correction of frame {frame.index}"
        for index, mask in given.items():
            if not 0 <= index < len(self.expressions):
                raise DataError(f"{where}: expected an expression from 0 to {len(self.expressions) - 1}, got {index}")
            if mask is None:
                continue
            if mask.dtype != np.bool_ or mask.shape != frame.size:
                raise DataError(f"{where}: expected bool {frame.size}, as the frame, got {mask.dtype} {mask.shape}")
            if not mask.any():
                raise DataError(
                    f"{where}: expected the pixels of '{self.expressions[index]}', got an empty mask: give None if "
                    "the target is absent"
                )

    def finish(self) -> list[tuple[FrameResult, ...]]:
        """The results of the frames that still wait for later ones, at the end of the video."""
        ready, _ = _with_candidates([self._tracker.finish(state) for state in self._tracks], self._candidates)
        return list(zip(*ready, strict=True))

    def decision_document(self) -> list[dict[str, Any] | None]:
        """For each of the E expressions, how it was decided which tracks it means, as JSON values; None if there is
        nothing to report."""
        return [self._tracker.decision_document(state) for state in self._tracks]

    def rewind(self) -> None:
        """Start the same video again, with what the trackers have found on the first pass."""
        self.frame_count = 0
        self._picture = None
        self._pace = self._key_frames.start()
        self._reading = self._reader.start()
        self._tracks = tuple(self._tracker.second_pass_state(state) for state in self._tracks)
        self._candidates = dict.fromkeys(self._candidates, PendingCandidates())

    def snapshot(self) -> bytes:
        """The states and the frame counter, for `restore` in a session with the same settings."""
        return self._snapshot(range(len(self.expressions)), self._reading)

    def snapshot_of(self, index: int) -> bytes:
        """The snapshot that a session of expression `index` alone would have: if all are `apart`, it can be continued
        alone."""
        return self._snapshot((index,), self._reader.state_of(index, self._reading))

    def _snapshot(self, of: Sequence[int], reading: Any) -> bytes:
        return to_bytes(
            SessionState(
                identity=self._identity(of),
                frame_count=self.frame_count,
                pace=self._pace,
                reading=to_bytes(reading),
                tracks=tuple(to_bytes(self._tracks[i]) for i in of),
                asked=tuple(self._candidates[i] for i in of if i in self._candidates),
                picture=self._picture,
            )
        )

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot. Raises `OutputError` if it is damaged, or of another session."""
        try:
            state = from_bytes(SessionState, data)
            check_identity(self._identity(range(len(self.expressions))), state.identity)
            reading = from_bytes(type(self._reading), state.reading, self._reader.device)
            pairs = zip(self._tracks, state.tracks, strict=True)
            tracks = tuple(from_bytes(type(track), track_bytes) for track, track_bytes in pairs)
            pending = dict(zip(self._candidates, state.asked, strict=True))
        except ValueError as error:
            raise OutputError(f"snapshot: damaged ({error}); start over with --overwrite") from error
        self.frame_count, self._picture, self._pace = state.frame_count, state.picture, state.pace
        self._reading, self._tracks, self._candidates = reading, tracks, pending

    def _identity(self, of: Sequence[int]) -> str:
        return json.dumps(
            {
                "version": SNAPSHOT_VERSION,
                "reading": self._reader.document(),
                "tracker": {"class": name_of(type(self._tracker)), **self._tracker.document()},
                "key_frames": asdict(self._key_frames),
                "chunk": self.chunk,
                "expressions": [self.expressions[i] for i in of],
                "asked": [self._reader.expressions[i] for i in of],
                "candidates_of": [position for position, i in enumerate(of) if i in self._candidates],
            }
        )


def _with_candidates(
    ready: list[list[FrameResult]], pending: Mapping[int, PendingCandidates]
) -> tuple[list[list[FrameResult]], dict[int, PendingCandidates]]:
    """The results of each expression, with candidates for those that report them, and the candidates that still
    wait."""
    attached = {i: candidates.attach(ready[i]) for i, candidates in pending.items()}
    results = [attached[i][0] if i in attached else unchanged for i, unchanged in enumerate(ready)]
    return results, {i: remaining for i, (_, remaining) in attached.items()}


def questions(expressions: Sequence[str], tracker: Tracker[Any], draws_candidates: bool) -> tuple[str, ...]:
    """The texts that the image model is asked for the expressions with this tracker."""
    return tuple(tracker.question(parse_timed(expression), draws_candidates) for expression in expressions)


def check_identity(own: str, other: str) -> None:
    """Raise `OutputError` if a snapshot is of another session, `ValueError` if its identity is not JSON."""
    if own == other:
        return
    mine, theirs = json.loads(own), json.loads(other)
    differing = [
        f"{key} {mine.get(key)}, got {theirs.get(key)}"
        for key in {**mine, **theirs}
        if mine.get(key) != theirs.get(key)
    ]
    raise OutputError(f"snapshot: expected one with {'; '.join(differing)}: start over with --overwrite")
