"""How a video is opened, described: `video.stream`, `video.backend`, `video.prefetch`."""

from __future__ import annotations

from dataclasses import dataclass

from image_core.errors import UnknownNameError
from image_core.faults import Faults

BACKENDS = ("av", "decord")


@dataclass(frozen=True)
class VideoConfig:
    """What `open_video` is asked. Raises `ConfigError` or `UnknownNameError`, all that is wrong in one."""

    stream: int = 0
    """Which of the file's video streams, from 0."""
    backend: str = "av"
    """av, the reference, or decord."""
    prefetch: int = 4
    """Frames decoded ahead, 0 for none."""

    def __post_init__(self) -> None:
        faults = Faults()
        for name in ("stream", "prefetch"):
            if getattr(self, name) < 0:
                faults.add(f"video.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.backend not in BACKENDS:
            with faults.gathered():
                raise UnknownNameError("video.backend", self.backend, list(BACKENDS))
        faults.raise_all()
