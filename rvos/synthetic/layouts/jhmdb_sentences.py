"""Writes synthetic videos in the on-disk layout of JHMDB-Sentences, truth and quirks included.

ROOT/jhmdb_sentences_samples_metadata.json           three frames a video; paths begin with "./jhmdb_sentences/"
ROOT/jhmdb_annotation.txt                            with header: video_id, query
ROOT/Rename_Images/<action>/<video>/<frame>.png      counted from 1; the family of the video stands for the action
ROOT/puppet_mask/<action>/<video>/puppet_mask.mat    `part_mask` (H, W, T)

As in some real videos, the last pictures have no mask, and the list's number of frames leaves them out.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from random import Random

import numpy as np
import scipy.io

from image_core.files import make_folder, output_errors, write_atomic
from rvos.export.png import write_png
from rvos.synthetic.dataset import FRAMES, SIZE
from rvos.synthetic.drawing import draw_frames, draw_tracks
from rvos.synthetic.layouts.writing import videos_of, visible_tracks
from rvos.synthetic.phrasing import about_one

WITHOUT_MASK = 2
"""So many pictures at the end have none."""

_HOME = "./jhmdb_sentences"
_SCORED = 3


def write_jhmdb_sentences(
    root: Path, split: str, count: int, seed: int, size: tuple[int, int] = SIZE, frames: int = FRAMES
) -> None:
    """Write the first `count` videos of a split and seed; see `rvos.synthetic.layouts.Writer`.

    The dataset has no split but test: whatever is written is that. A video with nothing to say is left out.
    """
    videos = videos_of(split, count, seed, size, frames)
    samples: list[list[str | int]] = []
    queries = [("video_id", "query")]
    for index in range(count):
        described = videos.describe(index)
        animation, video_id = described.animation, described.video_id
        length = animation.frame_count - WITHOUT_MASK
        tracks = visible_tracks(animation, draw_tracks(animation, size))[:length]
        texts_of = about_one(animation, 1, Random(video_id))
        meant = next((i for i in texts_of if (tracks == i).any((1, 2)).sum() >= _SCORED + 2), None)
        if meant is None:
            continue
        place, (text,), masks = f"{described.family}/{video_id}", texts_of[meant], tracks == meant
        _write_pictures(root / "Rename_Images" / place, draw_frames(animation, size))
        _write_mat(root / "puppet_mask" / place / "puppet_mask.mat", masks)
        mat = f"{_HOME}/puppet_mask/{place}/puppet_mask.mat"
        for position in _scored_positions(masks):
            picture = f"{_HOME}/Rename_Images/{place}/{position + 1:05d}.png"
            samples.append([video_id, picture, mat, length, text])
        queries.append((video_id, text))
    make_folder(root)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(queries)
    write_atomic(root / "jhmdb_annotation.txt", text.getvalue().encode())
    # Last, for it is what says that a dataset is there.
    write_atomic(root / "jhmdb_sentences_samples_metadata.json", json.dumps(samples).encode())


def _scored_positions(masks: np.ndarray) -> list[int]:
    """Three positions, spread between the ends of the frames, 5 at least, where the masks (T, H, W) show anything."""
    visible = np.flatnonzero(masks.any((1, 2)))
    return visible[np.linspace(0, len(visible) - 1, _SCORED + 2)[1:-1].round().astype(int)].tolist()


def _write_pictures(folder: Path, frames: np.ndarray) -> None:
    make_folder(folder)
    for number, image in enumerate(frames, 1):
        write_png(folder / f"{number:05d}.png", image)


def _write_mat(path: Path, masks: np.ndarray) -> None:
    """masks: (T, H, W) bool."""
    make_folder(path.parent)
    with output_errors(path):
        scipy.io.savemat(str(path), {"part_mask": masks.transpose(1, 2, 0).astype(np.uint8)}, do_compression=True)
