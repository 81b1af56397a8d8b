"""The file in which most datasets list their videos: {"videos": {ID: {"expressions": {ID: row}, "frames": [NAME]}}}."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from image_core.errors import DataError
from rvos.data.base import read_json, require
from rvos.data.records import Expression, VideoRecord, pictures

Describe = Callable[[str, str, dict[str, Any]], Expression]
"""(video id, expression id, the expression's row) -> the expression."""


def read_listing(path: Path) -> dict[str, Any]:
    """Video id -> its row, in the order of the file. Raises `DataError`."""
    return require(read_json(path), "videos", path)


def records_of(path: Path, listed: dict[str, Any], frames: Path, describe: Describe) -> tuple[VideoRecord, ...]:
    """The videos that the file `path` listed; frames: the folder that holds a folder of JPEGs for each of them.

    A slash in a video's id, which names folders within folders, becomes "__": an id is one file name. Raises
    `DataError` for rows that lack something.
    """
    records = []
    for video_id, row in listed.items():
        names = tuple(str(name) for name in require(row, "frames", path))
        rows = require(row, "expressions", path)
        expressions = tuple(describe(video_id, str(i), said) for i, said in rows.items())
        folder = frames.joinpath(*_parts(path, video_id))
        records.append(VideoRecord("__".join(_parts(path, video_id)), pictures(folder, names), names, expressions))
    return tuple(records)


def _parts(path: Path, video_id: str) -> list[str]:
    parts = video_id.split("/")
    if not all(parts) or {".", ".."} & {*parts}:
        raise DataError(f"{path}: came the id '{video_id}' of a video, wanted names of folders: correct the file")
    return parts


def sentence_of(path: Path, row: dict[str, Any]) -> str:
    """What the row of an expression says. Raises `DataError`."""
    return str(require(row, "exp", path))


def picture_size(video: VideoRecord) -> tuple[int, int]:
    """(height, width) in pixels of the first of a video's pictures, from its header. Raises `DataError`."""
    if isinstance(video.source, Path) or not video.source:
        raise DataError(f"video '{video.video_id}': came no pictures, wanted one for the size of its masks")
    try:
        with Image.open(video.source[0]) as picture:
            return picture.height, picture.width
    except (FileNotFoundError, UnidentifiedImageError, OSError) as error:
        raise DataError(f"{video.source[0]}: not a picture that can be read: fetch it again") from error
