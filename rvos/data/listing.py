"""The file in which most datasets list their videos: {"videos": {ID: {"expressions": {ID: row}, "frames": [NAME]}}}."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from image_core.images import image_size as stored_size
from rvos.data.base import require
from rvos.data.records import Expression, VideoRecord, pictures

_MOST_DIGITS = 9
Describe = Callable[[str, str, dict[str, Any]], Expression]
"""(video id, expression id, the expression's row) -> the expression."""


def read_listing(path: Path) -> dict[str, Any]:
    """Video id -> its row, in the order of the file. Raises `DataError`."""
    return _dict(path, "videos", require(read_json(path), "videos", path))


def records_of(path: Path, listed: dict[str, Any], frames: Path, describe: Describe) -> tuple[VideoRecord, ...]:
    """The videos that the file `path` listed; frames: the folder that holds a folder of JPEGs for each of them.

    A slash in a video's id, which names folders within folders, becomes "__": an id is one file name. Raises
    `DataError` for rows that lack something.
    """
    records = []
    for video_id, row in listed.items():
        names = ids_of(path, require(row, "frames", path))
        rows = _dict(path, "expressions", require(row, "expressions", path))
        expressions = tuple(describe(video_id, str(i), _dict(path, str(i), about)) for i, about in rows.items())
        folder = frames.joinpath(*_parts(path, video_id))
        records.append(VideoRecord("__".join(_parts(path, video_id)), pictures(folder, names), names, expressions))
    return tuple(records)


def _parts(path: Path, video_id: str) -> list[str]:
    parts = video_id.split("/")
    if not all(parts) or {".", ".."} & {*parts}:
        raise DataError(f"{path}: expected names of folders as the id of a video, got '{video_id}': correct the file")
    return parts


def text_of(path: Path, row: dict[str, Any]) -> str:
    """What the row of an expression says. Raises `DataError`."""
    text = require(row, "exp", path)
    if not isinstance(text, str):
        raise DataError(f"{path}: expected an expression in words, got {text!r}: correct the file")
    return text


def ids_of(path: Path, names: Any) -> tuple[str, ...]:
    """A list of names or numbers as texts. Raises `DataError` for anything else."""
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise DataError(f"{path}: expected a list of names, got {str(names)[:60]}: is it the right file?")
    return tuple(str(name) for name in names)


def object_of(path: Path, row: dict[str, Any]) -> tuple[str, ...]:
    """The number in `obj_id`, () where the row has none. Raises `DataError` for anything else."""
    if "obj_id" not in row:
        return ()
    object_id = str(row["obj_id"])
    if not (object_id.isascii() and object_id.isdigit() and len(object_id) <= _MOST_DIGITS):
        raise DataError(f"{path}: expected a number as obj_id, got {str(row['obj_id'])[:60]!a}: correct the file")
    return (object_id,)


def _dict(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a table by id in '{key}', got another value: is it the right file?")
    return value


def picture_size(video: VideoRecord) -> tuple[int, int]:
    """(height, width) in pixels of the first of a video's pictures, from its header. Raises `DataError`."""
    if isinstance(video.source, Path) or not video.source:
        raise DataError(f"video '{video.video_id}': expected a picture, for the size of its masks, got none")
    return stored_size(video.source[0], apply_orientation=False)
