"""`rvos import`: what was exported comes back as the same masks, and what does not fit is told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.errors import RvosError
from image_core.geometry.rle import decode_polygons, decode_rle
from rvos.imports.cvat import read_cvat
from rvos.imports.table import READERS
from rvos.run.export import export_run
from rvos.run.finished import FinishedRun
from rvos.run.importing import import_run
from tests.rvos.export.small_run import NAMES, SIZE, true_masks

SUFFIX = {"coco": ".json", "cvat": ".xml", "davis": ""}


def exported(run: FinishedRun, name: str, folder: Path) -> Path:
    return export_run(run, name, folder / f"exported{SUFFIX[name]}")


def masks_of(run: FinishedRun) -> list[np.ndarray]:
    return [np.stack([decode_rle(record.rle) for record in records]) for records in run.recorded.read()]


@pytest.mark.parametrize("name", list(READERS))
def test_imported_masks_are_the_exported_ones(name: str, finished: Callable[..., FinishedRun], tmp_path: Path) -> None:
    run = finished()
    back = import_run(exported(run, name, tmp_path), name, str(tmp_path / "frames"), tmp_path / "back")
    found = FinishedRun.read(back)
    names = [target.name for target in found.recorded.targets]
    for index, masks in enumerate(masks_of(found)):
        truth = true_masks(index)
        if name == "davis":  # where both are, the ring has the higher score; what is never there has no id
            truth = np.stack([truth[0], truth[1] & ~truth[0]])
        np.testing.assert_array_equal(masks, truth, err_msg=f"frame {index}")
    assert names == (["object 1", "object 2"] if name == "davis" else list(NAMES))
    # A run like any other: exported again it is the same, and done again it is left as it is.
    again = export_run(found, name, tmp_path / f"again{SUFFIX[name]}")
    import_run(exported_path(tmp_path, name), name, str(tmp_path / "frames"), back)
    if name == "cvat":
        assert masks_equal(read_cvat(again).masks, read_cvat(exported_path(tmp_path, name)).masks)


def exported_path(folder: Path, name: str) -> Path:
    return folder / f"exported{SUFFIX[name]}"


def masks_equal(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(one[key] == other[key] for key in one)


def test_polygons_and_images_of_cvat_are_read(tmp_path: Path) -> None:
    points = [2.0, 2.0, 30.0, 2.0, 30.0, 20.0]
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(points[::2], points[1::2], strict=True))
    (tmp_path / "images.xml").write_text(
        f'<annotations><image id="4" name="f.png" width="{SIZE[1]}" height="{SIZE[0]}">'
        f'<tag label="day"/><polygon label="dog" points="{text}"/></image></annotations>'
    )
    found = read_cvat(tmp_path / "images.xml")
    assert [target.name for target in found.targets] == ["dog"]
    np.testing.assert_array_equal(decode_rle(found.masks[4, 0]), decode_polygons([points], SIZE))


def coco(**changes: Any) -> dict[str, Any]:
    """A document of one image with one pixel, changed at one place."""
    image = {"id": 1, "file_name": "0.png", "height": SIZE[0], "width": SIZE[1]}
    rle = {"size": list(SIZE), "counts": [0, 1, SIZE[0] * SIZE[1] - 1]}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": rle}
    return {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "dog"}]} | changes


IMAGES = coco()["images"]
BROKEN: list[tuple[str, str, str, str]] = [
    ("coco", "m.json", "{", "expected JSON"),
    ("coco", "m.json", '{"images": [], "images": []}', "expected each key once in an object, got 'images' again"),
    ("coco", "m.json", json.dumps(coco(images=2 * IMAGES)), "got the image with id 1 twice"),
    ("coco", "m.json", json.dumps(coco(categories=2 * coco()["categories"])), "got the category with id 1 twice"),
    ("coco", "m.json", "[]", "expected COCO instances"),
    ("coco", "m.json", json.dumps(coco(images=[])), "expected COCO instances, got none with 1"),
    ("coco", "m.json", json.dumps(coco(categories=[])), "expected COCO instances"),
    ("coco", "m.json", json.dumps(coco(images=[IMAGES[0] | {"frame_index": 6}])), "got one on frame 6"),
    ("coco", "m.json", json.dumps(coco()), "expected an image for each of the 6 frames of the video"),
    ("coco", "m.json", json.dumps(coco(images=[IMAGES[0] | {"height": 9}])), "RLE of (45, 64) on an image of (9, 64)"),
    ("cvat", "m.xml", "<annotations>", "expected masks as CVAT writes them"),
    ("cvat", "m.xml", "<html/>", "got <html>"),
    (
        *("cvat", "m.xml"),
        '<annotations><image id="0" width="9" height="9"><box label="a"/></image></annotations>',
        "a <box>, which has no mask",
    ),
    (
        *("cvat", "m.xml"),
        '<annotations><image id="0" width="9" height="9"><mask label="a" rle="0, 4" left="8" top="0" width="2" '
        'height="2"/></image></annotations>',
        "sticks out",
    ),
    (
        *("cvat", "m.xml"),
        '<annotations><image id="0" width="9" height="9"><mask label="a" rle="0, 4" left="0" top="0" width="2" '
        'height="2"/></image></annotations>',
        "expected masks of (45, 64), the size of the video, got (9, 9)",
    ),
    ("coca", "m.json", "{}", "unknown import format 'coca': did you mean 'coco'?"),
    ("coco", "", "", "expected a file or a folder of masks, got none"),
    ("davis", "m.png", "", "cannot be read"),
]


@pytest.mark.parametrize(("name", "file", "text", "complaint"), BROKEN)
def test_masks_that_do_not_fit_are_reported(
    name: str, file: str, text: str, complaint: str, finished: Callable[..., FinishedRun], tmp_path: Path
) -> None:
    finished()
    path = tmp_path / (file or "missing")
    if file:
        path.write_text(text)
    with pytest.raises(RvosError) as told:
        import_run(path, name, str(tmp_path / "frames"), tmp_path / "back")
    assert complaint in str(told.value) and "\n" not in str(told.value)
    assert not (tmp_path / "back").exists()


def test_a_failed_import_keeps_the_existing_files(finished: Callable[..., FinishedRun], tmp_path: Path) -> None:
    """Masks past the last frame, which only the whole video tells."""
    path = exported(finished(), "cvat", tmp_path)
    import_run(path, "cvat", str(tmp_path / "frames"), tmp_path / "back")
    before = {p.name: p.read_bytes() for p in (tmp_path / "back").iterdir()}
    later = tmp_path / "later.xml"
    later.write_text(path.read_text().replace('frame="5"', 'frame="6"'))
    for out, overwrite in ((tmp_path / "back", True), (tmp_path / "new", False)):
        with pytest.raises(RvosError, match="expected masks on the 6 frames of the video, got one on frame 6"):
            import_run(later, "cvat", str(tmp_path / "frames"), out, overwrite=overwrite)
    assert {p.name: p.read_bytes() for p in (tmp_path / "back").iterdir()} == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("files", [{}, {"a.png": 1}, {"1.png": 1, "01.png": 1}, {"0.png": 0}])
def test_folders_that_are_no_sequence_are_refused(files: dict[str, int], tmp_path: Path) -> None:
    for file, value in files.items():
        cv2.imwrite(str(tmp_path / file), np.full(SIZE, value, np.uint8))
    with pytest.raises(RvosError, match="expected"):
        READERS["davis"](tmp_path)
