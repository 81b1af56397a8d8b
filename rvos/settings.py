"""What can be set of a run beyond its named options, as one frozen table: `--set video.stream=1`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

from image_core.errors import ConfigError, UnknownNameError
from rvos.faults import Faults
from rvos.reading.key_frames import parse_key_frames
from rvos.video.sampling import parse_sampling

BACKENDS = ("av", "decord")
DECODES = ("every", "key")
YES_NO = ("yes", "no")


@dataclass(frozen=True)
class StreamSettings:
    """How a video is read and looked at.

    video_stream: which of its video streams, from 0; video_backend: av or decord; video_prefetch: frames decoded ahead,
    0 for none; sampling: which frames are looked at: all, stride:K or uniform:N; key_frames: which of those go through
    the whole encoder: all, every:K or adaptive:K (at most K apart, sooner where the picture changes); decode: what
    happens between key frames: every (decode propagated features) or key (the tracker alone); tracker_lookahead: how
    many later frames the answer to a frame waits for; tracker_both_ways: yes or no, whether the video is watched twice,
    the second time knowing how it goes on.

    Raises `ConfigError` or `UnknownNameError` for values that cannot be, all in one.
    """

    video_stream: int = 0
    video_backend: str = "av"
    video_prefetch: int = 4
    sampling: str = "all"
    key_frames: str = "all"
    decode: str = "every"
    tracker_lookahead: int = 0
    tracker_both_ways: str = "no"

    def __post_init__(self) -> None:
        faults = Faults()
        for name in ("video_stream", "video_prefetch", "tracker_lookahead"):
            if getattr(self, name) < 0:
                faults.add(f"{key_of(name)}: came {getattr(self, name)}, wanted 0 or more")
        with faults.gathered():
            _check_name("video.backend", self.video_backend, BACKENDS)
        with faults.gathered():
            _check_name("decode", self.decode, DECODES)
        with faults.gathered():
            _check_name("tracker.both_ways", self.tracker_both_ways, YES_NO)
        with faults.gathered():
            parse_sampling(self.sampling)
        with faults.gathered():
            parse_key_frames(self.key_frames)
        faults.raise_all()

    @property
    def both_ways(self) -> bool:
        """The video is watched twice."""
        return self.tracker_both_ways == "yes"


def _check_name(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UnknownNameError(kind, name, list(known))


def key_of(name: str) -> str:
    """The name of a field as `--set` takes it."""
    return name.replace("video_", "video.", 1).replace("tracker_", "tracker.", 1)


_FIELDS = {key_of(field.name): field for field in fields(StreamSettings)}
KEYS = tuple(_FIELDS)
"""What `--set` takes."""


def parse_settings(pairs: Iterable[str]) -> StreamSettings:
    """`key=value` texts -> settings; the last of equal keys counts.

    Raises, all in one, `UnknownNameError` for a key that is not there (the nearest one is named) and `ConfigError` for
    a text without `=` or a value that does not fit.
    """
    values: dict[str, Any] = {}
    faults = Faults()
    for pair in pairs:
        with faults.gathered():
            values |= _setting(pair)
    with faults.gathered():
        settings = StreamSettings(**values)
    faults.raise_all()
    return settings


def _setting(pair: str) -> dict[str, Any]:
    """`key=value` -> name of the field, value."""
    key, sign, text = (part.strip() for part in pair.partition("="))
    if not sign:
        raise ConfigError(f"--set: came '{pair}', wanted key=value, for example --set video.stream=1")
    _check_name("setting", key, KEYS)
    return {_FIELDS[key].name: _value(_FIELDS[key], text)}


def _value(field: Field[Any], text: str) -> Any:
    """A text as the type of a field's default."""
    if isinstance(field.default, int):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{key_of(field.name)}: came '{text}', wanted a whole number") from None
    return text
