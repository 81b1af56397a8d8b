"""Converts a decoded frame to RGB as displayed: colour matrix and range as tagged, rotation and mirroring applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import Type


def to_rgb(frame: av.VideoFrame, matrix: np.ndarray | None) -> np.ndarray:
    """(H, W, 3) uint8 RGB of `frame`, rotated and mirrored by `matrix` (`display_matrix` of the stream's first frame).

    The matrix is the tagged one (BT.709, BT.601, BT.2020), BT.601 where there is no tag, as ffmpeg does; the range
    likewise (full for yuvj formats and where tagged, else limited). Alpha is dropped.
    """
    return apply_orientation(frame.to_ndarray(format="rgb24"), matrix)


def display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """(2, 2) int m of the container, x right, y down: x' = m[0, 0] x + m[1, 0] y and y' = m[0, 1] x + m[1, 1] y.

    For one frame of a video, not for each: a frame and its side data hold each other and wait for the garbage collector
    (120 MB of frames at 288 x 512).
    """
    try:
        side_data: Mapping[Type, Any] = cast(Any, frame.side_data)
    except ValueError:
        # av refuses the side data of a frame as a whole where it does not know one kind of it, such as EXIF in MJPEG or
        # the views of stereo HEVC. Rotations by right angles are also available without side data.
        return _matrix_of(frame.rotation)
    data = side_data.get(Type.DISPLAYMATRIX)
    return None if data is None else np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2]


def _matrix_of(rotation_deg: int) -> np.ndarray | None:
    """(2, 2) int, the display matrix of a counter-clockwise rotation, to the nearest right angle; None for none."""
    quarters = round(rotation_deg / 90) % 4
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    return None if quarters == 0 else np.array([[cosine, -sine], [sine, cosine]], np.int32)


def apply_orientation(image: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """`image` (H, W, C) rotated and mirrored by `matrix`, to the nearest right angle; contiguous."""
    if matrix is None:
        return image
    (xx, xy), (yx, yy) = matrix.tolist()
    if swaps_axes(matrix):
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = yx < 0, xy < 0
    else:
        flip_x, flip_y = xx < 0, yy < 0
    return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])


def swaps_axes(matrix: np.ndarray | None) -> bool:
    """Whether the matrix swaps height and width."""
    if matrix is None:
        return False
    (xx, xy), (yx, yy) = np.abs(matrix.astype(np.int64)).tolist()
    return xy + yx > xx + yy
