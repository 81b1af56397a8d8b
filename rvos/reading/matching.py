"""Finds the cells of remembered key frames that are most like each cell of this frame, and reads from them.

Every cell takes the mean of the features of the most similar cells of the memory, weighted by a softmax (the reading of
space-time memory networks, Oh et al., ICCV 2019, with the top-k of Cheng et al., CVPR 2021). Coarse grids are searched
completely; on finer ones a cell searches only where the coarse cell that contains it found matches. Distance in the
image counts like difference in appearance: the position is two more dimensions of the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.ranges import Count, Range, check_ranges
from rvos.reading.stem import Stem

_WHOLE_SEARCH_CELLS = 1024
_CHUNK_CELLS = 256
"""Cells that are compared at a time, few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class MatchingConfig:
    """The numbers of matching."""

    #: Number of memory cells that a cell reads from: the best matches.
    top: Count = 4
    #: Temperature of the softmax over squared feature distances, in units of the variance of the memory's cells.
    temperature: Annotated[float, Range(1e-3, 1000)] = 0.1
    #: Penalty for a match at a distance of the longer side of the image, in the same units.
    nearness: Annotated[float, Range(0, 1000)] = 3.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Keys:
    """The keys of one grid of h x w cells, over m key frames, one after the other."""

    #: (m h w, D)
    values: Tensor
    #: The mean squared distance of the values from their mean.
    variance: float


@dataclass(frozen=True)
class MemoryBank:
    """A memory of m key frames, arranged to be read."""

    #: By stride of the grid.
    keys: Mapping[int, Keys]
    #: Of the features, fine to coarse, (m h w, N C) each.
    maps: tuple[Tensor, ...]


@dataclass(frozen=True)
class Matches:
    """For each of n cells the k cells of the memory that it reads."""

    #: (n, k) long, over all cells of all key frames, one key frame after the other.
    index: Tensor
    #: (n, k), summing to 1.
    weight: Tensor


def build_bank(entries: Sequence[tuple[Mapping[int, Tensor], Sequence[Tensor]]]) -> MemoryBank:
    """The keys and maps of at least one key frame, together."""
    keys = {stride: join_keys([own[stride] for own, _ in entries]) for stride in entries[0][0]}
    maps = zip(*(own for _, own in entries), strict=True)
    return MemoryBank(keys, tuple(torch.cat([_rows(each) for each in same]) for same in maps))


def join_keys(keys: Sequence[Tensor]) -> Keys:
    """(h w, D) of every key frame -> all of them."""
    values = torch.cat(list(keys))
    variance = float((values - values.mean(0)).square().sum(1).mean())
    return Keys(values, max(variance, 1e-12))


def _rows(level: Tensor) -> Tensor:
    """(N, C, h, w) -> (h w, N C) float32."""
    return level.float().flatten(0, 1).flatten(1).T


def keys_of(stem: Stem, strides: Sequence[int]) -> dict[int, Tensor]:
    """The keys of the cells, (h w, D), by stride, for every grid that is searched."""
    return {stride: cell_descriptors(stem, stride) for stride in grid_strides(stem, strides)}


def search(
    stem: Stem, keys: Mapping[int, Keys], strides: Sequence[int], config: MatchingConfig
) -> Iterator[tuple[int, Matches]]:
    """(stride, matches) for every grid of `grid_strides`. stem: of this frame; keys: of the memory."""
    matches: Matches | None = None
    for stride in grid_strides(stem, strides):
        grid = grid_of(stem, stride)
        candidates = None
        if matches is not None and prod(grid) > _WHOLE_SEARCH_CELLS:
            candidates = _candidates_from_coarse(matches.index, grid_of(stem, 2 * stride), grid)
        matches = match(cell_descriptors(stem, stride), keys[stride], grid, candidates, config)
        yield stride, matches


def grid_strides(stem: Stem, strides: Sequence[int]) -> list[int]:
    """The strides of the grids that are searched: from the coarsest of `strides`, or a coarser one if that has too many
    cells to be searched completely, down to the finest, halved each time. Raises `ValueError` for strides that are no
    multiples of the stem's."""
    if any(stride % stem.stride for stride in strides):
        raise ValueError(f"affinity: expected maps of multiples of the stem's stride {stem.stride}, got {strides}")
    stride = max(strides)
    while prod(grid_of(stem, stride)) > _WHOLE_SEARCH_CELLS:
        stride *= 2
    halved = []
    while stride >= min(strides):
        halved.append(stride)
        stride //= 2
    return halved


def grid_of(stem: Stem, stride: int) -> tuple[int, int]:
    """Rows and columns of the cells of `stride` pixels that cover the model's input."""
    factor = stride // stem.stride
    return -(-stem.cells.shape[-2] // factor), -(-stem.cells.shape[-1] // factor)


def cell_descriptors(stem: Stem, stride: int) -> Tensor:
    """(h w, 2 C0): each cell of a grid of `stride` pixels, and the mean of it and its eight neighbours."""
    coarse = F.avg_pool2d(stem.cells, stride // stem.stride, ceil_mode=True)
    around = F.avg_pool2d(coarse, 3, stride=1, padding=1, count_include_pad=False)
    return torch.cat([coarse, around], 1)[0].flatten(1).T.contiguous()


def match(
    here: Tensor, keys: Keys, grid: tuple[int, int], candidates: Tensor | None, config: MatchingConfig
) -> Matches:
    """The `config.top` cells of the memory that are most like each cell.

    here: (n, D) of a grid of n cells (rows, columns); keys: of that grid, (m n, D); candidates: (n, c) cells of the
    memory to search, None = all.
    """
    place = _cell_positions(*grid, here.device) * (config.nearness * keys.variance) ** 0.5
    there = torch.cat([keys.values, place.repeat(len(keys.values) // len(here), 1)], 1)
    here = torch.cat([here, place], 1)
    index, distance = [], []
    for cells in torch.arange(len(here), device=here.device).split(_CHUNK_CELLS):
        near = None if candidates is None else candidates[cells]
        apart = _squared_distances(here[cells], there, near)
        best = apart.topk(min(config.top, apart.shape[1]), largest=False)
        distance.append(best.values)
        index.append(best.indices if near is None else near.gather(1, best.indices))
    return Matches(torch.cat(index), torch.softmax(-torch.cat(distance) / (config.temperature * keys.variance), 1))


def _squared_distances(one: Tensor, other: Tensor, near: Tensor | None) -> Tensor:
    """(a, D), (b, D) -> (a, b) squared distances, up to a constant for each row; or (a, c), to the rows `near` (a, c)
    of `other` only."""
    if near is not None:
        apart = other[near]
        apart -= one[:, None]
        return apart.square_().sum(-1)
    return torch.addmm(other.square().sum(1), one, other.T, alpha=-2)


def _cell_positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """(h w, 2) y and x of every cell, in units of the longer side."""
    y = torch.arange(rows, device=device, dtype=torch.float32)
    x = torch.arange(columns, device=device, dtype=torch.float32)
    return torch.cartesian_prod(y, x) / max(rows, columns)


def _candidates_from_coarse(index: Tensor, coarse: tuple[int, int], fine: tuple[int, int]) -> Tensor:
    """(h w, 4 k): the candidates of the cells of the fine grid, from (h' w', k) the matches of the coarse cells that
    contain them."""
    y = torch.arange(fine[0], device=index.device) // 2
    x = torch.arange(fine[1], device=index.device) // 2
    candidates = index[(y[:, None] * coarse[1] + x).flatten()]
    entry, cell = candidates // (coarse[0] * coarse[1]), candidates % (coarse[0] * coarse[1])
    rows, columns = cell // coarse[1], cell % coarse[1]
    parts = [
        (entry * fine[0] + (2 * rows + down).clamp(max=fine[0] - 1)) * fine[1]
        + (2 * columns + across).clamp(max=fine[1] - 1)
        for down in (0, 1)
        for across in (0, 1)
    ]
    return torch.cat(parts, 1)


def read_memory(rows: Tensor, matches: Matches, like: Tensor) -> Tensor:
    """One level of a bank, (m h w, N C) -> that level of this frame, in the shape (N, C, h, w) and type of `like`."""
    level = F.embedding_bag(matches.index, rows, per_sample_weights=matches.weight, mode="sum")
    return level.T.reshape(like.shape).to(like.dtype)
