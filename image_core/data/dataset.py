"""Records -> samples: one item is one image with all its expressions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from image_core.data.records import ReferringRecord
from image_core.data.words import words_of
from image_core.errors import DataError
from image_core.images import read_image
from image_core.sample import ImageSample


class ReferringImages:
    """A map-style dataset: item i is the i-th image, in the order the records first name it.

    Grouping by image and not by reference lets a late-fusion model encode each image once. `sample_id` is the image
    id, `expression_ids` are "<ref id>_<expression id>". Images and masks are read when an item is accessed. A
    missing or broken one raises `DataError` then.
    """

    def __init__(self, records: Iterable[ReferringRecord]) -> None:
        grouped: dict[int, list[ReferringRecord]] = {}
        for record in records:
            grouped.setdefault(record.image_id, []).append(record)
        self.groups = list(grouped.values())

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> ImageSample:
        group = self.groups[index]
        image = self.image(index)
        masks = [record.mask() for record in group for _ in record.expressions]
        return ImageSample(
            image=image,
            expressions=self.expressions(index),
            masks=np.stack(masks) if masks else np.zeros((0, *image.shape[:2]), bool),
            sample_id=self.sample_id(index),
            families=tuple(e.family for record in group for e in record.expressions),
            expression_ids=self.expression_ids(index),
        )

    def image(self, index: int) -> np.ndarray:
        """The image of item `index` alone, as `read_record_image` reads it: its masks are not read."""
        return read_record_image(self.groups[index][0])

    def sample_id(self, index: int) -> str:
        """The image id of item `index`."""
        return str(self.groups[index][0].image_id)

    def expressions(self, index: int) -> tuple[str, ...]:
        """The expressions of item `index`, without reading its image."""
        return tuple(e.text for record in self.groups[index] for e in record.expressions)

    def expression_ids(self, index: int) -> tuple[str, ...]:
        """The names of these expressions."""
        return tuple(f"{record.ref_id}_{e.expression_id}" for record in self.groups[index] for e in record.expressions)

    def polygons(self, index: int) -> tuple[int, ...]:
        """The number of polygons of each true mask of item `index`."""
        return tuple(record.polygons for record in self.groups[index] for _ in record.expressions)

    def rasterised_masks(self, index: int, size: tuple[int, int]) -> list[np.ndarray]:
        """The masks of item `index`, drawn at `size` (height, width). Raises `DataError`."""
        return [mask for record in self.groups[index] for mask in [record.mask(size)] * len(record.expressions)]

    def true_masks(self, index: int) -> list[tuple[bool, np.ndarray | None]]:
        """Of each expression, whether it has a target and its mask (None where broken), without reading the image."""
        masks = []
        for record in self.groups[index]:
            try:
                mask = record.mask()
            except DataError:
                mask = None
            masks += [(bool(record.annotation_ids), mask)] * len(record.expressions)
        return masks

    def words(self) -> frozenset[str]:
        """Every word of every expression, in lower case."""
        texts = (e.text for group in self.groups for record in group for e in record.expressions)
        return frozenset(word for text in texts for word in words_of(text))


def read_record_image(record: ReferringRecord) -> np.ndarray:
    """(H, W, 3) uint8 RGB of the record's image. Raises `DataError` when it is missing, broken or of another size."""
    path = record.image_path
    if not path.is_file():
        raise DataError(f"{path}: no such picture, which reference {record.ref_id} names")
    # Annotations are in stored pixels, so a rotation in the metadata must not be applied.
    image = read_image(path, apply_orientation=False)
    check_image_size(record, image.shape[:2])
    return image


def check_image_size(record: ReferringRecord, size: tuple[int, int]) -> None:
    """Raise `DataError` where an image of `size` (height, width) is not the one that was annotated."""
    if size != record.size:
        raise DataError(
            f"{record.image_path}: expected {record.size[0]} x {record.size[1]} px, as annotated, "
            f"got {size[0]} x {size[1]}"
        )
