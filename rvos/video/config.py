"""How a video is opened: `video.stream`, `video.backend`, `video.damage`, `video.rate`,
`video.prefetch`."""

from __future__ import annotations

from dataclasses import dataclass

from image_core.errors import ConfigError, UnknownNameError
from image_core.faults import Faults
from image_core.field_types import type_errors

BACKENDS = ("av", "decord")
DAMAGE = ("stop", "skip")


@dataclass(frozen=True)
class VideoConfig:
    """The arguments of `open_video`. Raises `ConfigError` or `UnknownNameError`, all that is wrong in one."""

    #: Video stream of the file, counted from 0; null: the stream marked as default, else the largest.
    stream: int | None = None
    #: Library that decodes the video: av, the reference, or decord.
    backend: str = "av"
    #: What to do at damaged data: stop there, or skip what cannot be decoded.
    damage: str = "stop"
    #: Frames per second of a folder of images, which has no timestamps; null: 25. Not allowed for a video file.
    rate: float | None = None
    #: Number of frames to decode ahead; 0 for none.
    prefetch: int = 4

    def __post_init__(self) -> None:
        faults = Faults()
        for fault in type_errors(VideoConfig, vars(self), "video"):
            raise ConfigError(fault)
        for name in ("stream", "prefetch"):
            if (getattr(self, name) or 0) < 0:
                faults.add(f"video.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.rate is not None and self.rate <= 0:
            faults.add(f"video.rate: expected more than 0 frames per second, got {self.rate}")
        for name, known in (("backend", BACKENDS), ("damage", DAMAGE)):
            if getattr(self, name) not in known:
                with faults.gathered():
                    raise UnknownNameError(f"video.{name}", getattr(self, name), list(known))
        faults.raise_all()
