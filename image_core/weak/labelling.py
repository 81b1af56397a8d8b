"""One round of pseudo labels: every unlabelled image is predicted, filtered and recorded.

Only the mask is judged. `presence` is recorded but decides nothing: its calibration has used the true masks of the
validation split.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from image_core.answer import MaskAnswer
from image_core.data.words import words_of
from image_core.errors import RvosError
from image_core.geometry.rle import encode_rle
from image_core.segmenter import ImageSegmenter
from image_core.weak.box_source import BoxSource
from image_core.weak.ledger import Ledger, PseudoLabel
from image_core.weak.unlabelled import Unlabelled
from image_core.weak.validity import ValidityFilter

logger = logging.getLogger(__name__)

NO_WORDS = "no words"
_LOG_EVERY = 500


class Labeller:
    """A model, where boxes come from, and the filter."""

    def __init__(self, segmenter: ImageSegmenter, boxes: BoxSource, validity_filter: ValidityFilter) -> None:
        self.segmenter, self.boxes, self.validity_filter = segmenter, boxes, validity_filter

    def label_all(self, round: int, images: Unlabelled, ledger: Ledger) -> None:
        """Write the labels of every image, from where an earlier call was killed: the same lines as in one go."""
        last, lines = ledger.written(round)
        for done, index in enumerate(images.indices, 1):
            if index < last:
                continue
            labels = self._label(round, images, index)
            # An image that was begun may fail when it is predicted again: that is recorded, too.
            begun = index == last and not labels[0].of_picture
            ledger.append(labels[lines:] if begun else labels)
            if done % _LOG_EVERY == 0:
                logger.info("round %d: %d of %d pictures asked", round, done, len(images))

    def _label(self, round: int, images: Unlabelled, index: int) -> list[PseudoLabel]:
        """One label per expression, or a single failed label if the image cannot be read or predicted."""
        sample_id = ""
        try:
            image = images.image(index)
            sample_id = image.sample_id
            with_text = image.without_empty()
            answers = self.segmenter.segment(with_text.image, with_text.expressions) if with_text.expressions else []
            boxes = self.boxes.boxes(with_text) if with_text.expressions else []
        except RvosError as error:
            logger.warning("round %d, picture %d: %s", round, index, error)
            return [PseudoLabel(round, index, sample_id, "failed", str(error))]
        masks = [answer.mask(with_text.image.shape[:2], presence_threshold=0.0) for answer in answers]
        predictions = zip(masks, answers, boxes, strict=True)
        names = zip(image.expression_ids, image.expressions, strict=True)
        unanswered = [PseudoLabel(round, index, sample_id, "failed", NO_WORDS, *name) for name in names]
        return [self._judge(label, *next(predictions)) if words_of(label.text) else label for label in unanswered]

    def _judge(self, label: PseudoLabel, mask: np.ndarray, answer: MaskAnswer, box: np.ndarray | None) -> PseudoLabel:
        """mask: (H, W) bool, the predicted mask, whatever the presence."""
        verdict = self.validity_filter(mask, box)
        return replace(
            label,
            verdict="accepted" if verdict.accepted else "rejected",
            reason=verdict.reason,
            score=round_off(answer.score),
            presence=round_off(answer.presence),
            box=None if box is None else (round_off(box[0]), round_off(box[1]), round_off(box[2]), round_off(box[3])),
            validity=None if verdict.score is None else round_off(verdict.score),
            mask=encode_rle(mask),
        )


def round_off(value: float) -> float:
    """Six digits, as the ledger shows them."""
    return round(float(value), 6)
