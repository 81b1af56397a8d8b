"""CVAT for video 1.1: XML with masks as RLE, or with one track of boxes per target.

Written to match CVAT's own exporter and importer (`cvat/apps/dataset_manager/formats/cvat.py`). CVAT has no tracks of
masks: its exporter writes each mask as a track of one frame, which its importer reads as a shape of that frame, and so
does this one. Boxes form tracks, which an annotator can edit. The runs of a mask go along the rows of its box, starting
with the background.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from image_core.files import output_errors, replacing
from image_core.geometry.rle import decode_rle
from rvos.export.recorded import Recorded
from rvos.export.style import OVERLAY_STYLE
from rvos.types import FrameRecord

Box = tuple[int, int, int, int]
_INVALID_CHARACTERS = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, line breaks and surrogates: not allowed in XML (1.0, section 2.2), or unsuitable for a name."""


def write_cvat_masks(path: Path, run: Recorded) -> None:
    """Write the masks, without loss. Raises `OutputError`."""
    _write(path, run, _mask_tracks(run))


def write_cvat_boxes(path: Path, run: Recorded) -> None:
    """Write one track of boxes per target, with a key frame on every processed frame, without masks. Raises
    `OutputError`."""
    _write(path, run, _box_tracks(run))


def _write(path: Path, run: Recorded, tracks: Iterator[str]) -> None:
    with replacing(path) as temporary, output_errors(path), temporary.open("wb") as file:
        for part in (_header(run), *tracks, "</annotations>\n"):
            file.write(part.encode("utf-8", "replace"))


def _header(run: Recorded) -> str:
    height, width = run.info.size
    length = max(run.info.frame_count or 0, run.last_frame_index + 1)
    labels = "".join(
        f"<label><name>{escape(label)}</name><color>#{bytes(OVERLAY_STYLE.colour_of(target.index)).hex()}</color>"
        "<type>any</type><attributes><attribute><name>score</name><mutable>True</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute></attributes></label>\n"
        for target, label in zip(run.targets, _labels(run), strict=True)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
        f"<name>{escape(_plain(run.name))}</name><size>{length}</size><mode>interpolation</mode><overlap>0</overlap>"
        f"<start_frame>0</start_frame><stop_frame>{length - 1}</stop_frame><frame_filter></frame_filter>\n"
        f"<labels>\n{labels}</labels>\n"
        f"<original_size><width>{width}</width><height>{height}</height></original_size>"
        f"<source>{escape(_plain(Path(run.info.source).name))}</source></task></meta>\n"
    )


def _mask_tracks(run: Recorded) -> Iterator[str]:
    labels, track_ids = _labels(run), itertools.count()
    for records in run.read():
        for label, record in zip(labels, records, strict=True):
            if record.box_xyxy is not None:
                shape = _mask_attributes(record, record.box_xyxy)
                # As in CVAT's export, the track ends on the next frame; the importer uses only the first shape.
                shapes = _shape("mask", record.frame_index, 0, shape, record.score)
                shapes += _shape("mask", record.frame_index + 1, 1, shape, record.score)
                yield _track(next(track_ids), label, shapes)


def _box_tracks(run: Recorded) -> Iterator[str]:
    shapes: list[list[str]] = [[] for _ in run.targets]  # of all targets, to read the log only once
    last: list[str | None] = [None] * len(run.targets)
    for records in run.read():
        for index, record in enumerate(records):
            attributes = last[index] if record.box_xyxy is None else _box_attributes(record.box_xyxy)
            if attributes is not None:
                outside = int(record.box_xyxy is None)
                shapes[index].append(_shape("box", record.frame_index, outside, attributes, record.score))
            last[index] = attributes
    for index, (label, of_target) in enumerate(zip(_labels(run), shapes, strict=True)):
        if of_target:
            yield _track(index, label, "".join(of_target))


def _track(track_id: int, label: str, shapes: str) -> str:
    return f'<track id="{track_id}" label={quoteattr(label)} source="auto">\n{shapes}</track>\n'


def _shape(kind: str, frame_index: int, outside: int, attributes: str, score: float) -> str:
    return (
        f'<{kind} frame="{frame_index}" keyframe="1" outside="{outside}" occluded="0" {attributes} z_order="0">'
        f'<attribute name="score">{score:.6f}</attribute></{kind}>\n'
    )


def _box_attributes(box: Box) -> str:
    x0, y0, x1, y1 = box
    return f'xtl="{x0}.00" ytl="{y0}.00" xbr="{x1}.00" ybr="{y1}.00"'


def _mask_attributes(record: FrameRecord, box: Box) -> str:
    x0, y0, x1, y1 = box
    runs = ", ".join(map(str, runs_along_rows(decode_rle(record.rle)[y0:y1, x0:x1]).tolist()))
    return f'rle="{runs}" left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}"'


def runs_along_rows(mask: np.ndarray) -> np.ndarray:
    """(h, w) bool -> int64 lengths of the runs along all rows, starting with the background, whose length may be 0."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0], edges, [flat.size]])
    runs = np.diff(ends)
    return np.concatenate([[0], runs]) if flat[0] else runs


def _labels(run: Recorded) -> list[str]:
    """The label of each target: its name. CVAT identifies labels by name, so repeated names get a number."""
    labels = list[str]()
    for target in run.targets:
        name = _plain(target.name)
        numbered = (f"{name} ({count})" for count in itertools.count(2))
        labels.append(name if name not in labels else next(label for label in numbered if label not in labels))
    return labels


def _plain(text: str) -> str:
    """The text in one line, without characters that XML cannot contain."""
    return _INVALID_CHARACTERS.sub(" ", text)
