"""How a video is opened, described: `video.stream`, `video.backend`, `video.prefetch`."""

from __future__ import annotations

from dataclasses import dataclass

from image_core.errors import UnknownNameError
from image_core.faults import Faults

BACKENDS = ("av", "decord")


@dataclass(frozen=True)
class VideoConfig:
    """What `open_video` is asked. Raises `ConfigError` or `UnknownNameError`, all that is wrong in one."""

    #: Which of the file's video streams, from 0.
    stream: int = 0
    #: av, the reference, or decord.
    backend: str = "av"
    #: Frames decoded ahead, 0 for none.
    prefetch: int = 4

    def __post_init__(self) -> None:
        faults = Faults()
        for name in ("stream", "prefetch"):
            if getattr(self, name) < 0:
                faults.add(f"video.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.backend not in BACKENDS:
            with faults.gathered():
                raise UnknownNameError("video.backend", self.backend, list(BACKENDS))
        faults.raise_all()
