"""COCO's instances as the masks of a video: one image per frame, one category per target; RLE or polygons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from image_core.data.annotation_files import read_json
from image_core.entries import natural_key
from image_core.errors import DataError
from image_core.geometry.rle import decode_polygons, decode_rle
from rvos.imports.annotations import Annotations, MaskCollector
from rvos.types import expression_targets


def read_coco(path: Path) -> Annotations:
    """Read a file. An image is the frame that its `frame_index` names, as `rvos export` writes it; where no image
    has one, images are all frames in the natural order of their names. Several annotations of a category on one image
    are one mask. Raises `DataError` for another file, and where an id or a key is there twice."""
    document = read_json(path)
    try:
        categories = sorted(document["categories"], key=lambda category: category["id"])
        target_of = {key: index for index, key in enumerate(_by_id("category", categories))}
        images = _by_id("image", document["images"])
        frame_of = _frames(list(images.values()))
        collector = MaskCollector()
        for annotation in document["annotations"]:
            image = images[annotation["image_id"]]
            mask = _mask(annotation["segmentation"], (image["height"], image["width"]))
            score = float(annotation.get("score", 1.0))
            collector.add(frame_of[image["id"]], target_of[annotation["category_id"]], mask, score)
    except KeyError as error:
        raise DataError(f"{path}: expected COCO instances, got none with {error}: export them as COCO anew") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected COCO instances, got {error}: export them as COCO anew") from error
    names = [str(category["name"]) for category in categories]
    in_order = None if any("frame_index" in image for image in images.values()) else len(images)
    return Annotations(path, expression_targets(names), collector.masks, collector.scores, in_order)


def _by_id(what: str, rows: Sequence[Mapping[str, Any]]) -> dict[Any, Mapping[str, Any]]:
    by_id = {row["id"]: row for row in rows}
    if len(by_id) < len(rows):
        counts = Counter(row["id"] for row in rows)
        raise ValueError(f"the {what} with id {next(key for key, count in counts.items() if count > 1)} twice")
    return by_id


def _frames(images: list[Mapping[str, Any]]) -> dict[Any, int]:
    """id of an image -> index of its frame."""
    indices = [image["frame_index"] for image in images if "frame_index" in image]
    if len(indices) == len(images):
        if len(set(indices)) < len(indices) or not all(isinstance(index, int) and index >= 0 for index in indices):
            raise ValueError("frame_index of images that are no different whole numbers")
        return {image["id"]: image["frame_index"] for image in images}
    if indices:
        raise ValueError("frame_index of some images and not of others")
    ordered = sorted(images, key=lambda image: natural_key(str(image["file_name"])))
    return {image["id"]: index for index, image in enumerate(ordered)}


def _mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    if isinstance(segmentation, list):
        return decode_polygons(segmentation, size)
    mask = decode_rle(segmentation)
    if mask.shape != size:
        raise ValueError(f"RLE of {mask.shape} on an image of {size}")
    return mask
