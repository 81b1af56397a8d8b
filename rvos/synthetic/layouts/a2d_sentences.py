"""Writes synthetic videos in the on-disk layout of A2D-Sentences, truth and quirks included.

ROOT/Release/videoset.csv                                                  no header, 9 columns
ROOT/Release/clips320H/<video>.mp4                                         H.264
ROOT/text_annotations/a2d_annotation.txt                                   with header: video_id, instance_id, query
ROOT/text_annotations/a2d_missed_videos.txt                                videos to leave out
ROOT/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5     3 to 5 frames a video, counted from 1

As in the real files, an instance has one expression, masks lie transposed, and those of a file with one instance lack
the first axis. By turns, a video's files hold all instances that are to be seen, but for one that is left out of the
second file; or one instance alone. One row has the instance `1 (copy)`, one video with an expression is among those
missed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from random import Random

import h5py
import numpy as np

from image_core.errors import ConfigError
from image_core.files import make_folder, output_errors, write_atomic
from rvos.synthetic.dataset import FRAMES, SIZE
from rvos.synthetic.drawing import draw_frames, draw_tracks
from rvos.synthetic.layouts.writing import videos_of, visible_tracks, write_video
from rvos.synthetic.phrasing import about_one

SUBSETS = {"train": "0", "val": "1", "test": "1"}
"""Our split -> its number in the layout: there are train and test, and a root that we write holds one of them."""

_FEWEST_ANNOTATED = 3
_MOST_ANNOTATED = 5
_LABEL = "62"


def write_a2d_sentences(
    root: Path, split: str, count: int, seed: int, size: tuple[int, int] = SIZE, frames: int = FRAMES
) -> None:
    """Write the first `count` videos of a split and seed; see `rvos.synthetic.layouts.Writer`.

    A video with nothing to say is among the missed ones. An odd size raises `ConfigError` too.
    """
    if size[0] % 2 or size[1] % 2:
        raise ConfigError(f"size: expected even numbers, as H.264 has them, got {size[0]} x {size[1]} px")
    videos = videos_of(split, count, seed, size, frames)
    annotations = root / "text_annotations"
    missed = [f"{split}_{seed}_missed"]
    queries = [(missed[0], "0", "the thing that nobody has seen")]
    annotated = {missed[0]: 0}
    for index in range(count):
        described = videos.describe(index)
        animation, video_id = described.animation, described.video_id
        write_video(root / "Release" / "clips320H" / f"{video_id}.mp4", draw_frames(animation, size), animation.rate)
        texts_of = about_one(animation, 1, Random(video_id))
        if texts_of:
            alone = index % 2 == 1
            shown = list(texts_of)[:1] if alone else sorted(animation.position)
            queries += [(video_id, instance_of(i), texts_of[i][0]) for i in texts_of if i in shown]
            folder = annotations / "a2d_annotation_with_instances" / video_id
            tracks = visible_tracks(animation, draw_tracks(animation, size))
            files = annotated_instances(tracks, shown, min(texts_of), index)
            _write_annotations(folder, tracks, files)
            annotated[video_id] = len(files)
        else:
            missed.append(video_id)
            annotated[video_id] = 0
    queries += [(video_id, "1 (copy)", text) for video_id, _, text in queries[1:2]]
    make_folder(root / "Release")
    make_folder(annotations)
    write_atomic(annotations / "a2d_missed_videos.txt", "\n".join(missed).encode())
    write_atomic(annotations / "a2d_annotation.txt", _csv([("video_id", "instance_id", "query"), *queries]))
    # Last, for it is what says that a dataset is there.
    columns = (_LABEL, "00:00:00", "00:00:03", *map(str, size), str(frames))
    rows = [(video_id, *columns, str(number), SUBSETS[split]) for video_id, number in annotated.items()]
    write_atomic(root / "Release" / "videoset.csv", _csv(rows))


def instance_of(object_id: int) -> str:
    """The instance id of an object: they count from 0."""
    return str(object_id - 1)


def annotated_instances(tracks: np.ndarray, shown: list[int], target: int, index: int) -> dict[int, list[int]]:
    """Position of an annotated frame -> ids of the objects that are in its file, the highest first, at least one.

    tracks: (T, H, W) object ids; shown: those that are annotated where they are visible; target: the one that is left
    out of the second file if others are in it; index: the video's, which gives 3 to 5 frames, if `target` is visible on
    so many.
    """
    visible = np.flatnonzero((tracks == target).any((1, 2)))
    count = _FEWEST_ANNOTATED + index % (_MOST_ANNOTATED - _FEWEST_ANNOTATED + 1)
    positions = np.unique(visible[np.linspace(0, len(visible) - 1, count + 2)[1:-1].round().astype(int)]).tolist()
    files = {t: [i for i in sorted(shown, reverse=True) if (tracks[t] == i).any()] for t in positions}
    for t in positions[1:2]:
        files[t] = [i for i in files[t] if i != target] or files[t]
    return files


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _write_annotations(folder: Path, tracks: np.ndarray, files: dict[int, list[int]]) -> None:
    make_folder(folder)
    for position, object_ids in files.items():
        _write_h5(folder / f"{position + 1:05d}.h5", tracks[position], object_ids)


def _write_h5(path: Path, track: np.ndarray, object_ids: list[int]) -> None:
    """track: (H, W) object ids, all of `object_ids` among them."""
    masks = np.stack([track == i for i in object_ids])
    transposed = masks.transpose(0, 2, 1).astype(np.uint8)
    with output_errors(path), h5py.File(path, "w") as file:
        file["instance"] = np.array([int(instance_of(i)) for i in object_ids])
        file.create_dataset("reMask", data=transposed if len(masks) > 1 else transposed[0], compression="gzip")
        file["reBBox"] = np.stack([_box(mask) for mask in masks], axis=1)


def _box(mask: np.ndarray) -> np.ndarray:
    """(4,) float, x0 y0 x1 y1 in pixels."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()], float)
