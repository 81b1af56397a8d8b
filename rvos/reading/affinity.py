"""Features read from a memory of key frames, by the similarity of stem features. It uses neither motion nor
images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from torch import Tensor

from image_core.ranges import Count
from image_core.types import ImageFeatures
from rvos.reading.feature_memory import FeatureMemory, KeyFrameEntry
from rvos.reading.matching import MatchingConfig, MemoryBank, build_bank, read_memory, search
from rvos.reading.propagation import Propagator, PropagatorConfig, contiguous_features
from rvos.reading.stem import Stem
from rvos.view.frame_view import View


@dataclass(frozen=True)
class AffinityConfig(PropagatorConfig):
    """Every number of the propagator."""

    #: Number of recent key frames in the memory, in addition to the first one of the scene.
    capacity: Count = 3
    matching: MatchingConfig = field(default_factory=MatchingConfig)


@dataclass(frozen=True)
class AffinityState:
    """What is remembered of one video."""

    #: Key frames of one scene.
    memory: FeatureMemory
    #: A cut came after them, and no key frame since.
    scene_over: bool = False

    @cached_property
    def bank(self) -> MemoryBank | None:
        """The memory, arranged to be read; None while it is empty."""
        entries = self.memory.entries
        return build_bank([(e.keys, [level for _, level in e.features.maps]) for e in entries]) if entries else None


class AffinityPropagation(Propagator[AffinityState]):
    """Reads every map from the memory of key frames, which starts anew with the first key frame after a cut."""

    between_key_frames = True
    reads_stem = True
    config_type = AffinityConfig
    config: AffinityConfig

    def start(self) -> AffinityState:
        return AffinityState(FeatureMemory(self.config.capacity))

    def step(
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: AffinityState
    ) -> tuple[ImageFeatures, AffinityState]:
        if stem is None:
            raise ValueError(f"propagation 'affinity': expected the stem of frame {view.frame.index}, got none")
        stem = replace(stem, cells=stem.cells.float().contiguous())
        if features is not None:
            fresh = state.scene_over or view.cut
            memory = FeatureMemory(self.config.capacity) if fresh else state.memory
            return features, AffinityState(remember(memory, KeyFrameEntry(stem, contiguous_features(features))))
        if state.bank is None:
            raise ValueError(f"propagation 'affinity': expected a key frame first, got frame {view.frame.index}")
        last = state.memory.entries[-1].features
        matches = dict(search(stem, state.bank.keys, [stride for stride, _ in last.maps], self.config.matching))
        maps = (
            read_memory(rows, matches[stride], like)
            for rows, (stride, like) in zip(state.bank.maps, last.maps, strict=True)
        )
        # The same object if nothing changed, so that its cached bank is kept.
        after = replace(state, scene_over=True) if view.cut and not state.scene_over else state
        return last.with_maps(maps), after


def remember(memory: FeatureMemory, entry: KeyFrameEntry) -> FeatureMemory:
    """The memory with one more key frame. If it is full, the older of the two neighbours in time that are most alike is
    dropped, but never the first or the new one. So the key frames that are kept spread over what was seen."""
    if memory.full:
        apart = [_distance(a.stem.cells, b.stem.cells) for a, b in pairwise((*memory.recent, entry))]
        memory = memory.drop(apart.index(min(apart)))
    return memory.write(entry)


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean())
