"""Annotation files from elsewhere: JSON, and pickles of plain values that cannot run anything."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_core.entries import entries_of
from image_core.errors import DataError

# What a pickle of plain values needs beside the opcodes for dict, list, tuple, str, int, float, bool and None.
_CONTAINERS = {"set": set, "frozenset": frozenset}


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every global that is not a builtin container, so that loading calls nothing of the file's choice."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name in ("builtins", "__builtin__") and global_name in _CONTAINERS:
            return _CONTAINERS[global_name]
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")


def read_json(path: Path) -> Any:
    """The content of a JSON file in UTF-8, with or without a byte order mark. Raises `DataError` when it is missing or
    broken, and where an object has a key twice, of which one would be lost."""
    data = _bytes(path)
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_reject_repeated_keys)
    except _RepeatedKeyError as error:
        raise DataError(f"{path}: expected each key once in an object, got '{error}' again: rename one") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, got another file ({error}): fetch it again") from error


class _RepeatedKeyError(Exception):
    """The key that an object has twice."""


def _reject_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise _RepeatedKeyError(next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1))
    return row


def read_plain_pickle(path: Path) -> Any:
    """The content of a pickle of dicts, lists, tuples, sets, strings and numbers (written by Python 2 or 3).

    Raises `DataError` when it is missing, broken, or asks for anything else.
    """
    _require(path)
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="utf-8").load()
    # A broken pickle raises whatever its damaged opcodes lead to; these are what the format's reader documents.
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: expected plain lists and dicts, got a pickle that cannot be used ({' '.join(str(error).split())})"
        ) from error
    except (OSError, OverflowError, MemoryError, RecursionError, AssertionError) as error:
        raise DataError(f"{path}: expected a pickle, got a file that cannot be read ({error})") from error


@dataclass(frozen=True)
class Instances:
    """`instances.json` of the COCO form, its rows by their ids."""

    path: Path
    images: Mapping[int, Mapping[str, Any]]  # with file_name, height and width
    annotations: Mapping[int, Mapping[str, Any]]  # with segmentation and image_id


def read_instances(path: Path) -> Instances:
    """Raises `DataError` when the file is missing, broken, or not of the COCO form."""
    content = read_json(path)
    try:
        images = {row["id"]: row for row in content["images"]}
        annotations = {row["id"]: row for row in content["annotations"]}
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected COCO's images and annotations, got {_shape_of(content)} ({error!r})"
        ) from error
    return Instances(path, images, annotations)


def _shape_of(content: Any) -> str:
    return (
        f"an object with {', '.join(sorted(map(str, content))[:6])}"
        if isinstance(content, dict)
        else type(content).__name__
    )


def _require(path: Path) -> None:
    if path.is_file():
        return
    entries = [p.name for p in entries_of(path.parent)][:8] if path.parent.is_dir() else None
    content = (
        f"the folder holds {', '.join(entries) or 'nothing'}"
        if entries is not None
        else f"there is no folder {path.parent}"
    )
    raise DataError(f"{path}: no such file: docs/datasets.md describes the layout of the dataset; {content}")


def _bytes(path: Path) -> bytes:
    _require(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected an annotation file, got a file that cannot be read ({error.strerror})"
        ) from error
