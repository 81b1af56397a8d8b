"""Replays recorded answers of an image model to trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from image_core.answer import MaskAnswer
from rvos.reading.reader import Answers, NothingRead, Reader
from rvos.view.frame_view import View


class RecordedReader(Reader[NothingRead]):
    """Returns recorded answers on key frames, and none on other frames. answers: index of a frame -> E answers."""

    def __init__(self, expressions: Sequence[str], answers: Mapping[int, Sequence[MaskAnswer]], name: str) -> None:
        super().__init__(expressions)
        self._answers = answers
        self._name = name

    def document(self) -> dict[str, Any]:
        return {"recorded": self._name}

    def start(self) -> NothingRead:
        return NothingRead()

    def read(
        self, views: Sequence[View], keys: Sequence[bool], state: NothingRead
    ) -> tuple[list[Answers], NothingRead]:
        nothing: Answers = [None] * len(self.expressions)
        pairs = zip(views, keys, strict=True)
        return [list(self._answers[view.frame.index]) if is_key else nothing for view, is_key in pairs], state

    def ask(self, view: View, of: Sequence[int]) -> Answers:
        return [None] * len(of)
