"""Storage for key frames: the first one permanently, and a few recent ones. Other modules decide which, and read
them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from image_core.types import ImageFeatures
from rvos.reading.matching import keys_of
from rvos.reading.stem import Stem


@dataclass(frozen=True)
class KeyFrameEntry:
    """One key frame: its stem, by which it is compared with other frames, and the encoder's features."""

    stem: Stem
    features: ImageFeatures

    @cached_property
    def keys(self) -> Mapping[int, Tensor]:
        """The keys of the cells, (h w, D), by stride, for every grid of h x w cells that is searched."""
        return keys_of(self.stem, [stride for stride, _ in self.features.maps])


@dataclass(frozen=True)
class FeatureMemory:
    """At most 1 + `capacity` key frames. Raises `ValueError` for a capacity below 1, or more entries than that."""

    #: How many recent key frames there is room for.
    capacity: int
    #: The first key frame.
    permanent: KeyFrameEntry | None = None
    #: The others, oldest first.
    recent: tuple[KeyFrameEntry, ...] = ()

    def __post_init__(self) -> None:
        if self.capacity < 1 or len(self.recent) > self.capacity:
            raise ValueError(
                f"FeatureMemory: expected a capacity of 1 or more and no more entries than that, got a capacity of "
                f"{self.capacity} and {len(self.recent)} entries"
            )

    @property
    def entries(self) -> tuple[KeyFrameEntry, ...]:
        """All of them, oldest first."""
        return () if self.permanent is None else (self.permanent, *self.recent)

    @property
    def full(self) -> bool:
        """One has to be dropped before another is written."""
        return self.permanent is not None and len(self.recent) == self.capacity

    def write(self, entry: KeyFrameEntry) -> FeatureMemory:
        """The memory with one more key frame. Raises `ValueError` when it is full."""
        if self.permanent is None:
            return replace(self, permanent=entry)
        return replace(self, recent=(*self.recent, entry))

    def drop(self, position: int) -> FeatureMemory:
        """The memory without one of `recent`."""
        return replace(self, recent=self.recent[:position] + self.recent[position + 1 :])
