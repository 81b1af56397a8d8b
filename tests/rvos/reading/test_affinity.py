"""Features read from a memory: what is kept, and what is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from image_core.types import ImageFeatures
from rvos.reading.affinity import AffinityPropagation, remember
from rvos.reading.feature_memory import FeatureMemory, KeyFrameEntry
from rvos.reading.matching import (
    Matches,
    MatchingConfig,
    cell_descriptors,
    grid_of,
    grid_strides,
    join_keys,
    keys_of,
    match,
    read_memory,
    search,
)
from rvos.reading.stem import Stem
from rvos.types import Frame
from rvos.view.frame_view import view_of

CONFIG = MatchingConfig()


def entry(value: float) -> KeyFrameEntry:
    level = torch.full((1, 1, 2, 2), float(value))
    return KeyFrameEntry(Stem(level, 4), ImageFeatures((level,), (4,), torch.tensor([[8, 8]])))


def kept(values: list[float], capacity: int = 3) -> list[float]:
    memory = FeatureMemory(capacity)
    for value in values:
        memory = remember(memory, entry(value))
    return [float(e.stem.cells.mean()) for e in memory.entries]


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ([], []),
        ([1], [1]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([1, 2, 3, 9, 20], [1, 3, 9, 20]),  # 2 and 3 are most alike: the older goes
        ([1, 2, 9, 20, 21], [1, 2, 9, 21]),
        ([1, 5, 5, 5, 5, 5, 5], [1, 5, 5, 5]),
        ([1, 1, 1, 1, 7], [1, 1, 1, 7]),  # the first is kept for good, the newest never goes
    ],
)
def test_what_memory_keeps(written: list[float], left: list[float]) -> None:
    assert kept(written) == left


def test_memory_is_full_soon_and_never_grows() -> None:
    assert len(kept([float(v) for v in torch.rand(100)])) == 4


def test_memory_is_checked_at_birth() -> None:
    with pytest.raises(ValueError, match="got a capacity of 0"):
        FeatureMemory(0)
    with pytest.raises(ValueError, match="and 2 entries"):
        FeatureMemory(1, entry(1), (entry(2), entry(3)))
    with pytest.raises(ValueError, match="and 2 entries"):
        FeatureMemory(1, entry(1), (entry(2),)).write(entry(3))


def test_grids_cover_the_input() -> None:
    stem = Stem(torch.zeros(1, 2, 5, 7), 4)
    assert [grid_of(stem, stride) for stride in (4, 8, 16, 32)] == [(5, 7), (3, 4), (2, 2), (1, 1)]
    assert [cell_descriptors(stem, stride).shape for stride in (4, 8, 16)] == [(35, 4), (12, 4), (4, 4)]


def distinct(cells: int) -> torch.Tensor:
    return torch.rand(cells, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("candidates", [None, torch.arange(12).expand(12, 12)])
def test_a_cell_finds_its_like(candidates: torch.Tensor | None) -> None:
    there = torch.cat([distinct(12) + 5, distinct(12)])
    if candidates is not None:
        candidates = candidates + 12
    found = match(distinct(12), join_keys([there]), (3, 4), candidates, CONFIG)
    assert found.index.shape == (12, CONFIG.top) and found.index[:, 0].tolist() == list(range(12, 24))
    torch.testing.assert_close(found.weight.sum(1), torch.ones(12))
    assert (found.weight[:, 0] == found.weight.amax(1)).all()


def test_of_equal_cells_the_nearest_is_read() -> None:
    here, there = torch.zeros(8, 4), torch.zeros(8, 4)
    assert match(here, join_keys([there]), (1, 8), None, CONFIG).index[:, 0].tolist() == list(range(8))


def test_one_cell_of_memory_is_read_whole() -> None:
    found = match(torch.zeros(1, 4), join_keys([torch.zeros(1, 4)]), (1, 1), None, CONFIG)
    assert found.index.tolist() == [[0]] and found.weight.tolist() == [[1.0]]


def test_reading_is_a_weighted_mean() -> None:
    rows = torch.tensor([[1.0], [2.0], [10.0], [20.0]])  # two key frames of two cells
    matches = Matches(torch.tensor([[0, 3], [2, 1]]), torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    assert read_memory(rows, matches, torch.zeros(1, 1, 1, 2)).tolist() == [[[[10.5, 10.0]]]]


def test_fine_grids_look_where_coarse_ones_found() -> None:
    """A picture of 48 x 80 cells is too fine to be searched whole: its like is found all the same."""
    cells = torch.nn.functional.interpolate(distinct(240).T.view(1, 16, 12, 20), scale_factor=4, mode="bilinear")
    stem, moved = Stem(cells, 4), Stem(torch.roll(cells, 4, 3), 4)
    keys = {stride: join_keys([values]) for stride, values in keys_of(stem, (4, 16)).items()}
    found = dict(search(moved, keys, (4, 16), CONFIG))
    assert set(found) == {4, 8, 16} and found[4].index.shape == (48 * 80, CONFIG.top)
    best = found[4].index.gather(1, found[4].weight.argmax(1, keepdim=True))[:, 0].view(48, 80)
    wanted = (torch.arange(48)[:, None] * 80 + torch.arange(80) - 4)[8:-8, 12:-8]
    assert (best[8:-8, 12:-8] == wanted).float().mean() > 0.9


def test_the_search_begins_coarse_enough() -> None:
    assert grid_strides(Stem(torch.zeros(1, 1, 80, 80), 4), (4,)) == [16, 8, 4]
    assert grid_strides(Stem(torch.zeros(1, 1, 20, 20), 4), (4, 32)) == [32, 16, 8, 4]
    with pytest.raises(ValueError, match="expected maps of multiples of the stem's stride 8"):
        grid_strides(Stem(torch.zeros(1, 1, 20, 20), 8), (4,))


def test_a_stem_is_wanted() -> None:
    propagator, view = AffinityPropagation(), view_of(Frame(0, 0.0, np.zeros((8, 8, 3), np.uint8)), None)
    with pytest.raises(ValueError, match="expected the stem of frame 0"):
        propagator.step(view, None, None, propagator.start())
