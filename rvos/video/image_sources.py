"""Image files, and arrays in memory, as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from image_core.errors import DataError
from image_core.images import image_size, read_image
from rvos.types import Frame, VideoError, VideoInfo
from rvos.video.source import DEFAULT_RATE, check_indices


class ImageFilesSource:
    """Image files in the order given, frame i at i / rate.

    name: of the video, such as that of their folder; turned: as in `read_image`. All headers are read when the source
    is opened. Raises `VideoError` for no image, one that cannot be read, or one of another size.
    """

    def __init__(self, paths: Sequence[Path], name: str, rate: float | None = None, *, turned: bool = True) -> None:
        if not paths:
            raise VideoError(f"'{name}': expected at least one image, got none")
        self._paths = list(paths)
        self._turned = turned
        self._rate = rate or DEFAULT_RATE
        size = self._size_of_file(self._paths[0])
        for path in self._paths[1:]:
            if (other := self._size_of_file(path)) != size:
                raise VideoError(
                    f"'{name}': expected images of one size, {size[0]} x {size[1]} px (height x width) as that of "
                    f"'{self._paths[0].name}', but '{path.name}' is {other[0]} x {other[1]} px: resize or remove it"
                )
        count = len(self._paths)
        self.info = VideoInfo(name, size, rate, count, count / self._rate)

    seekable = True

    def frames(self) -> Iterator[Frame]:
        """All images in order. Raises `VideoError` at one that cannot be decoded."""
        return (self._read(i) for i in range(len(self._paths)))

    def _size_of_file(self, path: Path) -> tuple[int, int]:
        try:
            return image_size(path, apply_orientation=self._turned)
        except DataError as error:
            raise VideoError(f"'{path}'{str(error).removeprefix(str(path))}") from error

    def _read(self, index: int) -> Frame:
        path = self._paths[index]
        try:
            image = read_image(path, apply_orientation=self._turned)
        except DataError as error:
            raise VideoError(f"'{path}': broken at frame {index}{str(error).removeprefix(str(path))}") from error
        if image.shape[:2] != self.info.size:
            raise VideoError(f"'{path}': broken at frame {index}: its size differs from its header: copy it again")
        return Frame(index, index / self._rate, image)

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The images at increasing `indices`."""
        check_indices(indices, len(self._paths), self.info.source)
        return (self._read(i) for i in indices)

    def count_frames(self) -> int:
        """T, the number of images."""
        return len(self._paths)

    def close(self) -> None:
        """Nothing is held."""


class ArraySource:
    """Images in memory: (T, H, W, 3) uint8 RGB, or T times (H, W, 3); frame i at i / rate. Raises `VideoError`."""

    def __init__(self, images: np.ndarray | Sequence[np.ndarray], rate: float | None = None) -> None:
        if not len(images):
            raise VideoError("expected an array of one frame or more, uint8 (T, H, W, 3) RGB, got one without frames")
        first = images[0]
        for i, image in enumerate(images):
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                kind = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
                raise VideoError(f"array frame {i}: expected uint8 (H, W, 3) RGB, got {kind}: convert it to 0 to 255")
            if image.shape != first.shape:
                raise VideoError(
                    f"array frame {i}: expected {first.shape[0]} x {first.shape[1]} px (height x width) as in the "
                    f"first, got {image.shape[0]} x {image.shape[1]}: resize it"
                )
        self._images = images
        self._rate = rate or DEFAULT_RATE
        self.info = VideoInfo("array", first.shape[:2], rate, len(images), len(images) / self._rate)

    seekable = True

    def frames(self) -> Iterator[Frame]:
        """All frames in order; the arrays are not copied."""
        return (self._frame(i) for i in range(len(self._images)))

    def _frame(self, index: int) -> Frame:
        return Frame(index, index / self._rate, self._images[index])

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames at increasing `indices`."""
        check_indices(indices, len(self._images), self.info.source)
        return (self._frame(i) for i in indices)

    def count_frames(self) -> int:
        """T."""
        return len(self._images)

    def close(self) -> None:
        """Nothing is held."""
