"""The seam of deciders: who says which of the tracks of a film an expression means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from image_core.errors import ConfigError
from rvos.tracking.deciding.album import Album, AlbumConfig
from rvos.tracking.deciding.decision import Decision

Model = TypeVar("Model")


class Decider(ABC):
    """Says which of the tracks of a film an expression means, once all of it was watched.

    It decides by an album of pictures, which is gathered on the first of two passes, and is asked between them, never
    on a frame. It is shared by all sessions, made where the system is put together, and holds nothing that changes but
    the model that it has loaded.
    """

    def load(self) -> None:  # noqa: B027 - not everyone has something to load
        """Load what it needs now, so that what is missing is told before a film is watched. Raises `RvosError`."""

    def document(self) -> dict[str, Any]:
        """What its decisions depend on beside its numbers, as JSON values: the model, with its revision."""
        return {}

    @abstractmethod
    def decide(self, expression: str, album: Album) -> Decision | None:
        """What is decided of the tracks of an album; None leaves it to the evidence of the answers. The same album and
        expression give the same decision. Raises `RvosError` for a model that cannot be asked."""


class ModelDecider(Decider, Generic[Model]):
    """One that asks a model. load: gives it, when it is first needed; identity: what a run records of it, JSON values;
    album: of its pictures."""

    def __init__(
        self, config: Any, album: AlbumConfig, load: Callable[[], Model], identity: Callable[[], dict[str, Any]]
    ) -> None:
        self.config = config
        self._picture_px = album.picture_px
        self._load = load
        self._identity = identity

    @cached_property
    def _model(self) -> Model:
        return self._load()

    def load(self) -> None:
        _ = self._model

    def document(self) -> dict[str, Any]:
        return self._identity()


def check_both_ways(decider: str, both_ways: bool) -> None:
    """Raise `ConfigError` where a decider is to decide of a video that is watched once."""
    if not both_ways:
        raise ConfigError(
            f"tracker.both_ways: expected true with {decider}, which sees the tracks of the whole video before it "
            "decides, got false: set tracker.both_ways=true"
        )
