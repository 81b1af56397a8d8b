"""Readers: they ask an image model about the frames of a video, and decide which frames get answers.

A reader asks one image model for the expressions of one video. `FeatureReader` shares features between expressions and,
through a propagator, between frames; `MaskReader` asks a model of which only `segment` is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from image_core.answer import MaskAnswer
from image_core.data.words import check_expressions
from image_core.device import autocast
from image_core.identity import name_of
from image_core.mask_model import MaskModel, ask, describe
from image_core.models.base import split_features
from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures, TextFeatures
from rvos.reading.propagation import Propagator
from rvos.reading.rows import state_of_row
from rvos.reading.stem import Stem
from rvos.reading.uploads import FrameUploader
from rvos.view.frame_view import View

State = TypeVar("State")
GPU_BATCH_SIZE = 32
"""Largest batch of the network on a GPU."""
Answers = list[MaskAnswer | None]
"""One per expression; None if the frame was not decoded for it."""


class Reader(ABC, Generic[State]):
    """The answers of an image model for E expressions, some frames at a time. It holds nothing that changes: what it
    remembers of the video is in a frozen dataclass that `read` takes and returns. Equal expressions are asked once per
    frame."""

    def __init__(self, expressions: Sequence[str]) -> None:
        """Raises `RvosError` for no expression or a blank one."""
        check_expressions(expressions)
        self.expressions = tuple(expressions)

    @property
    def device(self) -> torch.device:
        """The device of the tensors in its state."""
        return torch.device("cpu")

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """What its answers depend on, as JSON values. A state can be continued in a reader with an equal document."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first frame."""

    @abstractmethod
    def read(self, views: Sequence[View], keys: Sequence[bool], state: State) -> tuple[list[Answers], State]:
        """The answers on F consecutive frames, and the state after them.

        keys: which of them are key frames. The answers are those that the frames would get one by one, up to rounding.
        """

    @abstractmethod
    def ask(self, view: View, of: Sequence[int]) -> Answers:
        """The answers for some expressions, by position, that need the whole model on this frame although it is no key
        frame. The other expressions do not get them, so that expressions asked together have the same results as
        alone."""

    def state_of(self, index: int, state: State) -> State:
        """The state that a reader of expression `index` alone would have."""
        return state


@dataclass(frozen=True)
class NothingRead:
    """Nothing is remembered."""


class MaskReader(Reader[NothingRead]):
    """Segments key frames; on the others the model is not asked, and the tracker carries the masks."""

    def __init__(self, model: MaskModel, expressions: Sequence[str]) -> None:
        super().__init__(expressions)
        self.model = model

    def document(self) -> dict[str, Any]:
        return {"model": describe(self.model).document()}

    def start(self) -> NothingRead:
        return NothingRead()

    def read(
        self, views: Sequence[View], keys: Sequence[bool], state: NothingRead
    ) -> tuple[list[Answers], NothingRead]:
        everyone = range(len(self.expressions))
        nothing: Answers = [None for _ in everyone]
        given = [self.ask(view, everyone) if is_key else nothing for view, is_key in zip(views, keys, strict=True)]
        return [list(answers) for answers in given], state

    def ask(self, view: View, of: Sequence[int]) -> Answers:
        asked = list(dict.fromkeys(self.expressions[i] for i in of))
        given = dict(zip(asked, ask(self.model, view.frame.image, asked), strict=True))
        return [given[self.expressions[i]] for i in of]


@dataclass(frozen=True)
class PreparedFrames:
    """F frames, prepared for the network."""

    #: (F, 3, H, W), padded to the model's input size.
    images: Tensor
    #: (F, C0, h, w), if the propagator reads it.
    stem: Tensor | None

    def part(self, frames: slice) -> PreparedFrames:
        """Some of the frames."""
        return PreparedFrames(self.images[frames], None if self.stem is None else self.stem[frames])


class FeatureReader(Reader[Any]):
    """Encodes text once per video, and a frame once for all expressions; features are propagated between key frames.

    Frames that are read together go through the network together: first the key frames in batches, then all pairs of a
    frame and an expression. The outputs of a batch are copied from the device at once.

    decode_every: whether frames between key frames are decoded from propagated features; if not, they get no answer,
    and the tracker carries the masks; batch_size: key frames, and pairs, in a batch. None for 1 on a CPU, where larger
    batches are slower (the data should stay in the processor's cache), and 32 elsewhere.
    """

    def __init__(
        self,
        segmenter: ImageSegmenter,
        expressions: Sequence[str],
        propagator: Propagator[Any],
        decode_every: bool = True,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(expressions)
        self.segmenter = segmenter
        self.propagator = propagator
        self.decode_every = decode_every
        self._batch_size = batch_size or (1 if segmenter.device.type == "cpu" else GPU_BATCH_SIZE)
        self._uploader = FrameUploader(segmenter.preprocessing, segmenter.device)
        self._asked = tuple(dict.fromkeys(self.expressions))
        # The position of each expression in `_asked`.
        self._row_of = [self._asked.index(expression) for expression in self.expressions]
        self._text = self._encode_text()

    @property
    def device(self) -> torch.device:
        return self.segmenter.device

    def document(self) -> dict[str, Any]:
        return {
            "model": self.segmenter.describe().document(),
            "precision": self.segmenter.precision,
            "propagation": {"class": name_of(type(self.propagator)), **asdict(self.propagator.config)},
            "decode_every": self.decode_every,
        }

    def start(self) -> Any:
        return self.propagator.start()

    def state_of(self, index: int, state: Any) -> Any:
        return state_of_row(self._row_of[index], state)

    @torch.inference_mode()
    def read(self, views: Sequence[View], keys: Sequence[bool], state: Any) -> tuple[list[Answers], Any]:
        key_frames = [f for f, is_key in enumerate(keys) if is_key]
        decoded = list(range(len(views))) if self.decode_every else key_frames
        answers: list[Answers] = [[None] * len(self.expressions) for _ in views]
        if not decoded:
            return answers, state
        everything, valid_px = list(range(len(self._asked))), self._valid_px(views[0])
        # Frames between key frames are only prepared if the propagator reads their stems. Key frames come first.
        seen = key_frames + [f for f in decoded if not keys[f] and self.propagator.reads_stem]
        prepared = self._prepare([views[f] for f in seen]) if seen else None
        fresh: dict[int, ImageFeatures] = {}
        if prepared is not None and key_frames:
            encoded = self._encode(prepared.part(slice(len(key_frames))), everything, valid_px)
            fresh = dict(zip(key_frames, encoded, strict=True))
        stems = dict(zip(seen, self._stems(prepared), strict=True))
        features, state = self.propagator.steps(
            [views[f] for f in decoded], [stems.get(f) for f in decoded], [fresh.get(f) for f in decoded], state
        )
        for f, given in zip(decoded, self._decode(features, len(decoded), everything, valid_px), strict=True):
            answers[f] = [given[row] for row in self._row_of]
        return answers, state

    @torch.inference_mode()
    def ask(self, view: View, of: Sequence[int]) -> Answers:
        rows = list(dict.fromkeys(self._row_of[i] for i in of))
        valid_px = self._valid_px(view)
        (features,) = self._encode(self._prepare([view]), rows, valid_px)
        (given,) = self._decode(features, 1, rows, valid_px)
        answer_of = dict(zip(rows, given, strict=True))
        return [answer_of[self._row_of[i]] for i in of]

    @torch.inference_mode()
    def _encode_text(self) -> TextFeatures:
        with self._autocast():
            return self.segmenter.model.encode_text(self._asked)

    def _autocast(self) -> AbstractContextManager[None]:
        """The precision of the network, for the network alone: what a propagator compares keeps its full precision."""
        return autocast(self.segmenter.device, self.segmenter.precision)

    def _prepare(self, views: Sequence[View]) -> PreparedFrames:
        images = self._uploader.prepared([view.frame.image for view in views])
        stem = None
        if self.propagator.reads_stem:
            with self._autocast():
                stem = torch.cat([self.segmenter.model.encode_stem(some) for some in images.split(self._batch_size)])
        return PreparedFrames(images, stem)

    def _stems(self, prepared: PreparedFrames | None) -> list[Stem | None]:
        if prepared is None:
            return []
        if prepared.stem is None:
            return [None] * len(prepared.images)
        return [Stem(cells, self.segmenter.model.stem_stride) for cells in prepared.stem.split(1)]

    def _valid_px(self, view: View) -> tuple[int, int]:
        """(height, width) of the part of the input that shows the frame; the same for all frames of a video."""
        return self.segmenter.preprocessing.content_size(*view.frame.size)

    def _encode(self, prepared: PreparedFrames, of: Sequence[int], valid_px: tuple[int, int]) -> list[ImageFeatures]:
        """The features of each frame: one row if the model fuses language late, one row per expression of `of` if it
        fuses early."""
        early = self.segmenter.model.fuses_language_in_encoder
        size, encoded = 1 if early else self._batch_size, []
        text = self._text if len(of) == len(self._asked) else self._text.select(self._rows(of))
        for start in range(0, len(prepared.images), size):
            some = prepared.part(slice(start, start + size))
            sizes = self._uploader.on_device((valid_px,) * len(some.images))
            with self._autocast():
                features = self.segmenter.encode(some.images, text, stem=some.stem, valid_px=sizes)
            encoded += [features] if early else split_features(features, len(some.images))
        return encoded

    def _rows(self, of: Sequence[int]) -> Tensor:
        if list(of) == list(range(len(of))):
            return torch.arange(len(of), device=self.device)  # made on the device, without a copy
        return torch.tensor(list(of), dtype=torch.long, device=self.device)

    def _decode(
        self, features: ImageFeatures, frames: int, of: Sequence[int], valid_px: tuple[int, int]
    ) -> list[list[MaskAnswer]]:
        """For each of F frames, the answers for the expressions at the positions `of` of `_asked`. features: of F
        frames, with one row each, or one row for each position of `of`."""
        early, count, decoded = len(features) != frames, len(of), []
        model, rows = self.segmenter.model, self._rows(of)
        together = max(1, self._batch_size // count)  # frames whose pairs are prepared together
        for first in range(0, frames, together):
            some = range(first, min(first + together, frames))
            frame = torch.arange(len(some), device=self.device).repeat_interleave(count)
            text = rows.repeat(len(some))
            own = features
            if len(some) < frames:
                each = count if early else 1
                own = features.select(torch.arange(some.start * each, some.stop * each, device=self.device))
            with self._autocast():
                own = model.precompute(own)
            pair = torch.arange(len(text), device=self.device) if early else frame
            for chosen, asked in zip(pair.split(self._batch_size), text.split(self._batch_size), strict=True):
                with self._autocast():
                    prediction = model.decode(own.select(chosen), self._text.select(asked))
                decoded += self.segmenter.answers(prediction, [valid_px] * len(chosen))
        return [decoded[start : start + count] for start in range(0, len(decoded), count)]
