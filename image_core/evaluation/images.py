"""The sets of images that an image model is evaluated on: synthetic ones, and the public referring datasets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from image_core.data.table import DEFAULT_SPLITS, author_of, canonical_name, open_dataset
from image_core.sample import ImageSample
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.fingerprint import pictures_sha256

PUBLISHED = ("lavt", "rela", "cgformer", "seqtr")
"""Protocols of the RefCOCO family beside the native one."""

_OTHER_PROTOCOLS: dict[str, tuple[str, ...]] = {"grefcoco": ("rela", "rela_50px"), "phrasecut": ()}
"""Dataset -> its protocols, where they are others. PhraseCut's own evaluator compares as the native one does."""


class ImageSet(ABC):
    """One split, image by image."""

    #: As the command line takes it.
    name: str
    #: What distinguishes it from other sets, for `settings.json`.
    settings: dict[str, Any]
    #: Names of `image_core.evaluation.protocols.PROTOCOLS` that its papers use.
    protocols: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def sample_id(self, index: int) -> str:
        """The name of an image, known without reading it."""

    @abstractmethod
    def sample(self, index: int) -> ImageSample:
        """An image with its expressions and true masks. Raises `DataError` where one is missing or broken."""

    @abstractmethod
    def expressions(self, index: int) -> tuple[str, ...]:
        """The texts of its expressions alone."""

    @abstractmethod
    def polygons(self, index: int) -> tuple[int, ...]:
        """The number of polygons of each true mask, 0 for other masks."""

    @abstractmethod
    def rasterised_masks(self, index: int, size: tuple[int, int]) -> list[np.ndarray]:
        """(h, w) bool of each expression: its true mask rasterised at `size`, not resized. Raises `DataError`."""

    @abstractmethod
    def true_masks(self, index: int) -> list[tuple[bool, np.ndarray | None]]:
        """Of each expression, whether it has a target and its mask (None where broken), without reading the image."""


class SyntheticImageSet(ImageSet):
    """A split of the synthetic images, `size_px` square. Raises `UnknownNameError` for one that is not there."""

    name = "synthetic-images"

    def __init__(self, split: str = "test", seed: int = 0, size_px: int = 192) -> None:
        self.settings = {"split": split, "seed": seed, "size_px": size_px, "pictures_sha256": pictures_sha256()}
        self._samples = SyntheticImages(split, seed, (size_px, size_px))

    def __len__(self) -> int:
        return len(self._samples)

    def sample_id(self, index: int) -> str:
        return f"{self._samples.split}_{self._samples.seed}_{index}"

    def sample(self, index: int) -> ImageSample:
        return self._samples[index]

    def expressions(self, index: int) -> tuple[str, ...]:
        return tuple(expression.text for expression in self._samples.describe(index)[1])

    def polygons(self, index: int) -> tuple[int, ...]:
        return (0,) * len(self.expressions(index))

    def rasterised_masks(self, index: int, size: tuple[int, int]) -> list[np.ndarray]:
        settings = self._samples
        return list(SyntheticImages(settings.split, settings.seed, size)[index].masks)

    def true_masks(self, index: int) -> list[tuple[bool, np.ndarray | None]]:
        return [(bool(mask.any()), mask) for mask in self._samples[index].masks]


class ReferringImageSet(ImageSet):
    """A split of the RefCOCO family, gRefCOCO or PhraseCut under `root`, every expression of every reference.

    split: None is `val` (RefCLEF, PhraseCut: `test`); split_by: None is the author whose splits papers report. Raises
    `UnknownNameError` for another name or author, `DataError` for what is missing or broken.
    """

    def __init__(self, name: str, root: Path, split: str | None = None, split_by: str | None = None) -> None:
        self.name = canonical_name(name)
        author = author_of(self.name, split_by)
        split = split or DEFAULT_SPLITS.get(self.name, "val")
        self.settings = {"dataset": self.name, "split": split, "split_by": author}
        self.protocols = _OTHER_PROTOCOLS.get(self.name, PUBLISHED)
        self._images = open_dataset(self.name, root, split, split_by=author)

    def __len__(self) -> int:
        return len(self._images)

    def sample_id(self, index: int) -> str:
        return self._images.sample_id(index)

    def sample(self, index: int) -> ImageSample:
        return self._images[index]

    def expressions(self, index: int) -> tuple[str, ...]:
        return self._images.expressions(index)

    def polygons(self, index: int) -> tuple[int, ...]:
        return self._images.polygons(index)

    def rasterised_masks(self, index: int, size: tuple[int, int]) -> list[np.ndarray]:
        return self._images.rasterised_masks(index, size)

    def true_masks(self, index: int) -> list[tuple[bool, np.ndarray | None]]:
        return self._images.true_masks(index)
