"""The questions to a language model about numbered outlines, and the strict reading of its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rvos.tracking.deciding.decision import Verdict
from rvos.tracking.deciding.outlines import colour_of

AGAIN = "Your last answer was not that JSON object. Answer with the JSON object alone."
"""Added to a question that is repeated."""
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


def question_of_all(expression: str, numbers: Sequence[int], image_count: int) -> str:
    """Which of the numbered objects are meant, with `image_count` images of the whole video. numbers: of the
    outlines."""
    return (
        f"{_image_count_text(image_count)} of one video, in order. {_outlines_text(numbers)} "
        f'Which of them does this expression mean: "{_plain(expression)}"? '
        f"It may mean one, several or none. {_answer_format(numbers)}"
    )


def question_of_one(expression: str, number: int, frames: int) -> str:
    """Whether one object is meant, with frames of that object alone, each shown whole and as a close-up."""
    return (
        f"{_image_count_text(2 * frames)} of one video, in order: a frame with one object outlined, number {number} "
        f"({colour_of(number)[0]}), then the object from near without the outline{', and so on' * (frames > 1)}. "
        f'Does this expression mean that object: "{_plain(expression)}"? {_answer_format([number])}'
    )


def read_verdicts(answer: str, numbers: Sequence[int]) -> dict[int, Verdict] | None:
    """Number -> verdict, from one JSON object that has nothing around it but a code fence; numbers that it leaves out
    are unsure. None for an invalid answer, such as one with a number that was not asked about, a number twice, or
    another word."""
    text = answer.strip()
    fenced = _FENCED.fullmatch(text)
    try:
        parsed = json.loads(fenced[1] if fenced else text, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        return None
    number_of, words = {str(number): number for number in numbers}, set(Verdict)
    if not isinstance(parsed, dict) or not parsed or not parsed.keys() <= number_of.keys():
        return None
    if not all(isinstance(word, str) and word in words for word in parsed.values()):
        return None
    return {number: Verdict(parsed.get(key, Verdict.UNSURE)) for key, number in number_of.items()}


def _without_repetition(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("the same key twice")
    return dict(pairs)


def _image_count_text(count: int) -> str:
    return "This is a picture" if count == 1 else f"These are {count} pictures"


def _outlines_text(numbers: Sequence[int]) -> str:
    labels = [f"{number} ({colour_of(number)[0]})" for number in numbers]
    if len(labels) == 1:
        return f"One object is outlined and numbered: {labels[0]}."
    return f"Objects are outlined and numbered: {', '.join(labels)}."


def _answer_format(numbers: Sequence[int]) -> str:
    form = ", ".join(f'"{number}": VERDICT' for number in numbers)
    return (
        f"Answer with one JSON object and nothing else: {{{form}}}, where VERDICT is "
        '"accept" (meant), "reject" (not meant) or "unsure" (these pictures do not show it).'
    )


def _plain(expression: str) -> str:
    """On one line, and without the quotation marks that stand around it."""
    return " ".join(expression.replace('"', "'").split())
