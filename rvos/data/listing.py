"""The JSON file in which most datasets list videos: {"videos": {ID: {"expressions": {ID: row}, "frames": [NAME]}}}."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from image_core.images import image_size as stored_size
from rvos.data.base import require
from rvos.data.records import Expression, VideoRecord, frame_paths

_MAX_DIGITS = 9
BuildExpression = Callable[[str, str, dict[str, Any]], Expression]
"""(video id, expression id, row of the expression) -> the expression."""


def read_listing(path: Path) -> dict[str, Any]:
    """Video id -> its row, in the order of the file. Raises `DataError`."""
    return _dict(path, "videos", require(read_json(path), "videos", path))


def records_of(
    path: Path, listed: dict[str, Any], frames: Path, build_expression: BuildExpression
) -> tuple[VideoRecord, ...]:
    """The videos that the file `path` lists. frames: the folder that holds a folder of JPEGs for each of them.

    A slash in the id of a video, which stands for nested folders, becomes "__", because an id must be a file name.
    Raises `DataError` for rows with missing keys.
    """
    records = []
    for video_id, row in listed.items():
        names = ids_of(path, require(row, "frames", path))
        rows = _dict(path, "expressions", require(row, "expressions", path))
        expressions = tuple(
            build_expression(video_id, str(i), _dict(path, str(i), fields)) for i, fields in rows.items()
        )
        parts = _path_parts(path, video_id)
        images = frame_paths(frames.joinpath(*parts), names)
        records.append(VideoRecord("__".join(parts), images, names, expressions))
    return tuple(records)


def _path_parts(path: Path, video_id: str) -> list[str]:
    parts = video_id.split("/")
    if not all(parts) or {".", ".."} & {*parts}:
        raise DataError(f"{path}: expected folder names as the id of a video, got '{video_id}': correct the file")
    return parts


def text_of(path: Path, row: dict[str, Any]) -> str:
    """The text in the row of an expression. Raises `DataError`."""
    text = require(row, "exp", path)
    if not isinstance(text, str):
        raise DataError(f"{path}: expected a string as exp, got {text!r}: correct the file")
    return text


def ids_of(path: Path, names: Any) -> tuple[str, ...]:
    """A list of names or numbers as strings. Raises `DataError` for anything else."""
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise DataError(f"{path}: expected a list of names, got {str(names)[:60]}: is it the right file?")
    return tuple(str(name) for name in names)


def object_ids_of(path: Path, row: dict[str, Any]) -> tuple[str, ...]:
    """The number in `obj_id` as a string, () where the row has none. Raises `DataError` for anything else."""
    if "obj_id" not in row:
        return ()
    object_id = str(row["obj_id"])
    if not (object_id.isascii() and object_id.isdigit() and len(object_id) <= _MAX_DIGITS):
        raise DataError(f"{path}: expected a number as obj_id, got {str(row['obj_id'])[:60]!a}: correct the file")
    return (object_id,)


def _dict(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object in '{key}', got another value: is it the right file?")
    return value


def image_size(video: VideoRecord) -> tuple[int, int]:
    """(height, width) in pixels of the first image of a video, read from its header. Raises `DataError`."""
    if isinstance(video.source, Path) or not video.source:
        raise DataError(f"video '{video.video_id}': expected an image, for the size of masks, got none: add its frames")
    return stored_size(video.source[0], apply_orientation=False)
