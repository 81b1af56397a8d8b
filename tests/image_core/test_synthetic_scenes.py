"""Pictures and masks: determinism, independence of size, exactness, splits that never meet."""

from __future__ import annotations

from random import Random

import cv2
import numpy as np
import pytest

from image_core.errors import ConfigError, UnknownNameError
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.render import render
from image_core.synthetic.sampling import DEFAULT_STYLE, FEW_LARGE, sample_scene
from image_core.synthetic.scene import Scene
from image_core.synthetic.shapes import OUTLINES, SHAPES, coverage, placed
from image_core.synthetic.splits import DEFAULT_LENGTHS, HELD_OUT_PAIRS, SPLITS, scene_seed


def scenes(count: int, held_out: bool = False) -> list[Scene]:
    return [sample_scene(Random(i), held_out=held_out) for i in range(count)]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / max(1, (a | b).sum())


@pytest.mark.parametrize("split", SPLITS)
def test_a_sample_is_a_function_of_split_seed_and_index(split: str) -> None:
    first, again = SyntheticImages(split, 3)[5], SyntheticImages(split, 3, length=6)[5]
    assert first.expressions == again.expressions
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.masks, again.masks)
    for other in (SyntheticImages(split, 4)[5], SyntheticImages(split, 3)[6]):
        assert other.expressions != first.expressions


def test_styles_set_the_number_and_size_of_objects() -> None:
    for style in (DEFAULT_STYLE, FEW_LARGE):
        drawn = [sample_scene(Random(i), style=style).objects for i in range(60)]
        assert {len(objects) for objects in drawn} <= {*range(2, max(style.counts) + 1)}
        sizes = [item.size for objects in drawn for item in objects]
        assert style.smallest <= min(sizes) < 1.2 * style.smallest
        assert 0.85 * style.largest < max(sizes) <= style.largest


def test_a_size_changes_the_resolution_alone() -> None:
    small, large = SyntheticImages("val", size=(96, 96)), SyntheticImages("val", size=(288, 288))
    agreement, difference = [], []
    for i in range(20):
        a, b = small[i], large[i]
        assert a.expressions == b.expressions
        for mask, fine in zip(a.masks, b.masks, strict=True):
            if fine.any():
                shrunk = cv2.resize(fine.astype(np.float32), (96, 96), interpolation=cv2.INTER_AREA)
                agreement.append(iou(mask, shrunk >= 0.5))
        shrunk = cv2.resize(b.image, (96, 96), interpolation=cv2.INTER_AREA)
        difference.append(np.abs(shrunk.astype(float) - a.image).mean())
    assert min(agreement) > 0.9
    assert np.mean(agreement) > 0.97
    assert np.mean(difference) < 8


def test_a_wide_image_has_a_wide_scene() -> None:
    sample = SyntheticImages("val", size=(96, 170))[0]
    assert sample.image.shape == (96, 170, 3)
    xs = [o.x for i in range(30) for o in SyntheticImages("val", size=(96, 170)).describe(i)[0].objects]
    assert max(xs) > 1.3


@pytest.mark.parametrize("name", SHAPES)
def test_coverage_keeps_the_area_of_a_shape(name: str) -> None:
    contours = placed(name, 20.3, 21.6, 30.0, 0.4)
    patch = coverage(contours, (48, 48))
    assert patch is not None
    wanted = cv2.contourArea(contours[0].astype(np.float32))
    for hole in contours[1:]:
        wanted -= cv2.contourArea(hole.astype(np.float32))
    assert patch[2].sum() / 255 == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_an_outline_is_its_own_mirror_image(name: str) -> None:
    for contour in OUTLINES[name].contours:
        flipped = contour * (-1, 1)
        nearest = np.linalg.norm(flipped[:, None] - contour[None], axis=2).min(axis=1)
        assert nearest.max() < 1e-6
    assert np.ptp(OUTLINES[name].contours[0], axis=0).max() == pytest.approx(1.0)


def test_masks_are_disjoint_and_every_object_stays_visible() -> None:
    for scene in scenes(60):
        _, visible = render(scene, (128, 128))
        assert visible.sum(axis=0).max() <= 1
        for item, mask in zip(scene.objects, visible, strict=True):
            patch = coverage(item.contours(128), (128, 128))
            assert patch is not None
            assert mask.sum() >= 0.4 * (patch[2] > 127).sum()


def test_a_mask_holds_the_pixels_that_show_the_object() -> None:
    hidden_but_claimed = 0
    for scene in scenes(30):
        plain = [o for o in scene.objects if o.fill == "plain"]
        image, visible = render(scene, (128, 128))
        for item in plain:
            core = cv2.erode(visible[scene.depth[item.id]].astype(np.uint8), np.ones((3, 3))) > 0
            if core.sum() >= 20 and scene.light.strength == 0:
                hidden_but_claimed += np.linalg.norm(image[core].mean(0) - np.array(item.tint)) > 12
    assert hidden_but_claimed == 0


def test_scenes_hold_what_is_promised() -> None:
    drawn = scenes(400)
    counts = {len(s.objects) for s in drawn}
    objects = [o for s in drawn for o in s.objects]
    assert counts == set(range(2, 10))
    assert len({o.shape for o in objects}) == len(SHAPES) >= 14
    assert len({o.colour for o in objects}) == 11
    assert len({o.fill for o in objects}) == 5
    assert all(0.14 <= o.size <= 0.45 for o in objects)
    shares = [sum(o.colour == p.colour or o.shape == p.shape for p in s.objects) > 1 for s in drawn for o in s.objects]
    assert np.mean(shares) > 0.7
    occluded = [(s.visible_share < 0.97).any() for s in drawn]
    assert 0.15 < np.mean(occluded) < 0.6


def test_the_splits_never_share_a_scene() -> None:
    for seed in (0, 1, -5, 10**30):
        ranges = [{scene_seed(split, seed, i) >> 60 for i in range(50)} for split in SPLITS]
        assert ranges == [{0}, {1}, {2}, {3}]
    seeds = {scene_seed(split, seed, i) for split in SPLITS for seed in range(10) for i in range(100)}
    assert len(seeds) == len(SPLITS) * 1000


def test_held_out_pairs_are_seen_in_the_compositional_split_alone() -> None:
    for held_out in (False, True):
        pairs = [{(o.shape, o.colour) for o in s.objects} for s in scenes(500, held_out)]
        assert all(bool(p & HELD_OUT_PAIRS) is held_out for p in pairs)
    assert 0.08 < len(HELD_OUT_PAIRS) / (16 * 11) < 0.12


def test_lengths_and_bounds() -> None:
    assert {s: len(SyntheticImages(s)) for s in SPLITS} == DEFAULT_LENGTHS
    assert len(SyntheticImages("val", length=7)) == 7
    with pytest.raises(IndexError):
        SyntheticImages("val", length=7)[7]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'test_compositional'"):
        SyntheticImages("test-compositonal")
    with pytest.raises(ConfigError, match="got 16 x 192"):
        SyntheticImages(size=(16, 192))
    with pytest.raises(ConfigError, match="expected 1 or more, got 0"):
        SyntheticImages(expressions_per_image=0)
