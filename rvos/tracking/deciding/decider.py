"""The interface of deciders, which decide which of the tracks of a video an expression means."""

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
    """Decides which of the tracks of a video an expression means, after all of it was processed.

    It judges an album of images that was collected on the first of two passes. It is called between the passes, never
    on a frame. It is shared by all sessions, and holds nothing that changes except the model that it has loaded.
    """

    def load(self) -> None:  # noqa: B027 - not every decider has something to load
        """Load what it needs, so that a missing model is reported before a video is processed. Raises `RvosError`."""

    def document(self) -> dict[str, Any]:
        """What its decisions depend on beside its numbers, as JSON values: the model, with its revision."""
        return {}

    @abstractmethod
    def decide(self, expression: str, album: Album) -> Decision | None:
        """The decision about the tracks of an album; None leaves it to the answers. The same album and expression give
        the same decision. Raises `RvosError` if the model cannot answer."""


class ModelDecider(Decider, Generic[Model]):
    """A decider that asks a model. album: of its images; load: returns the model, called when it is first needed;
    identity: returns what a run records of it, as JSON values."""

    def __init__(
        self, config: Any, album: AlbumConfig, load: Callable[[], Model], identity: Callable[[], dict[str, Any]]
    ) -> None:
        self.config = config
        self._image_px = album.picture_px
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
    """Raise `ConfigError` for a decider if the video is processed only once."""
    if not both_ways:
        raise ConfigError(
            f"tracker.both_ways: expected true with {decider}, which sees the tracks of the whole video before it "
            "decides, got false: set tracker.both_ways=true"
        )
