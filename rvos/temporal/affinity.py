"""Features read from a memory of key frames, by how alike the stem features are. Knows no motion, needs no pictures.

Every cell looks for the most similar cells of the memory and takes the mean of their features, weighed by a softmax
(the reading of space-time memory networks, Oh et al., ICCV 2019, with the top-k of Cheng et al., CVPR 2021). Coarse
grids are searched whole; on finer ones a cell looks only where the coarse cell around it found something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.types import ImageFeatures
from rvos.temporal.memory import FeatureMemory, KeyFrameEntry
from rvos.temporal.packing import from_bytes, pack_features, to_bytes, unpack_features
from rvos.temporal.propagation import Propagator
from rvos.view import View

CAPACITY = 3
"""Recent key frames that are remembered beside the first one of the scene."""

TOP = 4
_TEMPERATURE = 0.1
"""Of squared distances, in units of the variance of the memory's cells."""

_NEARNESS = 3.0
"""What a match costs that lies as far away as the picture's longer side, in the same units."""

_WHOLE_SEARCH_CELLS = 1024
_CHUNK_CELLS = 256
"""Compared at a time: so few stay in the processor's cache, which halves the time."""


@dataclass(frozen=True)
class AffinityState:
    """memory: key frames of one scene; scene_over: a cut came after them, and no key frame yet."""

    memory: FeatureMemory
    scene_over: bool = False


@dataclass(frozen=True)
class Matches:
    """For each of n cells the places in the memory that it reads: index (n, k) long over all cells of all entries,
    entry by entry; weight (n, k), summing to 1."""

    index: Tensor
    weight: Tensor


class AffinityPropagation(Propagator[AffinityState]):
    """Every level read from the memory of key frames, which begins anew with the first key frame after a cut."""

    between_key_frames = True
    reads_stem = True

    def start(self) -> AffinityState:
        return AffinityState(FeatureMemory(CAPACITY))

    def step(
        self, view: View, stem: Tensor | None, features: ImageFeatures | None, state: AffinityState
    ) -> tuple[ImageFeatures, AffinityState]:
        if stem is None:
            raise ValueError(f"propagation 'affinity': frame {view.frame.index} came without its stem, wanted it")
        scene_over = state.scene_over or view.cut
        if features is not None:
            memory = FeatureMemory(CAPACITY) if scene_over else state.memory
            return features, AffinityState(remember(memory, entry_of(stem, features)))
        entries = state.memory.entries
        if not entries:
            raise ValueError(
                f"propagation 'affinity': frame {view.frame.index} came first, wanted a key frame before it"
            )
        last = entries[-1].features
        found = dict(search(stem.float(), [entry.keys for entry in entries], last.strides))
        levels = (
            read([entry.features.levels[i] for entry in entries], found[stride])
            for i, stride in enumerate(last.strides)
        )
        return replace(last, levels=tuple(levels)), replace(state, scene_over=scene_over)

    def snapshot(self, state: AffinityState) -> bytes:
        tensors = {"scene_over": torch.tensor(state.scene_over)}
        for number, entry in enumerate(state.memory.entries):
            parts = {"stem": entry.stem, **pack_features(entry.features)}
            tensors |= {f"{number}/{name}": tensor for name, tensor in parts.items()}
        return to_bytes(tensors)

    def restore(self, data: bytes, device: torch.device | str = "cpu") -> AffinityState:
        tensors = from_bytes(data, device)
        parts: dict[int, dict[str, Tensor]] = {}
        scene_over = bool(tensors.pop("scene_over", False))
        for name, tensor in tensors.items():
            number, _, part = name.partition("/")
            parts.setdefault(int(number), {})[part] = tensor
        if any("stem" not in parts.get(number, {}) for number in range(len(parts))):
            raise ValueError(f"propagation state: came entries {sorted(parts)}, wanted 0, 1, ... each with its stem")
        entries = [entry_of(parts[n]["stem"], unpack_features(parts[n])) for n in range(len(parts))]
        memory = FeatureMemory(CAPACITY, entries[0] if entries else None, tuple(entries[1:]))
        return AffinityState(memory, scene_over)


def entry_of(stem: Tensor, features: ImageFeatures) -> KeyFrameEntry:
    """A key frame with the keys of every grid that will be searched."""
    keys = {stride: describe(stem.float(), stride) for stride in grid_strides(stem, features.strides)}
    return KeyFrameEntry(stem, features, keys)


def remember(memory: FeatureMemory, entry: KeyFrameEntry) -> FeatureMemory:
    """The memory with one more key frame. When it is full, of the two neighbours in time that are most alike the older
    goes, never the first and never the new one: what is kept spreads over what was seen."""
    if memory.full:
        apart = [_distance(a.stem, b.stem) for a, b in pairwise((*memory.recent, entry))]
        memory = memory.drop(apart.index(min(apart)))
    return memory.write(entry)


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).square().mean())


def search(
    stem: Tensor, memory: Sequence[Mapping[int, Tensor]], strides: Sequence[int]
) -> Iterator[tuple[int, Matches]]:
    """(stride, matches) of every grid of `grid_strides`.

    stem: (1, C0, H/4, W/4) of this frame; memory: the keys of every entry.
    """
    matches: Matches | None = None
    for stride in grid_strides(stem, strides):
        grid = grid_of(stem, stride)
        candidates = None
        if matches is not None and grid[0] * grid[1] > _WHOLE_SEARCH_CELLS:
            candidates = _inherited(matches.index, grid_of(stem, 2 * stride), grid)
        matches = match(describe(stem, stride), torch.cat([keys[stride] for keys in memory]), grid, candidates)
        yield stride, matches


def grid_strides(stem: Tensor, strides: Sequence[int]) -> list[int]:
    """From the coarsest of `strides`, or coarser where that has too many cells to be searched whole, to the finest,
    each half as wide as the one before."""
    stride = max(strides)
    while prod(grid_of(stem, stride)) > _WHOLE_SEARCH_CELLS:
        stride *= 2
    found = []
    while stride >= min(strides):
        found.append(stride)
        stride //= 2
    return found


def grid_of(stem: Tensor, stride: int) -> tuple[int, int]:
    """Rows and columns of the cells of `stride` pixels that cover the input of a stem (1, C0, H/4, W/4)."""
    factor = stride // 4
    return -(-stem.shape[-2] // factor), -(-stem.shape[-1] // factor)


def describe(stem: Tensor, stride: int) -> Tensor:
    """(1, C0, H/4, W/4) -> (h w, 2 C0): each cell of a grid of `stride` pixels, and the mean of it and its eight
    neighbours."""
    cells = F.avg_pool2d(stem, stride // 4, ceil_mode=True)
    around = F.avg_pool2d(cells, 3, stride=1, padding=1, count_include_pad=False)
    return torch.cat([cells, around], 1)[0].flatten(1).T.contiguous()


def match(here: Tensor, there: Tensor, grid: tuple[int, int], candidates: Tensor | None) -> Matches:
    """The `TOP` places of the memory that are most like each cell.

    here: (n, D) of a grid of n cells (rows, columns); there: (m n, D), m entries; candidates: (n, c) places to look at,
    None = all.
    """
    place = _places(*grid, here.device)
    places = place.repeat(len(there) // len(here), 1)
    unit = _variance(there)
    index, distance = [], []
    for cells in torch.arange(len(here), device=here.device).split(_CHUNK_CELLS):
        near = None if candidates is None else candidates[cells]
        apart, far = _squared(here[cells], there, near), _squared(place[cells], places, near)
        best = (apart / unit + _NEARNESS * far).topk(min(TOP, apart.shape[1]), largest=False)
        distance.append(best.values)
        index.append(best.indices if near is None else near.gather(1, best.indices))
    return Matches(torch.cat(index), torch.softmax(-torch.cat(distance) / _TEMPERATURE, 1))


def _variance(keys: Tensor) -> Tensor:
    """Mean squared distance of (n, D) from their mean."""
    return (keys - keys.mean(0)).square().sum(1).mean().clamp(min=1e-12)


def _squared(one: Tensor, other: Tensor, near: Tensor | None) -> Tensor:
    """(a, D), (b, D) -> (a, b) squared distances, or (a, c) to the rows `near` (a, c) of `other` alone."""
    if near is not None:
        apart = other[near]
        apart -= one[:, None]
        return apart.square_().sum(-1)
    return (one.square().sum(1)[:, None] + other.square().sum(1) - 2 * one @ other.T).clamp(min=0)


def _places(rows: int, columns: int, device: torch.device) -> Tensor:
    """(h w, 2) y and x of every cell, in units of the longer side."""
    y = torch.arange(rows, device=device, dtype=torch.float32)
    x = torch.arange(columns, device=device, dtype=torch.float32)
    return torch.cartesian_prod(y, x) / max(rows, columns)


def _inherited(index: Tensor, coarse: tuple[int, int], fine: tuple[int, int]) -> Tensor:
    """(h w, 4 k): where the cells of the fine grid look, given (h' w', k) what the coarse cells around them found."""
    y = torch.arange(fine[0], device=index.device) // 2
    x = torch.arange(fine[1], device=index.device) // 2
    found = index[(y[:, None] * coarse[1] + x).flatten()]
    entry, cell = found // (coarse[0] * coarse[1]), found % (coarse[0] * coarse[1])
    rows, columns = cell // coarse[1], cell % coarse[1]
    parts = [
        (entry * fine[0] + (2 * rows + down).clamp(max=fine[0] - 1)) * fine[1]
        + (2 * columns + across).clamp(max=fine[1] - 1)
        for down in (0, 1)
        for across in (0, 1)
    ]
    return torch.cat(parts, 1)


def read(levels: list[Tensor], matches: Matches) -> Tensor:
    """One level (N, C, h, w) of every entry of the memory -> that level of this frame (N, C, h, w)."""
    values = torch.stack([level.float() for level in levels], 2).flatten(2)  # (N, C, m h w)
    total = torch.zeros_like(levels[0], dtype=torch.float32).flatten(2)
    for index, weight in zip(matches.index.T, matches.weight.T, strict=True):
        total += values[:, :, index] * weight
    return total.view_as(levels[0]).to(levels[0].dtype)
