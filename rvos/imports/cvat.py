"""CVAT's XML 1.1, for video or for images, as the masks of a video: one label per target; masks and polygons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from image_core.errors import DataError
from image_core.geometry.rle import decode_polygons
from rvos.imports.annotations import Annotations, MaskCollector
from rvos.types import expression_targets

LabelledShape = tuple[int, str, ElementTree.Element, tuple[int, int]]
"""Index of a frame, label, shape, (height, width)."""


def read_cvat(path: Path) -> Annotations:
    """Read a file. Masks are read exactly; polygons are drawn by COCO's rasteriser. Several shapes of a label
    on one frame are one mask; boxes and other shapes without a mask are refused. Raises `DataError`."""
    try:
        root = ElementTree.parse(path).getroot()
        labels = [str(label.findtext("name")) for label in root.iterfind("meta//labels/label")]
        collector = MaskCollector()
        for frame_index, label, shape, size in _shapes(root):
            if label not in labels:
                labels.append(label)
            collector.add(frame_index, labels.index(label), _mask(shape, size))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check its name and its rights") from error
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise DataError(f"{path}: expected masks as CVAT writes them, got {error}: export as CVAT 1.1 anew") from error
    return Annotations(path, expression_targets(labels), collector.masks, collector.scores)


def _shapes(root: ElementTree.Element) -> Iterator[LabelledShape]:
    if root.tag != "annotations":
        raise ValueError(f"<{root.tag}>")
    for image in root.iterfind("image"):
        size = (int(image.attrib["height"]), int(image.attrib["width"]))
        for shape in image:
            if shape.tag != "tag":
                yield int(image.attrib["id"]), shape.attrib["label"], shape, size
    tracks = root.findall("track")
    if not tracks:
        return
    original_size = root.find("meta//original_size")
    if original_size is None:
        raise ValueError("no <original_size>")
    size = (int(str(original_size.findtext("height"))), int(str(original_size.findtext("width"))))
    for track in tracks:
        for shape in track:
            if shape.attrib["outside"] == "0":
                yield int(shape.attrib["frame"]), track.attrib["label"], shape, size


def _mask(shape: ElementTree.Element, size: tuple[int, int]) -> np.ndarray:
    if shape.tag == "polygon":
        points = [float(number) for pair in shape.attrib["points"].split(";") for number in pair.split(",")]
        return decode_polygons([points], size)
    if shape.tag != "mask":
        raise ValueError(f"a <{shape.tag}>, which has no mask")
    left, top, width, height = (int(shape.attrib[key]) for key in ("left", "top", "width", "height"))
    runs = np.array([int(run) for run in shape.attrib["rle"].split(",")], np.int64)
    inside = left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= size[1] and top + height <= size[0]
    if not inside or (runs < 0).any() or runs.sum() != width * height:
        raise ValueError(f"a mask of {height} x {width} at {left}, {top} that its runs do not fill, or that sticks out")
    mask = np.zeros(size, bool)
    part = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    mask[top : top + height, left : left + width] = part
    return mask
