"""How the frames of a video are read: which answers of the image model each of them gets.

A reader asks one image model for the expressions of one video. `FeatureReader` shares features between expressions and,
through a propagator, between frames; `MaskReader` asks a model of which nothing is known but `segment`.
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
from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures, TextFeatures
from rvos.reading.propagation import Propagator
from rvos.reading.rows import state_of_row
from rvos.reading.stem import Stem
from rvos.view.frame_view import View

State = TypeVar("State")
Answers = list[MaskAnswer | None]
"""One an expression; None where the frame was not decoded for it."""


class Reader(ABC, Generic[State]):
    """Answers of an image model for E expressions, frame by frame. It holds nothing that changes: what it remembers of
    the video is in a frozen dataclass that `read` takes and returns. Equal expressions are asked once a frame."""

    def __init__(self, expressions: Sequence[str]) -> None:
        """Raises `RvosError` for no expression or a blank one."""
        check_expressions(expressions)
        self.expressions = tuple(expressions)

    @property
    def device(self) -> torch.device:
        """Where the tensors of its state lie."""
        return torch.device("cpu")

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """What its answers depend on, as JSON values: a state goes on in a reader of an equal document."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first frame."""

    @abstractmethod
    def read(self, view: View, is_key: bool, asking: Sequence[int], state: State) -> tuple[Answers, State]:
        """The answers of this frame, and the state after it.

        asking: positions of the expressions that want this frame to go through the whole model though it is no key
        frame. What one expression asked for is not shown to the others: together they would differ from apart.
        """

    def state_of(self, index: int, state: State) -> State:
        """What a reader of expression `index` alone would remember."""
        return state


@dataclass(frozen=True)
class NothingRead:
    """Nothing is remembered."""


class MaskReader(Reader[NothingRead]):
    """Key frames are segmented, the others are left to the tracker."""

    def __init__(self, model: MaskModel, expressions: Sequence[str]) -> None:
        super().__init__(expressions)
        self.model = model

    def document(self) -> dict[str, Any]:
        return {"model": describe(self.model).document()}

    def start(self) -> NothingRead:
        return NothingRead()

    def read(self, view: View, is_key: bool, asking: Sequence[int], state: NothingRead) -> tuple[Answers, NothingRead]:
        read = range(len(self.expressions)) if is_key else asking
        answers: Answers = [None] * len(self.expressions)
        if read:
            asked = list(dict.fromkeys(self.expressions[i] for i in read))
            given = dict(zip(asked, ask(self.model, view.frame.image, asked), strict=True))
            for i in read:
                answers[i] = given[self.expressions[i]]
        return answers, state


@dataclass(frozen=True)
class Input:
    """A frame as the network takes it in."""

    #: (1, 3, H, W), padded to the model's input size.
    images: Tensor
    #: (1, 2), (height, width) of it that show the frame.
    valid_px: Tensor
    #: Where somebody reads it.
    stem: Tensor | None


class FeatureReader(Reader[Any]):
    """Text is encoded once a video, and a frame once for all expressions; between key frames features propagate.

    decode_every: frames between key frames are decoded from propagated features; otherwise they are left to the
    tracker.
    """

    def __init__(
        self,
        segmenter: ImageSegmenter,
        expressions: Sequence[str],
        propagator: Propagator[Any],
        decode_every: bool = True,
    ) -> None:
        super().__init__(expressions)
        self.segmenter = segmenter
        self.propagator = propagator
        self.decode_every = decode_every
        self._asked = tuple(dict.fromkeys(self.expressions))
        # For each expression, where it stands in `_asked`.
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
    def read(self, view: View, is_key: bool, asking: Sequence[int], state: Any) -> tuple[Answers, Any]:
        answers: Answers = [None] * len(self.expressions)
        decode_all = is_key or self.decode_every
        if not decode_all and not asking:
            return answers, state
        taken = self._take_in(view) if is_key or asking or self.propagator.reads_stem else None
        if decode_all:
            fresh = self._encode(taken, range(len(self._asked))) if is_key and taken is not None else None
            features, state = self.propagator.step(view, self._stem(taken), fresh, state)
            rest = [i for i in range(len(answers)) if i not in asking]
            rows = self._rows_of(rest)
            shared = features if len(features) == 1 else self._rows(features, rows)
            answers = self._with_decoded(answers, rest, rows, shared)
        if asking and taken is not None:
            rows = self._rows_of(asking)
            answers = self._with_decoded(answers, asking, rows, self._encode(taken, rows))
        return answers, state

    def _rows_of(self, expressions: Sequence[int]) -> list[int]:
        """Where what these expressions ask stands in `_asked`, each once."""
        return list(dict.fromkeys(self._row_of[i] for i in expressions))

    @torch.inference_mode()
    def _encode_text(self) -> TextFeatures:
        with self._autocast():
            return self.segmenter.model.encode_text(self._asked)

    def _autocast(self) -> AbstractContextManager[None]:
        """The precision of the network, for the network alone: what a propagator compares keeps all its digits."""
        return autocast(self.segmenter.device, self.segmenter.precision)

    def _take_in(self, view: View) -> Input:
        pixels, valid = self.segmenter.preprocessing.prepare(view.frame.image)
        images = pixels[None].to(self.device)
        stem = None
        if self.propagator.reads_stem:
            with self._autocast():
                stem = self.segmenter.model.encode_stem(images)
        return Input(images, torch.tensor([valid], device=self.device), stem)

    def _stem(self, taken: Input | None) -> Stem | None:
        if taken is None or taken.stem is None:
            return None
        return Stem(taken.stem, self.segmenter.model.stem_stride)

    def _encode(self, taken: Input, of: Sequence[int]) -> ImageFeatures:
        """One row where the model fuses language late, a row an expression of `of` where it fuses early."""
        rows = torch.tensor(list(of), device=self.device)
        with self._autocast():
            return self.segmenter.encode(
                taken.images, self._text.select(rows), stem=taken.stem, valid_px=taken.valid_px
            )

    def _rows(self, features: ImageFeatures, of: Sequence[int]) -> ImageFeatures:
        return features.select(torch.tensor(list(of), dtype=torch.long, device=self.device))

    def _with_decoded(
        self, answers: Answers, of: Sequence[int], asked: Sequence[int], features: ImageFeatures
    ) -> Answers:
        """The answers with those of the expressions `of`.

        asked: where what they ask stands in `_asked`, each once; features: of these, one row for all, or a row each.
        """
        if not of:
            return answers
        rows, decoded = torch.tensor(list(asked), device=self.device), []
        own = features if len(features) == len(rows) else features.select(torch.zeros_like(rows))
        # What a processor works on should stay in its cache; on a GPU rows go side by side.
        for chunk in torch.arange(len(rows), device=self.device).split(1 if self.device.type == "cpu" else len(rows)):
            paired = own.select(chunk)
            with self._autocast():
                prediction = self.segmenter.model.decode(paired, self._text.select(rows[chunk]))
            decoded += self.segmenter.answers(prediction, paired.valid_px)
        answers, answer_of = list(answers), dict(zip(asked, decoded, strict=True))
        for i in of:
            answers[i] = answer_of[self._row_of[i]]
        return answers
