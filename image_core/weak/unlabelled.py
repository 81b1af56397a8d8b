"""Images without access to their true masks, and the same images with pseudo labels.

Code that labels unlabelled images or learns from them gets these views, so it cannot read a true mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from image_core.data.words import words_of
from image_core.errors import DataError
from image_core.evaluation.samples import Samples
from image_core.geometry.rle import decode_rle
from image_core.sample import ImageSample
from image_core.training.subset import PartialSamples
from image_core.weak.ledger import PseudoLabel


@dataclass(frozen=True)
class UnlabelledImage:
    """An image and its expressions.

    The kinds of its expressions are left out too, since one of them says that there is no target.
    """

    index: int
    sample_id: str
    image: np.ndarray  # (H, W, 3) uint8 RGB
    expressions: tuple[str, ...]  # E of them
    expression_ids: tuple[str, ...]  # their names

    def without_empty(self) -> UnlabelledImage:
        """The same without expressions that have no words."""
        kept = [i for i, text in enumerate(self.expressions) if words_of(text)]
        expressions, names = (tuple(values[i] for i in kept) for values in (self.expressions, self.expression_ids))
        return replace(self, expressions=expressions, expression_ids=names)


class Unlabelled:
    """Some images of a set, by their indices there, rising.

    Masks are not read where the set can be read without (`PartialSamples`), and dropped at once where it cannot.
    """

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self._samples, self.indices, self._index_set = samples, sorted(indices), frozenset(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> UnlabelledImage:
        """The image `index` of the set. Raises what reading it raises, and `KeyError` for one that is not here."""
        if index not in self._index_set:
            raise KeyError(index)
        samples = self._samples
        if isinstance(samples, PartialSamples):
            return UnlabelledImage(
                index,
                samples.sample_id(index),
                samples.image(index),
                samples.expressions(index),
                samples.expression_ids(index),
            )
        sample = samples[index]
        return UnlabelledImage(index, sample.sample_id, sample.image, sample.expressions, sample.expression_ids)


class PseudoLabelled:
    """Map-style samples: the images with accepted pseudo labels, in the order of the set, with these alone."""

    def __init__(self, unlabelled: Unlabelled, labels: Iterable[PseudoLabel]) -> None:
        self._unlabelled = unlabelled
        grouped: dict[int, list[PseudoLabel]] = {}
        for label in labels:
            if label.verdict == "accepted":
                grouped.setdefault(label.index, []).append(label)
        self._labels = [grouped[index] for index in sorted(grouped)]

    def __len__(self) -> int:
        return len(self._labels)

    def words(self) -> frozenset[str]:
        """Every word of the accepted expressions, in lower case."""
        return frozenset(word for labels in self._labels for label in labels for word in words_of(label.text))

    def __getitem__(self, index: int) -> ImageSample:
        labels = self._labels[index]
        image = self._unlabelled.image(labels[0].index)
        return ImageSample(
            image=image.image,
            expressions=tuple(label.text for label in labels),
            masks=np.stack([_mask(label) for label in labels]),
            sample_id=image.sample_id,
            expression_ids=tuple(label.expression_id for label in labels),
        )


def _mask(label: PseudoLabel) -> np.ndarray:
    try:
        return decode_rle(label.mask or {})
    except ValueError as error:
        raise DataError(
            f"ledger, round {label.round}, expression {label.expression_id} of picture {label.index}: {error}"
        ) from error
