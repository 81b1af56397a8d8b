"""Which images have masks when only a share of them is labelled, and what can be read without masks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from image_core.data.words import words_of
from image_core.evaluation.samples import Samples
from image_core.sample import ImageSample


def labelled_indices(count: int, share: float, seed: int) -> list[int]:
    """The max(1, ceil(share * count)) images whose masks may be used, rising; a pure function of its arguments.

    Nested: the images of a smaller share are among those of a larger one with the same seed. Images are drawn, not
    expressions, so that no mask of an unlabelled image is seen through another of its expressions. `share` in (0, 1].
    """
    labelled = max(1, math.ceil(share * count - 1e-9))  # 0.1 * 30 is a hair above 3
    return sorted(np.random.default_rng((seed, count)).permutation(count)[:labelled].tolist())


@runtime_checkable
class PartialSamples(Protocol):
    """Samples whose parts can be read without their masks, and their words without their images."""

    def sample_id(self, index: int) -> str:
        """The name of item `index`."""
        ...

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises `DataError` where it cannot be read."""
        ...

    def expressions(self, index: int) -> tuple[str, ...]:
        """Its E expressions."""
        ...

    def expression_ids(self, index: int) -> tuple[str, ...]:
        """Their E names."""
        ...


def words_in(samples: Samples, indices: Iterable[int]) -> tuple[str, ...]:
    """Every word of the expressions of some images, in lower case, sorted."""

    def texts(index: int) -> tuple[str, ...]:
        return samples.expressions(index) if isinstance(samples, PartialSamples) else samples[index].expressions

    return tuple(sorted({word for index in indices for text in texts(index) for word in words_of(text)}))


class Subset:
    """A map-style view of some images of a set, in the order of `indices`."""

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self.samples, self.indices = samples, list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> ImageSample:
        return self.samples[self.indices[index]]
