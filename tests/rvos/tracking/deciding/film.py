"""A film of two balls, an image model that takes the wrong one for the target, and trackers that decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np

from benchmarks.harness.recorded import RecordedReader
from image_core.answer import Candidate, MaskAnswer
from rvos.tracking.deciding.decider import Decider
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.types import Frame, FrameResult
from rvos.watch.session import StreamSession
from rvos.watch.stream import process

SIZE = (120, 200)
FRAMES = 16
RED, BLUE = (220, 40, 30), (30, 60, 220)
EXPRESSION = "the red ball"


@dataclass(frozen=True)
class Film:
    """T frames, where both balls are on each, (T, H, W) bool, and what the image model answers."""

    frames: tuple[Frame, ...]
    red: np.ndarray
    blue: np.ndarray
    answers: tuple[tuple[MaskAnswer, ...], ...]


def _ball(x: int, y: int) -> np.ndarray:
    return cv2.circle(np.zeros(SIZE, np.uint8), (x, y), 17, 1, -1) > 0


@cache
def film() -> Film:
    """The red ball goes to the right above, the blue one to the left below; the model takes the blue one for meant."""
    ground = cv2.GaussianBlur(np.random.default_rng(0).integers(60, 180, (*SIZE, 3), np.uint8), (0, 0), 2)
    frames, reds, blues, answers = [], [], [], []
    for t in range(FRAMES):
        red, blue, image = _ball(30 + 6 * t, 34), _ball(160 - 6 * t, 86), ground.copy()
        image[red], image[blue] = RED, BLUE
        frames.append(Frame(t, t / 25, image))
        reds.append(red)
        blues.append(blue)
        answers.append((MaskAnswer((Candidate(blue, 0.8), Candidate(red, 0.3)), 0.9),))
    return Film(tuple(frames), np.stack(reds), np.stack(blues), tuple(answers))


def session(decider: Decider | None, lookahead: int = 0, expression: str = EXPRESSION) -> StreamSession:
    """One that has watched the film once, and is at its beginning again."""
    tracker = TracksTracker(TracksConfig(both_ways=True, lookahead=lookahead), decider)
    begun = StreamSession(RecordedReader([expression], dict(enumerate(film().answers)), "film"), tracker)
    for frame in film().frames:
        begun.step(frame)
    begun.rewind()
    return begun


def results(begun: StreamSession) -> list[FrameResult]:
    """T of them, of the second pass."""
    return [given[0] for _, given in process(begun, film().frames)]


@dataclass
class Scripted:
    """A model whose answers are written down: the last one again and again; it keeps what it was asked."""

    script: Sequence[str]
    questions: list[str] = field(default_factory=list)
    pictures: list[list[np.ndarray]] = field(default_factory=list)

    def answer(self, images: Sequence[np.ndarray], question: str, most_tokens: int) -> str:
        self.questions.append(question)
        self.pictures.append(list(images))
        return self.script[min(len(self.questions), len(self.script)) - 1]
