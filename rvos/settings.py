"""What can be set of a run beyond its named options, as one frozen table: `--set video.stream=1`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from image_core.errors import ConfigError, UnknownNameError
from rvos.sampling import parse_key_frames, parse_sampling

BACKENDS = ("av", "decord")
DECODES = ("every", "key")


@dataclass(frozen=True)
class StreamSettings:
    """How a video is read. video_stream: which of its video streams, from 0; video_backend: av or decord;
    video_prefetch: frames decoded ahead, 0 for none; sampling: which frames are looked at: all, stride:K or uniform:N;
    key_frames: which of those go through the whole encoder: all or every:K; decode: what happens between key frames:
    every (decode propagated features) or key (the tracker alone).

    Raises `ConfigError` or `UnknownNameError` for values that cannot be.
    """

    video_stream: int = 0
    video_backend: str = "av"
    video_prefetch: int = 4
    sampling: str = "all"
    key_frames: str = "all"
    decode: str = "every"

    def __post_init__(self) -> None:
        if self.video_stream < 0:
            raise ConfigError(f"video.stream: came {self.video_stream}, wanted 0 or more")
        if self.video_prefetch < 0:
            raise ConfigError(f"video.prefetch: came {self.video_prefetch}, wanted 0 or more")
        if self.video_backend not in BACKENDS:
            raise UnknownNameError("video.backend", self.video_backend, list(BACKENDS))
        if self.decode not in DECODES:
            raise UnknownNameError("decode", self.decode, list(DECODES))
        parse_sampling(self.sampling)
        parse_key_frames(self.key_frames)


_KEYS = {field.name.replace("video_", "video."): field for field in fields(StreamSettings)}


def parse_settings(pairs: Iterable[str]) -> StreamSettings:
    """`key=value` texts -> settings; the last of equal keys counts.

    Raises `UnknownNameError` for a key that is not there (the nearest one is named) and `ConfigError` for a text
    without `=` or a value that does not fit.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, sign, text = (part.strip() for part in pair.partition("="))
        if not sign:
            raise ConfigError(f"--set: came '{pair}', wanted key=value, for example --set video.stream=1")
        if key not in _KEYS:
            raise UnknownNameError("setting", key, list(_KEYS))
        field = _KEYS[key]
        try:
            values[field.name] = int(text) if isinstance(field.default, int) else text
        except ValueError:
            raise ConfigError(f"{key}: came '{text}', wanted a whole number") from None
    return StreamSettings(**values)
