"""The interface of the sources that `VideoReader` reads."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from rvos.types import Frame, StoredImages, VideoError, VideoInfo

Source = str | Path | np.ndarray | Sequence[np.ndarray] | Sequence[Path] | StoredImages
"""Where a video is read from: the path of a file or of a folder of images (natural order), "camera:N", paths of
images (in the order given), a (T, H, W, 3) uint8 RGB array, or a list of (H, W, 3) arrays."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CAMERA = re.compile(r"camera:([0-9]{1,4})")

DEFAULT_RATE = 25.0
"""Frames per second of images and arrays, which have no time stamps, unless the caller gives a rate."""


class FrameSource(Protocol):
    """A source of frames. Every call of `frames` starts at the first frame (a camera: at the next one)."""

    info: VideoInfo

    @property
    def seekable(self) -> bool:
        """Whether any frame can be read exactly without those before it, and frames can be counted without decoding."""
        ...

    def frames(self) -> Iterator[Frame]:
        """All frames in order, one at a time. Raises `VideoError` where the source breaks."""
        ...

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames at strictly increasing `indices` (>= 0), one at a time. Raises `IndexError` past the end."""
        ...

    def count_frames(self) -> int:
        """T, by counting, not from the header. Raises `VideoError` if it cannot be known."""
        ...

    def close(self) -> None:
        """Release files and devices."""
        ...


def camera_number(source: Source) -> int | None:
    """N of "camera:N"; None for any other source."""
    match = _CAMERA.fullmatch(str(source)) if isinstance(source, str | Path) else None
    return int(match[1]) if match else None


def path_of(source: str | Path) -> Path:
    """The path of a source. Raises `VideoError` for an empty name, a missing file, a URL, a pipe or a device."""
    text = str(source)
    if not text.strip():
        raise VideoError("source: expected a video file or a folder, got an empty name: is a shell variable unset?")
    scheme = _URL.match(text)
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if scheme:
            raise VideoError(f"'{text}': expected a file, got a URL: download it first") from error
        raise VideoError(f"no such file: '{text}': check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"'{text}': cannot be opened ({reason}): check the path and its permissions") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise VideoError(f"'{text}': expected a file or a folder, got a pipe or a device: write it to a file first")
    return path


def check_indices(indices: Sequence[int], frame_count: int, source: str) -> None:
    """Raise `IndexError` unless the last of the increasing `indices` lies in the video."""
    if indices and indices[-1] >= frame_count:
        raise IndexError(f"'{source}': expected a frame index from 0 to {frame_count - 1}, got {indices[-1]}")
