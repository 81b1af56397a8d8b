"""Converts DAVIS 2017 and its text annotations, as they are downloaded, to the layout that `RefDavis17` reads.

RAW/DAVIS/JPEGImages/480p/<video>/<frame>.jpg                   of DAVIS-2017-Unsupervised-trainval-480p
RAW/DAVIS/Annotations_unsupervised/480p/<video>/<frame>.png
RAW/DAVIS/ImageSets/2017/{train,val}.txt
RAW/davis_text_annotations/Davis17_<annotator>.txt              one per line: video, object id, text in quotation marks

The files of the second annotator are Latin-1, and some lines misspell the video.
"""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from image_core.entries import entries_of
from image_core.errors import DataError
from rvos.data.ref_davis17 import ANNOTATORS
from rvos.types import OutputError

SPLITS = {"train": "train", "val": "valid"}
"""Name of a split in DAVIS -> its name in the converted layout."""

_ENCODINGS = {"annot1": "utf-8", "annot1_full_video": "utf-8", "annot2": "latin-1", "annot2_full_video": "latin-1"}
_QUOTATION_MARKS = '"\u201c\u201d\x93\x94'
_MIN_SIMILARITY = 0.8

Texts = dict[str, dict[str, str]]
"""Video -> object id -> text, of one annotator."""


def convert(raw: Path, out: Path) -> list[str]:
    """Write the converted dataset to `out`; images are copied. Returns one line for each correction that was made.

    Raises `DataError` for files in `raw` that are missing or broken, `OutputError` where `out` cannot be written.
    """
    videos = {split: read_set(raw / "DAVIS/ImageSets/2017" / f"{split}.txt") for split in SPLITS}
    all_videos = [video for names in videos.values() for video in names]
    notes: list[str] = []
    by_annotator = [
        read_texts(raw / "davis_text_annotations" / f"Davis17_{name}.txt", _ENCODINGS[name], all_videos, notes)
        for name in ANNOTATORS
    ]
    for split, folder in SPLITS.items():
        listed = {}
        for video in videos[split]:
            frames = _copy(raw / "DAVIS/JPEGImages/480p" / video, out / folder / "JPEGImages" / video, ".jpg")
            _copy(raw / "DAVIS/Annotations_unsupervised/480p" / video, out / folder / "Annotations" / video, ".png")
            listed[video] = {"expressions": expression_rows(video, by_annotator, notes), "frames": frames}
        _write(out / "meta_expressions" / folder / "meta_expressions.json", json.dumps({"videos": listed}, indent=2))
    return notes


def read_set(path: Path) -> list[str]:
    """The videos that a file lists, one per line. Raises `DataError`."""
    return [line.strip() for line in _lines(path, "utf-8") if line.strip()]


def read_texts(path: Path, encoding: str, videos: Sequence[str], notes: list[str]) -> Texts:
    """The texts of one annotator. A misspelt video is replaced by the most similar of `videos`, and a note is added.

    Raises `DataError` for a line of another form, or a name that is not similar to any video.
    """
    texts: Texts = {}
    for number, line in enumerate(_lines(path, encoding), 1):
        if not line.strip():
            continue
        video, object_id, *words = line.split()
        if not words or not object_id.isdigit():
            raise DataError(
                f"{path}, line {number}: expected a video, a number and a text, got '{line.strip()}': correct it"
            )
        if video not in videos:
            nearest = difflib.get_close_matches(video, videos, n=1, cutoff=_MIN_SIMILARITY)
            if not nearest:
                raise DataError(f"{path}, line {number}: expected a video of ImageSets/2017, got '{video}': correct it")
            notes.append(f"{path.name}, line {number}: '{video}' is taken for '{nearest[0]}'")
            video = nearest[0]
        texts.setdefault(video, {})[object_id] = " ".join(words).strip(_QUOTATION_MARKS)
    return texts


def expression_rows(video: str, by_annotator: Sequence[Texts], notes: list[str]) -> dict[str, dict[str, str]]:
    """Expression id -> text and object id, for one video: objects sorted by their ids as strings, for each the texts of
    the four annotators. An object without all four texts is left out, and a note is added."""
    video_texts = [texts.get(video, {}) for texts in by_annotator]
    object_ids = sorted({object_id for texts in video_texts for object_id in texts})
    rows: list[dict[str, str]] = []
    for object_id in object_ids:
        if all(object_id in texts for texts in video_texts):
            rows += [{"exp": texts[object_id], "obj_id": object_id} for texts in video_texts]
        else:
            notes.append(f"{video}, object {object_id}: left out, because not all four annotators describe it")
    return {str(i): row for i, row in enumerate(rows)}


def _lines(path: Path, encoding: str) -> list[str]:
    try:
        # Not `splitlines`, which also splits at control characters that occur inside lines of the Latin-1 files.
        return path.read_text(encoding=encoding).split("\n")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file: download it, or give the folder that holds DAVIS") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}): download it again") from error


def _copy(source: Path, target: Path, suffix: str) -> list[str]:
    """Copy the images of a video. Returns their names without suffix, in order."""
    paths = [path for path in entries_of(source) if path.suffix == suffix] if source.is_dir() else []
    if not paths:
        raise DataError(f"{source}: expected {suffix} images, got none: download them")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copyfile(path, target / path.name)
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror or error}): choose another OUT") from error
    return [path.stem for path in paths]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}): choose another OUT") from error
