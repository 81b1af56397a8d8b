"""Writes synthetic data in the on-disk layouts of RefCOCO and gRefCOCO, truth included.

ROOT/refcoco/refs(unc).p or ROOT/grefcoco/grefs(unc).json    references with their expressions
ROOT/<dataset>/instances.json                                COCO: images, annotations, categories
ROOT/images/train2014/COCO_train2014_<image id>.jpg          the images

The one addition to the originals is `family` in each row of `sentences`. Readers that do not know it pass over it.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from image_core.errors import ConfigError, UnknownNameError
from image_core.geometry.rle import decode_polygons, encode_rle
from image_core.synthetic.dataset import DrawnScene, SyntheticImages
from image_core.synthetic.recipes import FAMILIES, SINGLE_FAMILIES
from image_core.synthetic.sampling import DEFAULT_STYLE, SceneStyle
from image_core.synthetic.shapes import SHAPES

EXPRESSIONS_PER_IMAGE = 6
_TEST_NAMES = ("test", "testA", "testB")
_JPEG_QUALITY = 95
_TRACING_SCALE = 4
# Both layouts may share one ROOT, and with it the folder of images.
_FIRST_GREFCOCO_IMAGE = 500_001


@dataclass
class _Tables:
    """The rows of `instances.json` and of the references, growing."""

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    refs: list[dict[str, Any]] = field(default_factory=list)
    expressions: int = 0
    first_image_id: int = 1


def write_refcoco(
    root: Path,
    splits: dict[str, int],
    seed: int,
    size: tuple[int, int],
    test_split: str = "test",
    style: SceneStyle = DEFAULT_STYLE,
) -> None:
    """Write `splits[name]` images for each split in RefCOCO's layout: expressions with exactly one target.

    splits: names among train, val, test, testA, testB; the last three are drawn from `test_split` (test or
    test_compositional), one after the other. size: (height, width) in pixels; style: of the scenes. The same arguments
    write the same bytes.
    Raises `UnknownNameError` for another name, `ConfigError` for a count below 1.
    """
    tables = _Tables()
    for name, drawn in _scenes(splits, seed, size, test_split, SINGLE_FAMILIES, style):
        _add(tables, root, name, drawn, many=False)
    folder = _write_instances(root, "refcoco", tables)
    (folder / "refs(unc).p").write_bytes(pickle.dumps(tables.refs, protocol=2))


def write_grefcoco(
    root: Path, splits: dict[str, int], seed: int, size: tuple[int, int], test_split: str = "test"
) -> None:
    """As `write_refcoco` in gRefCOCO's layout, with every family: `ann_id` is a list, [-1] where there is no target."""
    tables = _Tables(first_image_id=_FIRST_GREFCOCO_IMAGE)
    for name, drawn in _scenes(splits, seed, size, test_split, FAMILIES):
        _add(tables, root, name, drawn, many=True)
    folder = _write_instances(root, "grefcoco", tables)
    (folder / "grefs(unc).json").write_text(json.dumps(tables.refs), encoding="utf-8")


def _scenes(
    splits: dict[str, int],
    seed: int,
    size: tuple[int, int],
    test_split: str,
    families: tuple[str, ...],
    style: SceneStyle = DEFAULT_STYLE,
) -> Iterator[tuple[str, DrawnScene]]:
    for name, count in splits.items():
        if name not in ("train", "val", *_TEST_NAMES):
            raise UnknownNameError("split", name, ["train", "val", *_TEST_NAMES])
        if count < 1:
            raise ConfigError(f"split {name}: expected 1 picture or more, got {count}: raise the count")
    used: dict[str, int] = {}
    for name, count in splits.items():
        source = test_split if name in _TEST_NAMES else name
        start = used.get(source, 0)
        used[source] = start + count
        data = SyntheticImages(source, seed, size, EXPRESSIONS_PER_IMAGE, start + count, families=families, style=style)
        for index in range(start, start + count):
            yield name, data.draw(index)


def _add(tables: _Tables, root: Path, split: str, drawn: DrawnScene, many: bool) -> None:
    """Add one image with its annotations and references; `many` takes gRefCOCO's form."""
    image_id = tables.first_image_id + len(tables.images)
    stem = f"COCO_train2014_{image_id:012d}"
    height, width = drawn.image.shape[:2]
    tables.images.append({"id": image_id, "file_name": f"{stem}.jpg", "height": height, "width": width, "license": 1})
    folder = root / "images" / "train2014"
    folder.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(drawn.image, cv2.COLOR_RGB2BGR)
    (folder / f"{stem}.jpg").write_bytes(
        cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    )

    rows: dict[int, dict[str, Any]] = {}
    for item, mask in zip(drawn.scene.objects, drawn.visible, strict=True):
        rows[item.id] = _annotation(len(tables.annotations) + 1, image_id, item.shape, mask)
        tables.annotations.append(rows[item.id])
    by_targets: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for expression in drawn.expressions:
        tables.expressions += 1
        text = expression.text
        row = {"sent_id": tables.expressions, "raw": text, "sent": text, "tokens": text.split()}
        by_targets.setdefault(tuple(sorted(expression.targets)), []).append({**row, "family": expression.family})
    for targets, texts in by_targets.items():
        ann_ids = [rows[t]["id"] for t in targets] or [-1]
        category_ids = [rows[t]["category_id"] for t in targets] or [-1]
        tables.refs.append(
            {
                "ref_id": len(tables.refs) + 1,
                "ann_id": ann_ids if many else ann_ids[0],
                "image_id": image_id,
                "category_id": category_ids if many else category_ids[0],
                "split": split,
                # The originals' own quirk: the annotation's id hangs on the image's name.
                "file_name": f"{stem}_{ann_ids[0]}.jpg",
                "sent_ids": [row["sent_id"] for row in texts],
                "sentences": texts,
                **({"no_target": not targets} if many else {}),
            }
        )


def _annotation(ann_id: int, image_id: int, shape: str, mask: np.ndarray) -> dict[str, Any]:
    y, x = np.nonzero(mask)
    left, top = int(x.min()), int(y.min())
    return {
        "id": ann_id,
        "image_id": image_id,
        "category_id": SHAPES.index(shape) + 1,
        "segmentation": _segmentation(mask),
        "area": float(mask.sum()),
        "bbox": [left, top, int(x.max()) + 1 - left, int(y.max()) + 1 - top],
        "iscrowd": 0,
    }


def _segmentation(mask: np.ndarray) -> list[list[float]] | dict[str, Any]:
    """Polygons, one for each part, where they give back exactly this mask; run lengths where they do not (holes)."""
    fine = cv2.resize(
        mask.astype(np.uint8), None, fx=_TRACING_SCALE, fy=_TRACING_SCALE, interpolation=cv2.INTER_NEAREST
    )
    parts, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [((part[:, 0] + 0.5) / _TRACING_SCALE).ravel().tolist() for part in parts if len(part) >= 3]
    if np.array_equal(decode_polygons(polygons, mask.shape), mask):
        return polygons
    return encode_rle(mask)


def _write_instances(root: Path, dataset: str, tables: _Tables) -> Path:
    folder = root / dataset
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "info": {"description": f"Synthetic scenes in the layout of {dataset}", "version": "1.0"},
        "licenses": [{"id": 1, "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "images": tables.images,
        "annotations": tables.annotations,
        "categories": [{"id": i + 1, "name": shape, "supercategory": "shape"} for i, shape in enumerate(SHAPES)],
    }
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
