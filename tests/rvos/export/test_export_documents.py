"""Files of annotation: the masks that they were made of come out of them again, to the pixel."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from rvos.export.detections import fiftyone_fields, supervision_fields
from rvos.export.documents.label_studio import brush_rle
from rvos.export.outputs import OUTPUTS
from rvos.export.recorded import Recorded
from rvos.export.table import write_document
from rvos.types import Target
from tests.rvos.export.small_run import INDICES, NAMES, SIZE, results_of, true_masks


def written(name: str, run: Recorded, folder: Path) -> Path:
    path = folder / f"out.{name}"
    write_document(name, path, run)
    assert [p.name for p in folder.iterdir()] == [path.name]
    return path


def test_pycocotools_reads_every_mask_of_coco(recorded: Recorded, tmp_path: Path) -> None:
    with redirect_stdout(io.StringIO()):
        opened: Any = COCO(str(written("coco", recorded, tmp_path)))
    assert [category["name"] for category in opened.loadCats(opened.getCatIds())] == list(NAMES)
    assert [image["frame_index"] for image in opened.loadImgs(sorted(opened.getImgIds()))] == list(INDICES)
    for index in INDICES:
        found = np.zeros((3, *SIZE), bool)
        for annotation in opened.loadAnns(opened.getAnnIds([index + 1])):
            mask = opened.annToMask(annotation).astype(bool)
            found[annotation["category_id"] - 1] = mask
            x, y, w, h = annotation["bbox"]
            assert annotation["area"] == mask.sum() == mask[y : y + h, x : x + w].sum()
            assert mask[:, x].any() and mask[y].any() and mask[:, x + w - 1].any() and mask[y + h - 1].any()
        np.testing.assert_array_equal(found, true_masks(index))


def test_coco_has_scores_and_tracks(recorded: Recorded, tmp_path: Path) -> None:
    first = json.loads(written("coco", recorded, tmp_path).read_bytes())["annotations"][0]
    assert (first["score"], first["presence"], first["track_ids"]) == (0.9, 0.8, [4, 9])


def test_youtube_vis_has_a_mask_or_null_for_each_frame(recorded: Recorded, tmp_path: Path) -> None:
    document = json.loads(written("youtube_vis", recorded, tmp_path).read_bytes())
    (video,) = document["videos"]
    assert video["length"] == len(INDICES) and video["file_names"][-1] == "a film/00005.png"
    assert [row["category_id"] for row in document["annotations"]] == [1, 2, 3]
    for target, row in enumerate(document["annotations"]):
        for index, rle in zip(INDICES, row["segmentations"], strict=True):
            truth = true_masks(index)[target]
            decoded: Any = np.zeros(SIZE) if rle is None else coco_masks.decode(rle)
            np.testing.assert_array_equal(decoded.astype(bool), truth)
            assert (rle is None) == (not truth.any())
        lengths = {len(row[key]) for key in ("segmentations", "bboxes", "areas")}
        assert lengths == {len(INDICES)}
    assert document["annotations"][2]["score"] == 0.0 and document["annotations"][0]["score"] == 0.9


def masks_of_cvat(path: Path) -> dict[tuple[str, int], np.ndarray]:
    """As CVAT reads them: of a track of masks the first shape, its runs along the rows of its box."""
    masks = {}
    for track in ElementTree.parse(path).getroot().iter("track"):
        shape = track[0]
        numbers = {key: int(shape.attrib[key]) for key in ("left", "top", "width", "height", "frame", "outside")}
        runs = np.array([int(run) for run in shape.attrib["rle"].split(",")])
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        whole = np.zeros(SIZE, bool)
        rows, columns = (slice(numbers[a], numbers[a] + numbers[b]) for a, b in (("top", "height"), ("left", "width")))
        whole[rows, columns] = flat.reshape(numbers["height"], numbers["width"])
        assert not numbers["outside"] and (track.attrib["label"], numbers["frame"]) not in masks
        masks[track.attrib["label"], numbers["frame"]] = whole
    return masks


def test_cvat_masks_are_exact(recorded: Recorded, tmp_path: Path) -> None:
    path = written("cvat", recorded, tmp_path)
    masks = masks_of_cvat(path)
    expected = {(name, i): true_masks(i)[e] for i in INDICES for e, name in enumerate(NAMES) if true_masks(i)[e].any()}
    assert masks.keys() == expected.keys()
    assert all(np.array_equal(masks[key], expected[key]) for key in masks)
    task = ElementTree.parse(path).getroot().find("meta/task")
    assert task is not None and task.findtext("size") == "6"
    assert [label.findtext("name") for label in task.iter("label")] == list(NAMES)


def test_cvat_boxes_are_tracks_that_leave_and_come_back(recorded: Recorded, tmp_path: Path) -> None:
    root = ElementTree.parse(written("cvat_boxes", recorded, tmp_path)).getroot()
    tracks = {track.attrib["label"]: list(track) for track in root.iter("track")}
    assert list(tracks) == list(NAMES[:2])  # what was never there has no track
    boxes = tracks[NAMES[1]]
    assert [(box.attrib["frame"], box.attrib["outside"]) for box in boxes] == [
        *(("0", "0"), ("1", "0"), ("2", "1"), ("3", "0"), ("5", "0"))
    ]
    assert [float(boxes[3].attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr")] == [0, 0, SIZE[1], SIZE[0]]


@pytest.mark.parametrize("name", ["cvat", "cvat_boxes"])
def test_cvat_labels_are_distinct_and_keep_their_characters(name: str, recorded: Recorded, tmp_path: Path) -> None:
    """Joined letters and families of emoji hold characters that nobody sees; XML has no half and no control ones."""
    names = ("\u0645\u06cc\u200c\u0631\u0648\u062f \U0001f468\u200d\U0001f469", "the dog", "the\ndog")
    targets = tuple(Target(i, text) for i, text in enumerate((*names, "the dog")))
    many = replace(recorded, targets=targets, read=lambda: ([*records, records[0]] for records in recorded.read()))
    root = ElementTree.parse(written(name, many, tmp_path)).getroot()
    labels = [names[0], "the dog", "the dog (2)", "the dog (3)"]
    assert [label.findtext("name") for label in root.iter("label")] == labels
    assert {track.attrib["label"] for track in root.iter("track")} == set(labels) - {"the dog (2)"}


def test_cvats_own_library_decodes_every_mask(recorded: Recorded, tmp_path: Path) -> None:
    masks = pytest.importorskip("cvat_sdk.masks", reason="cvat-sdk is not installed")
    for track in ElementTree.parse(written("cvat", recorded, tmp_path)).getroot().iter("track"):
        left, top, width, height, index = (
            int(track[0].attrib[key]) for key in ("left", "top", "width", "height", "frame")
        )
        # Its server keeps a mask as its runs with the box behind them, the last pixel included.
        points = [*map(int, track[0].attrib["rle"].split(",")), left, top, left + width - 1, top + height - 1]
        mask = masks.decode_mask(points, image_width=SIZE[1], image_height=SIZE[0])
        np.testing.assert_array_equal(mask, true_masks(index)[NAMES.index(track.attrib["label"])])


def test_the_csv_has_one_row_per_target_and_per_track(recorded: Recorded, tmp_path: Path) -> None:
    with written("csv", recorded, tmp_path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for index in INDICES:
        for e, result in enumerate(results_of(index)):
            mine = [r for r in rows if int(r["frame_index"]) == index and r["target"] == NAMES[e]]
            assert [r["track_id"] for r in mine] == ["", *map(str, sorted(result.track_masks))]
            assert [int(r["area_px"]) for r in mine] == [
                int(mask.sum()) for mask in (result.mask, *dict(sorted(result.track_masks.items())).values())
            ]
            assert (mine[0]["x0"] == "") == (mine[0]["present"] == "0") == (not result.mask.any())


def test_via_has_one_rectangle_per_box(recorded: Recorded, tmp_path: Path) -> None:
    with written("via", recorded, tmp_path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    regions = [json.loads(row["region_shape_attributes"]) for row in rows]
    assert regions[1] == {"name": "rect", "x": 0, "y": 0, "width": 1, "height": 1}
    assert [row["filename"] for row in rows] == [f"{i:05d}.png" for i in (0, 0, 1, 1, 3, 3, 5, 5)]
    said = json.loads(rows[0]["region_attributes"])
    assert (said["name"], said["track"], said["confidence"]) == (NAMES[0], "1", "0.900000")


def test_a_reader_of_vias_tracks_follows_every_box(recorded: Recorded, tmp_path: Path) -> None:
    load = pytest.importorskip("movement.io.load_bboxes", reason="movement is not installed")
    path = written("via", recorded, tmp_path).rename(tmp_path / "via.csv")
    tracks = load.from_via_tracks_file(path, use_frame_numbers_from_file=True)
    assert tracks.individuals.values.tolist() == ["id_1", "id_2"]
    for index, records in zip(INDICES, recorded.read(), strict=True):
        for record in records[:2]:
            name = f"id_{record.expression_index + 1}"
            if record.box_xyxy is None:
                assert index not in tracks.time
                continue
            x0, y0, x1, y1 = record.box_xyxy
            found = tracks.sel(time=index, individuals=name)
            assert found.shape.values.tolist() == [x1 - x0, y1 - y0]
            assert found.position.values.tolist() == [(x0 + x1) / 2, (y0 + y1) / 2]
            assert float(found.confidence) == pytest.approx(record.score)


@pytest.mark.parametrize("name", ["coco", "youtube_vis", "cvat", "cvat_boxes", "label_studio", "csv", "via"])
def test_documents_of_names_that_are_no_utf_8_can_be_written(name: str, recorded: Recorded, tmp_path: Path) -> None:
    odd = replace(recorded.targets[0], name="a\udc80\x07b")
    path = written(name, replace(recorded, targets=(odd, *recorded.targets[1:])), tmp_path)
    data = path.read_text(encoding="utf-8")
    if name.startswith("cvat"):
        ElementTree.fromstring(data.encode())
    assert data


def test_the_docs_have_one_row_per_format() -> None:
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip().strip("`") for line in page.splitlines() if line.startswith("| `")]
    assert rows[: len(OUTPUTS)] and set(OUTPUTS) <= set(rows)


def test_label_studios_converter_decodes_every_brush(recorded: Recorded, tmp_path: Path) -> None:
    brush = pytest.importorskip("label_studio_converter.brush", reason="label-studio-converter is not installed")
    tasks = json.loads(written("label_studio", recorded, tmp_path).read_bytes())
    for index, task in zip(INDICES, tasks, strict=True):
        found = np.zeros((3, *SIZE), bool)
        for region in task["predictions"][0]["result"]:
            values = brush.decode_rle(region["value"]["rle"]).reshape(*SIZE, 4)
            found[NAMES.index(region["value"]["brushlabels"][0])] = values[..., 3] == 255
            assert (values == values[..., :1]).all()
        np.testing.assert_array_equal(found, true_masks(index))
        assert task["data"]["frame_index"] == index


def test_a_brush_is_packed_as_its_documentation_says() -> None:
    """By hand: 8 values in 32 bits, sizes 8 and 3 8 16 16; a run of 4 values 0, a run of 4 values 255."""
    bits = f"{8:032b}{7:05b}{2:04b}{7:04b}{15:04b}{15:04b}" + f"1{0:02b}{3:03b}{0:08b}" + f"1{0:02b}{3:03b}{255:08b}"
    bits += "0" * (-len(bits) % 8)
    expected = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert brush_rle(np.array([[False, True]])) == expected


def test_supervision_gets_boxes_masks_and_ids(recorded: Recorded) -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    for index, records in zip(INDICES, recorded.read(), strict=True):
        detections = supervision.Detections(**supervision_fields(records, recorded.targets, SIZE))
        there = [e for e in range(3) if true_masks(index)[e].any()]
        assert len(detections) == len(there) and detections.class_id.tolist() == there
        np.testing.assert_array_equal(detections.mask, true_masks(index)[there])
        boxes = [record.box_xyxy for record in records if record.box_xyxy is not None]
        np.testing.assert_array_equal(detections.xyxy, np.reshape(boxes, (-1, 4)))
        assert detections.data["class_name"].tolist() == [NAMES[e] for e in there]


def test_fiftyones_boxes_are_fractions_and_its_masks_lie_in_them(recorded: Recorded) -> None:
    for index, records in zip(INDICES, recorded.read(), strict=True):
        found = fiftyone_fields(records, recorded.targets, SIZE)
        assert [each["label"] for each in found] == [n for e, n in enumerate(NAMES) if true_masks(index)[e].any()]
        for each in found:
            sides = (SIZE[1], SIZE[0]) * 2
            x, y, w, h = (round(v * side) for v, side in zip(each["bounding_box"], sides, strict=True))
            truth = true_masks(index)[each["index"] - 1]
            np.testing.assert_array_equal(each["mask"], truth[y : y + h, x : x + w])
            assert each["mask"].sum() == truth.sum()


def test_fiftyone_draws_every_mask_at_its_position(recorded: Recorded) -> None:
    """Its objects need no database."""
    fiftyone = pytest.importorskip("fiftyone", reason="fiftyone is not installed")
    sample = fiftyone.Sample(filepath="film.mp4")
    for records in recorded.read():
        found = [fiftyone.Detection(**each) for each in fiftyone_fields(records, recorded.targets, SIZE)]
        sample.frames[records[0].frame_index + 1] = fiftyone.Frame(masks=fiftyone.Detections(detections=found))
    for index in INDICES:
        detections = sample.frames[index + 1].masks.detections
        assert [each.label for each in detections] == [n for e, n in enumerate(NAMES) if true_masks(index)[e].any()]
        for each in detections:
            drawn = each.to_segmentation(frame_size=SIZE[::-1], target=1).mask
            np.testing.assert_array_equal(drawn == 1, true_masks(index)[each.index - 1])


def test_datumaro_reads_every_mask_and_every_box(recorded: Recorded, tmp_path: Path) -> None:
    """Of CVAT the boxes: its reader knows masks of images, not those of tracks."""
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    coco, cvat = tmp_path / "coco/annotations/instances_default.json", tmp_path / "cvat/boxes.xml"
    for name, path in (("coco", coco), ("cvat_boxes", cvat)):
        path.parent.mkdir(parents=True)
        write_document(name, path, recorded)
    (tmp_path / "coco/images/default").mkdir(parents=True)
    read = datumaro.Dataset.import_from
    masks = {item.id: item.annotations for item in read(str(tmp_path / "coco"), "coco_instances")}
    boxes = {item.id: item.annotations for item in read(str(tmp_path / "cvat"), "cvat")}
    for index, records in zip(INDICES, recorded.read(), strict=True):
        found = {one.label: one.image for one in masks[f"{index:05d}"] if isinstance(one, datumaro.Mask)}
        truth = true_masks(index)
        assert set(found) == {e for e in range(3) if truth[e].any()}
        for label, mask in found.items():
            np.testing.assert_array_equal(mask.astype(bool), truth[label])
        there = {record.expression_index: record.box_xyxy for record in records if record.box_xyxy is not None}
        shown = [one for one in boxes.get(f"frame_{index:06d}", ()) if not one.attributes["outside"]]
        assert {one.label: tuple(one.points) for one in shown} == there
