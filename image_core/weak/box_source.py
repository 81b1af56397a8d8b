"""Where the box of an expression comes from when a pseudo label is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from image_core.evaluation.samples import Samples
from image_core.geometry.masks import bounding_box
from image_core.weak.proposals.proposer import Proposer
from image_core.weak.sparc import Sparc
from image_core.weak.unlabelled import UnlabelledImage


class BoxSource(Protocol):
    """Gives every expression of an image its box."""

    def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
        """E boxes (4,) xyxy in pixels, None where there is none. Raises `DataError` where they cannot be determined."""
        ...


class NoBoxes:
    """For filters that ask for none."""

    def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
        return [None] * len(picture.expressions)


class SparcBoxes:
    """SafaRi's: SpARC over the proposals of a detector; no box label involved."""

    def __init__(self, sparc: Sparc, proposer: Proposer) -> None:
        self.sparc, self.proposer = sparc, proposer

    def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
        proposals = self.proposer.propose(picture.image, picture.sample_id, picture.expressions)
        if not len(proposals):
            return [None] * len(picture.expressions)
        return [located.box_xyxy for located in self.sparc.locate(picture.image, proposals, picture.expressions)]


class TrueBoxes:
    """Partial-RES' setting of 100 % boxes: those of the true masks, which nothing else here may see.

    A method judged with these uses a box label of every image: it is to be named so wherever it is compared.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
        sample = self._samples[picture.index]
        masks = dict(zip(sample.expression_ids, sample.masks, strict=True))
        boxes = [bounding_box(masks[name]) for name in picture.expression_ids]
        return [None if box is None else np.array(box, np.float64) for box in boxes]
