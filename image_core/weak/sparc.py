"""SpARC, "Spatially Aware Red-box CLIP" (SafaRi, ECCV 2024): a box from words and proposals, without box labels.

Published: proposals of a detector, each shown as a red rectangle over the blurred image; an image-text scorer for
what things look like, rules for where they are; one box out. The rules are ReCLIP's; `predicates` says which are ours.
A phrase here is longer than ReCLIP's noun chunk: it keeps clothes, belongings and actions ("man in red holding a bat"),
for which there are no rules. The whole expression is scored on the same images as the phrases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from image_core.errors import ConfigError, DataError
from image_core.language.expression import Referent
from image_core.language.parser import parse_expression
from image_core.language.predicates import SpatialRules, compose, phrases_of, reweighted
from image_core.weak.prompting import PromptStyle, crop_proposals, show_proposals


class Scorer(Protocol):
    """Any model that scores how well a text fits an image, such as CLIP."""

    def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        """N images (h, w, 3) uint8 RGB of any sizes and E texts -> (N, E) logits, ready for a softmax over N."""
        ...


@dataclass(frozen=True)
class SparcConfig:
    """How an expression is put to the scorer. What is not published is proposed."""

    prompt: Literal["red_box", "crop"] = "red_box"  # "red_box" as published, or "crop", the proposal alone
    style: PromptStyle = field(default_factory=PromptStyle)
    rules: bool = True  # False asks the scorer for the whole expression and nothing else
    spatial: SpatialRules = field(default_factory=SpatialRules)
    template: str = "a photo of {}"  # what a phrase is put into
    # at the end, the result is multiplied by the distribution of the whole expression to this power: 1 as in ReCLIP, 0
    # leaves it out
    caption_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.prompt not in ("red_box", "crop"):
            raise ConfigError(f"SparcConfig.prompt: expected red_box or crop, got '{self.prompt}'")
        if self.template.count("{}") != 1:
            raise ConfigError(f"SparcConfig.template: expected one {{}} for the phrase, got '{self.template}'")
        if self.caption_weight < 0:
            raise ConfigError(f"SparcConfig.caption_weight: expected 0 or more, got {self.caption_weight}")


@dataclass(frozen=True)
class Located:
    """The box (4,) xyxy of an expression, its probability among the proposals, its position, and all of theirs (N,)."""

    box_xyxy: np.ndarray
    score: float
    index: int
    probabilities: np.ndarray


class Sparc:
    """Finds the proposals that expressions refer to."""

    def __init__(self, scorer: Scorer, config: SparcConfig = SparcConfig()) -> None:
        self.scorer = scorer
        self.config = config

    def locate(self, image: np.ndarray, proposals_xyxy: np.ndarray, expressions: Sequence[str]) -> list[Located]:
        """(H, W, 3) uint8 RGB, (N, 4) and E expressions -> E answers; the scorer is called once for all.

        Raises `DataError` without proposals, for an expression without words, and for arrays of another shape.
        """
        boxes = np.asarray(proposals_xyxy, np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
            raise DataError(f"SpARC: expected proposals (N, 4) with N > 0, got shape {boxes.shape}")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(f"SpARC: expected a picture uint8 (H, W, 3), got {image.dtype} {image.shape}")
        if not all(expression.strip() for expression in expressions):
            raise DataError("SpARC: expected expressions with words, got a blank one")
        if not expressions:
            return []
        questions = [question_of(expression, self.config) for expression in expressions]
        texts = list(dict.fromkeys(text for question in questions for text in question.texts))
        probabilities = self._probabilities(image, boxes, texts)
        return [self._answer(question, boxes, image.shape[:2], probabilities) for question in questions]

    def _probabilities(self, image: np.ndarray, boxes: np.ndarray, texts: list[str]) -> dict[str, np.ndarray]:
        """Text -> (N,) softmax over the boxes."""
        if self.config.prompt == "red_box":
            prompts = list(show_proposals(image, boxes, self.config.style))
        else:
            prompts = list(crop_proposals(image, boxes))
        logits = np.asarray(
            self.scorer.scores(prompts, [self.config.template.format(text) for text in texts]), np.float64
        )
        if logits.shape != (len(boxes), len(texts)) or not np.isfinite(logits).all():
            raise ValueError(f"Scorer: expected scores {(len(boxes), len(texts))}, all finite, got {logits.shape}")
        from scipy.special import softmax  # imported here, because few users of this module need it

        return dict(zip(texts, softmax(logits, axis=0).T, strict=True))

    def _answer(
        self, question: Question, boxes: np.ndarray, size: tuple[int, ...], probabilities: dict[str, np.ndarray]
    ) -> Located:
        height, width = size
        scores = compose(question.referent, boxes, (height, width), probabilities, self.config.spatial)
        if question.caption:
            scores = reweighted(scores, probabilities[question.caption] ** self.config.caption_weight)
        best = int(scores.argmax())
        return Located(boxes[best], float(scores[best]), best, scores)


@dataclass(frozen=True)
class Question:
    """The texts for the scorer: the phrases of the referent, and the whole expression or ""."""

    referent: Referent
    caption: str

    @property
    def texts(self) -> list[str]:
        """All of them, before they are put into a template."""
        return [*phrases_of(self.referent), *([self.caption] if self.caption else [])]


def question_of(expression: str, config: SparcConfig) -> Question:
    """The texts of an expression. If it has nothing for the predicates, the whole expression is the only phrase."""
    text = " ".join(expression.lower().split())
    referent = parse_expression(expression) if config.rules else Referent()
    if not referent.is_spatial:
        return Question(Referent(phrase=text), "")
    return Question(referent, text if config.caption_weight else "")
