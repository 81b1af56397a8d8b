"""Features along optical flow: chaining, what was hidden, padding, cuts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from image_core.types import ImageFeatures
from rvos.reading.flow import BackwardMotion, FlowPropagation, chain, motion_to_previous, occlusion_mask, warp_features
from rvos.types import Frame
from rvos.view.frame_view import View, view_of


def moving(x: float, y: float = 0.0, size: tuple[int, int] = (16, 24), hidden: float = 0.0) -> BackwardMotion:
    flow = np.zeros((*size, 2), np.float32)
    flow[..., 0], flow[..., 1] = x, y
    return BackwardMotion(flow, np.full(size, hidden, np.float32))


def columns(valid: tuple[int, int] = (16, 24), cells: tuple[int, int] = (4, 6)) -> ImageFeatures:
    """One level of stride 4 whose cells hold their column's number."""
    level = torch.arange(cells[1], dtype=torch.float32).expand(1, 1, *cells)
    return ImageFeatures((level,), (4,), torch.tensor([valid]))


def test_steps_add_up() -> None:
    motion = chain(moving(-2), chain(moving(-1), moving(-4)))
    assert motion.flow[8, 20].tolist() == [-7.0, 0.0]
    assert chain(moving(3), None).flow[0, 0].tolist() == [3.0, 0.0]


def test_what_was_hidden_once_stays_hidden() -> None:
    before = moving(0)
    before.hidden[:, 5] = 1
    motion = chain(moving(-2), before)
    assert motion.hidden[8].nonzero()[0].tolist() == [7]


@pytest.mark.parametrize(
    ("there", "back", "hidden"),
    [(0, 0, 0), (3, -3, 0), (5, -3.5, 0), (5, 0, 1), (6, 6, 1)],
)
def test_inconsistent_flow_marks_occlusions(there: float, back: float, hidden: int) -> None:
    found = occlusion_mask(moving(there).flow, moving(back).flow)
    assert (found[8, :12] == hidden).all()
    assert (found[:, 23] == 0).all() or there == 0  # from outside the picture


def test_features_are_sampled_at_earlier_positions() -> None:
    (level,) = warp_features(columns(), [moving(-4)]).levels
    assert level[0, 0, 2].tolist() == pytest.approx([0, 0, 1, 2, 3, 4], abs=1e-5)
    (half,) = warp_features(columns(), [moving(2)]).levels
    assert half[0, 0, 2].tolist() == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.0], abs=1e-5)


def test_images_and_input_may_differ_in_size() -> None:
    (level,) = warp_features(columns(), [moving(-8, size=(32, 48))]).levels
    assert level[0, 0, 2].tolist() == pytest.approx([0, 0, 1, 2, 3, 4], abs=1e-5)


def test_what_was_hidden_is_left_where_it_was() -> None:
    features = columns()
    (level,) = warp_features(features, [moving(-4, hidden=1.0)]).levels
    assert torch.equal(level, features.levels[0])


@pytest.mark.parametrize(("width", "row"), [(16, [1, 2, 3, 3, 4, 5]), (24, [1, 2, 3, 4, 5, 5])])
def test_padding_stays_and_is_never_read(width: int, row: list[int]) -> None:
    features = columns(valid=(16, width))
    (level,) = warp_features(features, [moving(4, size=(16, width))]).levels
    given = level[0, 0, 1].tolist()
    if width == 16:  # the last cell of picture reads half a cell on, never the padding
        assert given[:3] == row[:3] and given[3] == pytest.approx(3.5) and given[4:] == [4, 5]
    else:
        assert given[:5] == row[:5] and given[5] == pytest.approx(5.0)


def views(cut: bool = False) -> list[View]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (40, 60, 3), dtype=np.uint8) for _ in range(2)]
    first = view_of(Frame(0, 0.0, images[0]), None)
    return [first, replace(view_of(Frame(1, 0.1, images[1]), first.small_image), cut=cut)]


def test_nothing_is_carried_across_a_cut() -> None:
    first, after = views(cut=True)
    propagator = FlowPropagation()
    features = columns(valid=(16, 24))
    _, state = propagator.step(first, None, features, propagator.start())
    given, state = propagator.step(after, None, None, state)
    assert torch.equal(given.levels[0], features.levels[0])
    assert state.motion is not None and (state.motion.hidden == 1).all()


def test_the_first_frame_has_no_past() -> None:
    assert (motion_to_previous(views()[0], small_px=144).hidden == 1).all()


def test_motion_is_checked_at_birth() -> None:
    with pytest.raises(ValueError, match=r"Motion: expected .*, got \(4, 4, 2\) and \(4, 5\)"):
        BackwardMotion(np.zeros((4, 4, 2), np.float32), np.zeros((4, 5), np.float32))
