"""The stream of synthetic referring videos: animations, frames, expressions and truth, made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from image_core.errors import ConfigError
from image_core.synthetic.meanings import Meaning
from rvos.synthetic.animation import Animation
from rvos.synthetic.drawing import draw_frames, draw_tracks
from rvos.synthetic.expressions import ExpressionDraft, VideoExpression, resolve_expression, sample_drafts
from rvos.synthetic.generation import generate_animation
from rvos.synthetic.motion_meanings import MotionMeaning
from rvos.synthetic.severity import FAMILIES, SEVERITY, Severity
from rvos.synthetic.splits import DEFAULT_LENGTHS, check_split, video_seed

SIZE = (288, 512)
FRAMES = 36
RATE = 12.0
_MIN_PX = 32
_MIN_FRAMES = 24


@dataclass(frozen=True)
class VideoDescription:
    """A video before it is drawn."""

    video_id: str
    #: One of `severity.FAMILIES`.
    family: str
    animation: Animation
    expressions: tuple[VideoExpression, ...]
    #: That of each expression, in the same order.
    meanings: tuple[Meaning | MotionMeaning, ...]
    #: How the look-alike differs from the target: see `ObjectSet`.
    differs: str


@dataclass(frozen=True)
class VideoSample:
    """A video with its truth. Raises `ValueError` for arrays of another shape or dtype, or lengths that differ."""

    video_id: str
    #: (T, H, W, 3) uint8 RGB.
    frames: np.ndarray
    #: Frames per second.
    rate: float
    #: E of them; their `object_ids` are those of `tracks`.
    expressions: tuple[VideoExpression, ...]
    #: (T, H, W) uint8: the id of the object that each pixel shows, 0 = none.
    tracks: np.ndarray

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"VideoSample.frames: expected uint8 (T, H, W, 3), got {self.frames.dtype} {self.frames.shape}"
            )
        shape = self.frames.shape[:3]
        if self.tracks.shape != shape or self.tracks.dtype != np.uint8:
            raise ValueError(f"VideoSample.tracks: expected uint8 {shape}, got {self.tracks.dtype} {self.tracks.shape}")
        lengths = {len(e.answers) for e in self.expressions} | {len(self.frames)}
        if len(lengths) > 1:
            raise ValueError(f"VideoSample: expected as many answers as frames, got lengths {sorted(lengths)}")

    def mask(self, expression_index: int) -> np.ndarray:
        """(T, H, W) bool: the visible pixels of what an expression refers to; empty where that is not judged."""
        answers = self.expressions[expression_index].answers
        return np.stack([np.isin(track, list(ids or ())) for track, ids in zip(self.tracks, answers, strict=True)])

    def present(self, expression_index: int) -> np.ndarray:
        """(T,) bool: whether something of what an expression refers to is visible."""
        return np.array([bool(ids) for ids in self.expressions[expression_index].answers])

    def judged(self, expression_index: int) -> np.ndarray:
        """(T,) bool: where the truth is beyond dispute: everywhere but for some frames of stale expressions."""
        return np.array([ids is not None for ids in self.expressions[expression_index].answers])


class SyntheticVideos:
    """A map-style dataset: `[i]` is a `VideoSample` and a pure function of (split, seed, i).

    Video i has the family `FAMILIES[i % 8]`, and so have all of its expressions.

    split: train, val or test.
    seed: folded into the split's own range.
    size: (height, width) in pixels; changes the resolution and not the content as long as height : width stays.
    length: how many videos; None = 10^6 for train, else 512.
    frames: T.
    rate: frames per second; changes no content.
    challenge: False gives every video without its challenge, with the same objects, ground and stable expressions; the
        others, which speak of what moves where, are left out. Plain and absent videos have no challenge to take away.
    severity: for tests of the generator.

    Raises `UnknownNameError` for another split, `ConfigError` for a size or a number of frames that is too small, or a
    frame that is higher than wide.
    """

    def __init__(
        self,
        split: str = "val",
        seed: int = 0,
        size: tuple[int, int] = SIZE,
        length: int | None = None,
        frames: int = FRAMES,
        rate: float = RATE,
        challenge: bool = True,
        severity: Severity = SEVERITY,
    ) -> None:
        check_split(split)
        if min(size) < _MIN_PX or size[0] > size[1]:
            raise ConfigError(f"size: expected {_MIN_PX} px or more, no higher than wide, got {size[0]} x {size[1]} px")
        if frames < _MIN_FRAMES:
            raise ConfigError(f"frames: expected {_MIN_FRAMES} or more, for a challenge to have time, got {frames}")
        self.split = split
        self.seed = seed
        self.size = size
        self.length = DEFAULT_LENGTHS[split] if length is None else length
        self.frames = frames
        self.rate = rate
        self.challenge = challenge
        self.severity = severity

    def __len__(self) -> int:
        return self.length

    def describe(self, index: int) -> VideoDescription:
        """The animation of video `index` and its expressions, without drawing. Raises `IndexError` past the end."""
        if not 0 <= index < self.length:
            raise IndexError(f"expected a video index from 0 to {self.length - 1}, got {index}")
        rng = Random(video_seed(self.split, self.seed, index))
        family = FAMILIES[index % len(FAMILIES)]
        third = "motion" if family == "absent" or index // len(FAMILIES) % 2 else "stale"
        drafts: list[ExpressionDraft] | None = None
        while drafts is None:
            made = generate_animation(
                rng, self.split, family, self.frames, self.size[1] / self.size[0], self.rate, self.severity
            )
            drafts = sample_drafts(
                made.animation, made.without_challenge, None if family == "absent" else 1, rng, third
            )
        animation = made.animation if self.challenge else made.without_challenge
        kept = [w for w in drafts if self.challenge or w.kind == "stable"]
        expressions = tuple(resolve_expression(w, animation, family, str(i)) for i, w in enumerate(kept))
        video_id = f"{self.split}_{self.seed}_{index:05d}" + ("" if self.challenge else "_calm")
        return VideoDescription(video_id, family, animation, expressions, tuple(w.meaning for w in kept), made.differs)

    def draw(self, index: int) -> VideoSample:
        """Video `index` with its truth. Raises `IndexError` past the end."""
        described = self.describe(index)
        animation = described.animation
        return VideoSample(
            video_id=described.video_id,
            frames=draw_frames(animation, self.size),
            rate=animation.rate,
            expressions=described.expressions,
            tracks=draw_tracks(animation, self.size),
        )

    def __getitem__(self, index: int) -> VideoSample:
        return self.draw(index)
