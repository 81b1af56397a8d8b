"""Which pictures have masks when only a share of them is labelled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from image_core.evaluation import Samples
from image_core.types import ImageSample


def labelled_indices(count: int, share: float, seed: int) -> list[int]:
    """The ceil(share * count) pictures whose masks may be used, rising; a pure function of its arguments.

    Nested: the pictures of a smaller share are among those of a larger one with the same seed. Pictures are drawn and
    not expressions, so that no mask of a picture gets out through another of its sentences. `share` in (0, 1].
    """
    labelled = math.ceil(share * count - 1e-9)  # 0.1 * 30 is a hair above 3
    return sorted(np.random.default_rng((seed, count)).permutation(count)[:labelled].tolist())


class Subset:
    """A map-style view of some pictures of a set, in the order of `indices`."""

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self.samples, self.indices = samples, list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> ImageSample:
        return self.samples[self.indices[index]]
