"""Builds deciders by name, from their numbers, a device and a precision. No other module knows where their models come
from. Nothing is loaded yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from image_core.errors import UnknownNameError
from image_core.faults import Faults
from image_core.identity import ModelIdentity
from rvos.tracking.deciding.album import AlbumConfig
from rvos.tracking.deciding.decider import Decider, check_both_ways
from rvos.tracking.deciding.mllm import Answerer, Mllm, MllmConfig
from rvos.tracking.deciding.similarity import Scorer, Similarity, SimilarityConfig
from rvos.tracking.tracker import TrackerConfig

if TYPE_CHECKING:
    from image_core.device_names import Precision


@dataclass(frozen=True)
class DecidingConfig(TrackerConfig):
    """The numbers of a tracker whose tracks can be judged by a decider.

    Raises `UnknownNameError` for an unknown decider, and `ConfigError` for a decider without `both_ways`.
    """

    #: Process the video twice. The second pass uses what the first found on later frames.
    both_ways: bool = False
    #: What decides which tracks are meant: rules, similarity or mllm. The last two need `both_ways`.
    decider: str = "rules"
    #: The images of tracks that the last two decide by.
    album: AlbumConfig = field(default_factory=AlbumConfig)
    #: How `similarity` decides.
    similarity: SimilarityConfig = field(default_factory=SimilarityConfig)
    #: How `mllm` decides.
    mllm: MllmConfig = field(default_factory=MllmConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decider not in (DEFAULT, *DECIDERS):
            raise UnknownNameError("decider", self.decider, [DEFAULT, *DECIDERS])
        if self.decider != DEFAULT:
            check_both_ways(f"tracker.decider={self.decider}", self.both_ways)


def _similarity(config: DecidingConfig, device: str, precision: Precision) -> Decider:
    name = config.similarity.model

    @cache
    def identified() -> ModelIdentity:
        from image_core.weak.scorers.scorer import identify_scorer

        return identify_scorer(name)

    def load() -> Scorer:
        from image_core.weak.scorers.scorer import build_scorer

        return build_scorer(identified().name, device=device, precision=precision)

    return Similarity(config.similarity, config.album, load, lambda: identified().document())


def _mllm(config: DecidingConfig, device: str, precision: Precision) -> Decider:
    @cache
    def source() -> Any:
        from image_core.hub.sources import find_source

        return find_source(config.mllm.model)

    def load() -> Answerer:
        from image_core.hub.image_text import read_image_text_model
        from image_core.hub.loading import Placement

        return read_image_text_model(source(), Placement(device, precision))

    def identity() -> dict[str, Any]:
        from image_core.hub.image_text import KIND

        return ModelIdentity(source().text, source().revision, KIND, source().licence).document()

    return Mllm(config.mllm, config.album, load, identity)


DECIDERS: dict[str, Callable[[DecidingConfig, str, Precision], Decider]] = {
    "similarity": _similarity,
    "mllm": _mllm,
}
DEFAULT = "rules"
"""Without a decider: the answers decide, on every frame."""


def build_decider(config: DecidingConfig, device: str, precision: Precision) -> Decider | None:
    """None for `DEFAULT`. Raises `ConfigError`, with all faults in one message, for a decider without its model and for
    numbers of a decider that is not chosen."""
    name, faults = config.decider, Faults()
    read = () if name == DEFAULT else ("album", name)
    for part in (part for part in ("album", *DECIDERS) if part not in read):
        values = getattr(config, part)
        for each in fields(values):
            value = getattr(values, each.name)
            if value != each.default:
                got = f"got {value} with tracker.decider={name}, which does not read it"
                faults.add(f"tracker.{part}.{each.name}: {got}: leave it out")
    if name != DEFAULT and not getattr(config, name).model:
        faults.add(f"tracker.{name}.model: expected OWNER/NAME of the hub or a folder, got none")
    faults.raise_all()
    return None if name == DEFAULT else DECIDERS[name](config, device, precision)
