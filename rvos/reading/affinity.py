"""Features read from a memory of key frames, by how alike the stem features are. Knows no motion, needs no pictures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from image_core.errors import ConfigError
from image_core.types import ImageFeatures
from rvos.reading.feature_memory import FeatureMemory, KeyFrameEntry
from rvos.reading.matching import Bank, MatchingConfig, bank_of, keys_of, read, search
from rvos.reading.packing import from_bytes, in_plain_order, pack_features, to_bytes, unpack_features
from rvos.reading.propagation import Propagator, PropagatorConfig
from rvos.view.frame_view import View


@dataclass(frozen=True)
class AffinityConfig(PropagatorConfig):
    """The numbers of the propagator `affinity`. Raises `ConfigError` for a capacity below 1."""

    capacity: int = 3
    """Recent key frames that are remembered beside the first one of the scene."""
    matching: MatchingConfig = field(default_factory=MatchingConfig)

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ConfigError(f"propagation.capacity: expected 1 or more key frames, got {self.capacity}")


@dataclass(frozen=True)
class AffinityState:
    """memory: key frames of one scene; bank: the same, laid out to be read, None without any; scene_over: a cut came
    after them, and no key frame yet."""

    memory: FeatureMemory
    bank: Bank | None = None
    scene_over: bool = False


class AffinityPropagation(Propagator[AffinityState]):
    """Every level read from the memory of key frames, which begins anew with the first key frame after a cut."""

    between_key_frames = True
    reads_stem = True
    config_type = AffinityConfig
    config: AffinityConfig

    def start(self) -> AffinityState:
        return AffinityState(FeatureMemory(self.config.capacity))

    def step(
        self, view: View, stem: Tensor | None, features: ImageFeatures | None, state: AffinityState
    ) -> tuple[ImageFeatures, AffinityState]:
        if stem is None:
            raise ValueError(f"propagation 'affinity': frame {view.frame.index} came without its stem, wanted it")
        cells, scene_over = stem.float().contiguous(), state.scene_over or view.cut
        if features is not None:
            memory = FeatureMemory(self.config.capacity) if scene_over else state.memory
            return features, state_of(remember(memory, entry_of(cells, in_plain_order(features))))
        if state.bank is None:
            raise ValueError(
                f"propagation 'affinity': frame {view.frame.index} came first, wanted a key frame before it"
            )
        last = state.memory.entries[-1].features
        found = dict(search(cells, state.bank.keys, last.strides, self.config.matching))
        levels = (
            read(rows, found[stride], like)
            for rows, stride, like in zip(state.bank.levels, last.strides, last.levels, strict=True)
        )
        return replace(last, levels=tuple(levels)), replace(state, scene_over=scene_over)

    def snapshot(self, state: AffinityState) -> bytes:
        tensors = {"scene_over": torch.tensor(state.scene_over)}
        for number, entry in enumerate(state.memory.entries):
            parts = {"cells": entry.cells, **pack_features(entry.features)}
            tensors |= {f"{number}/{name}": tensor for name, tensor in parts.items()}
        return to_bytes(tensors)

    def restore(self, data: bytes, device: torch.device | str = "cpu") -> AffinityState:
        tensors = from_bytes(data, device)
        parts: dict[int, dict[str, Tensor]] = {}
        scene_over = bool(tensors.pop("scene_over", False))
        for name, tensor in tensors.items():
            number, _, part = name.partition("/")
            parts.setdefault(int(number), {})[part] = tensor
        if any("cells" not in parts.get(number, {}) for number in range(len(parts))):
            raise ValueError(f"propagation state: came entries {sorted(parts)}, wanted 0, 1, ... each with its cells")
        entries = [entry_of(parts[n]["cells"], unpack_features(parts[n])) for n in range(len(parts))]
        memory = FeatureMemory(self.config.capacity, entries[0] if entries else None, tuple(entries[1:]))
        return state_of(memory, scene_over)


def state_of(memory: FeatureMemory, scene_over: bool = False) -> AffinityState:
    """A memory with its bank."""
    return AffinityState(memory, bank_of(memory.entries) if memory.entries else None, scene_over)


def entry_of(cells: Tensor, features: ImageFeatures) -> KeyFrameEntry:
    """A key frame with the keys of every grid that will be searched."""
    return KeyFrameEntry(cells, features, keys_of(cells, features.strides))


def remember(memory: FeatureMemory, entry: KeyFrameEntry) -> FeatureMemory:
    """The memory with one more key frame. When it is full, of the two neighbours in time that are most alike the older
    goes, never the first and never the new one: what is kept spreads over what was seen."""
    if memory.full:
        apart = [_distance(a.cells, b.cells) for a, b in pairwise((*memory.recent, entry))]
        memory = memory.drop(apart.index(min(apart)))
    return memory.write(entry)


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean())
