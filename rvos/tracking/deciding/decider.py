"""The seam of deciders: who says which of the tracks of a film an expression means, and the one that leaves it open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from image_core.errors import ConfigError
from rvos.tracking.deciding.album import Album
from rvos.tracking.deciding.decision import Decision


class Decider(ABC):
    """Says which of the tracks of a film an expression means, once all of it was watched.

    It is shared by all sessions, made where the system is put together, and holds nothing that changes but the model
    that it has loaded. It is asked between two passes over the film, never on a frame.
    """

    looks: ClassVar[bool] = True
    """It wants pictures of the tracks: an album is gathered on the first pass, and there have to be two."""

    def load(self) -> None:  # noqa: B027 - not everyone has something to load
        """Load what it needs now, so that what is missing is told before a film is watched. Raises `RvosError`."""

    def document(self) -> dict[str, Any]:
        """What its decisions depend on beside its numbers, as JSON values: the model, with its revision."""
        return {}

    @abstractmethod
    def decide(self, expression: str, album: Album) -> Decision | None:
        """What is decided of the tracks of an album; None leaves it to the evidence of the answers. The same album and
        expression give the same decision. Raises `RvosError` for a model that cannot be asked."""


class Rules(Decider):
    """The evidence of the answers decides (`rvos.tracking.meaning`), on every frame anew."""

    looks = False

    def decide(self, expression: str, album: Album) -> None:
        return None


def check_both_ways(decider: str, both_ways: bool) -> None:
    """Raise `ConfigError` where a decider that looks is to decide of a video that is watched once."""
    if not both_ways:
        raise ConfigError(
            f"tracker.both_ways: expected true with {decider}, which sees the tracks of the whole video before it "
            "decides, got false: set tracker.both_ways=true"
        )
