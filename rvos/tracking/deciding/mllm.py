"""The decider `mllm`: a multimodal language model gets images of the numbered tracks, and accepts or rejects each track
or is unsure. For each track of which it is unsure there is one more question, with frames of that track alone.

After AgentRVOS (arXiv 2603.23489), whose prompts are not ours. Questions are independent: no question contains earlier
ones or their answers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np

from image_core.ranges import Count, Range, check_ranges
from rvos.tracking.deciding.album import Album, Page
from rvos.tracking.deciding.decider import ModelDecider
from rvos.tracking.deciding.decision import Decision, QuestionRecord, Verdict
from rvos.tracking.deciding.outlines import crop_around, draw_outlines
from rvos.tracking.deciding.verdicts import AGAIN, question_of_all, question_of_one, read_verdicts

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class MllmConfig:
    """The numbers of the questions to a multimodal language model."""

    #: An image-text-to-text model of transformers: OWNER/NAME or OWNER/NAME@COMMIT of the hub, or a folder.
    model: str = ""
    #: Most questions about one expression; a repeated question counts twice.
    questions: Count = 8
    #: Most frames in the question about all tracks.
    frames: Count = 4
    #: Most frames in a question about one track; each is shown as a whole and as a close-up.
    own_frames: Count = 2
    #: Most tokens of an answer.
    tokens: Annotated[int, Range(8, 4096)] = 256

    def __post_init__(self) -> None:
        check_ranges(self)


class Answerer(Protocol):
    """A model that answers questions about images."""

    def answer(self, images: Sequence[np.ndarray], question: str, most_tokens: int) -> str:
        """N images (h, w, 3) uint8 RGB and a question -> its answer, of at most `most_tokens` tokens."""
        ...


class Mllm(ModelDecider[Answerer]):
    """Asks an image-text-to-text model."""

    config: MllmConfig

    def decide(self, expression: str, album: Album) -> Decision | None:
        """None for an album without tracks, without a question to the model."""
        if not album.tracks:
            return None
        _LOG.info("'%s': asking which of %d tracks it means", expression, len(album.tracks))
        interview = _Interview(self._model, self.config)
        number_of = {track_id: number for number, track_id in enumerate(sorted(album.tracks), 1)}
        verdicts = dict.fromkeys(album.tracks, Verdict.UNSURE)
        pages = pages_of_all(album, self.config.frames)
        shown = [track_id for track_id in number_of if any(track_id in page.masks for page in pages)]
        images = [self._numbered(page, number_of) for page in pages]
        numbers = {number_of[track_id]: track_id for track_id in shown}
        question = question_of_all(expression, list(numbers), len(images))
        verdicts |= interview.ask([page.frame_index for page in pages], images, question, numbers)
        for track_id in album.tracks:
            if verdicts[track_id] is Verdict.UNSURE:
                verdicts |= self._ask_about_track(interview, expression, album, track_id, number_of[track_id])
        decision = Decision(verdicts, questions=tuple(interview.questions))
        if decision.is_open:
            _LOG.warning("'%s': the model accepts no track and is unsure of some; the rules decide", expression)
        return decision

    def _ask_about_track(
        self, interview: _Interview, expression: str, album: Album, track_id: int, number: int
    ) -> dict[int, Verdict]:
        pages, images = album.views(track_id, self.config.own_frames), []
        for page in pages:
            plain = page.image(self._image_px)
            mask = page.mask(track_id, plain.shape[:2])
            images += [draw_outlines(plain, {number: mask}), crop_around(plain, mask, self._image_px)]
        question = question_of_one(expression, number, len(pages))
        return interview.ask([page.frame_index for page in pages], images, question, {number: track_id})

    def _numbered(self, page: Page, number_of: dict[int, int]) -> np.ndarray:
        """(h, w, 3) uint8 RGB: a page with the outlines of all tracks that have a number."""
        plain = page.image(self._image_px)
        size = plain.shape[0], plain.shape[1]
        masks = {number: page.mask(track_id, size) for track_id, number in number_of.items() if track_id in page.masks}
        return draw_outlines(plain, masks)


class _Interview:
    """The questions about one expression, up to the limit."""

    def __init__(self, model: Answerer, config: MllmConfig) -> None:
        self.questions: list[QuestionRecord] = []
        self._model = model
        self._config = config

    def ask(
        self, frames: Sequence[int], images: Sequence[np.ndarray], question: str, numbers: dict[int, int]
    ) -> dict[int, Verdict]:
        """Track id -> verdict. After an invalid answer the question is repeated once; {} if that fails too, or no
        question is left."""
        for text in (question, f"{question} {AGAIN}"):
            if len(self.questions) >= self._config.questions:
                return {}
            answer = self._model.answer(images, text, self._config.tokens)
            verdicts = read_verdicts(answer, list(numbers))
            self.questions.append(QuestionRecord(tuple(frames), numbers, text, answer, verdicts))
            if verdicts is not None:
                return {numbers[number]: verdict for number, verdict in verdicts.items()}
        return {}


def pages_of_all(album: Album, most: int) -> list[Page]:
    """At most `most` pages, in the order of the video. They are chosen one by one: the page that shows the most tracks
    not seen yet, and of equals the one farthest in time from those chosen."""
    left, unseen, chosen = dict(album.pages), set(album.tracks), []
    while left and len(chosen) < most:
        news = {index: len(unseen & page.masks.keys()) for index, page in left.items()}
        apart = {index: min((abs(index - one.frame_index) for one in chosen), default=0) for index in left}
        best = max(left, key=lambda index: (news[index], apart[index], len(left[index].masks), -index))
        chosen.append(left.pop(best))
        unseen -= chosen[-1].masks.keys()
    return sorted(chosen, key=lambda page: page.frame_index)
