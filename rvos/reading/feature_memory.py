"""Storage for key frames: the first for good and a few recent ones. Which ones, and who reads them, is decided
elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from image_core.types import ImageFeatures


@dataclass(frozen=True)
class KeyFrameEntry:
    """One key frame: what it is compared with others by (1, C0, H/4, W/4), the features that the encoder gave, and by
    stride of a grid of h x w cells the keys (h w, D) that its cells are found by."""

    cells: Tensor
    features: ImageFeatures
    keys: Mapping[int, Tensor]


@dataclass(frozen=True)
class FeatureMemory:
    """At most 1 + `capacity` key frames. permanent: the first; recent: the others, oldest first.

    Raises `ValueError` for a capacity below 1, or more entries than that.
    """

    capacity: int
    permanent: KeyFrameEntry | None = None
    recent: tuple[KeyFrameEntry, ...] = ()

    def __post_init__(self) -> None:
        if self.capacity < 1 or len(self.recent) > self.capacity:
            raise ValueError(
                f"FeatureMemory: came {len(self.recent)} entries, capacity {self.capacity}, wanted it >= 1"
            )

    @property
    def entries(self) -> tuple[KeyFrameEntry, ...]:
        """All of them, oldest first."""
        return () if self.permanent is None else (self.permanent, *self.recent)

    @property
    def full(self) -> bool:
        """One has to go before another comes."""
        return self.permanent is not None and len(self.recent) == self.capacity

    def write(self, entry: KeyFrameEntry) -> FeatureMemory:
        """The memory with one more key frame. Raises `ValueError` when it is full."""
        if self.permanent is None:
            return replace(self, permanent=entry)
        return replace(self, recent=(*self.recent, entry))

    def drop(self, position: int) -> FeatureMemory:
        """The memory without one of `recent`."""
        return replace(self, recent=self.recent[:position] + self.recent[position + 1 :])
