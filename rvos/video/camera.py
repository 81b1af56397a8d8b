"""A camera as a video source without an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2

from rvos.types import Frame, VideoError, VideoInfo


def _open_capture(number: int) -> cv2.VideoCapture:
    """OpenCV's capture; what its backends print about a missing camera is hidden, since `CameraSource` reports it."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)


class CameraSource:
    """Camera `number` through cv2. Times are seconds since the first frame, by the monotonic clock.

    `open_capture` makes the capture from the number (cv2.VideoCapture's interface). Raises `VideoError` when the
    camera cannot be opened or stops delivering images.
    """

    def __init__(self, number: int, open_capture: Callable[[int], Any] = _open_capture) -> None:
        self._name = f"camera:{number}"
        self._capture = open_capture(number)
        opened = self._capture.isOpened()
        has_image, image = self._capture.read() if opened else (False, None)
        if not has_image or image is None:
            self._capture.release()
            raise VideoError(f"'{self._name}': the camera delivers no image: check that it is connected and free")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._pending_image: Any = image
        self._index = 0
        self._start_s = time.monotonic()
        self._last_s = -1e-6
        self.info = VideoInfo(self._name, image.shape[:2], rate if rate > 0 else None)

    seekable = False

    def frames(self) -> Iterator[Frame]:
        """Frames from now on; a second call goes on where the first stopped. Raises `VideoError` when the camera
        stops."""
        while True:
            image, self._pending_image = self._pending_image, None
            if image is None:
                has_image, image = self._capture.read()
                if not has_image or image is None:
                    raise VideoError(
                        f"'{self._name}': broken at frame {self._index}: the camera stopped delivering images: "
                        "connect it again"
                    )
            # Two reads may fall into one tick of the clock.
            self._last_s = max(time.monotonic() - self._start_s, self._last_s + 1e-6)
            yield Frame(self._index, self._last_s, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            self._index += 1

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Raises `VideoError`: a camera cannot seek."""
        raise VideoError(f"'{self._name}': a camera's frames come in order, got indices: record it to a file first")

    def count_frames(self) -> int:
        """Raises `VideoError`: a camera has no last frame."""
        raise VideoError(f"'{self._name}': a camera has no frame count: set sampling to all or stride:K")

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()
