"""The parts that objects are followed by, each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from rvos.tracking.association import best_pairs
from rvos.tracking.carrying.appearance import CHANNELS, pixel_features, work_picture, work_size
from rvos.tracking.carrying.box import Box, box_of, centre_of, core_of
from rvos.tracking.carrying.guided import guided_filter, work_guide
from rvos.tracking.carrying.head import DIMENSION, Sums, empty_sums, fit, lift, sums_of
from rvos.tracking.carrying.lifted import TILE, LiftedPicture
from rvos.tracking.carrying.object_tracker import ObjectGuess
from rvos.tracking.carrying.soft_aggregation import soft_aggregate
from rvos.tracking.carrying.two_motions import motion_evidence
from rvos.tracking.maps.consensus import SCORED_AT_ONCE, Classifier, drawn, scores_of_all
from rvos.types import Frame
from rvos.view.frame_view import view_of


def test_a_box_holds_the_mask_and_its_margin_and_stays_in_the_image() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:4, 5:9] = True
    assert box_of(mask) == Box(5, 2, 9, 4) and box_of(mask, 3) == Box(2, 0, 12, 7)
    assert Box(5, 3, 9, 4).halved() == Box(2, 1, 5, 2) and Box(5, 2, 9, 4).size == (2, 4)
    assert centre_of(mask.astype(np.float32)) == (6.5, 2.5)
    with pytest.raises(ValueError, match="box: expected a mask of at least one pixel"):
        box_of(np.zeros((4, 4), bool))


def test_the_core_of_a_faint_object_is_its_likeliest_pixel() -> None:
    assert core_of(np.array([[0.1, 0.3], [0.2, 0.0]], np.float32)).tolist() == [[False, True], [False, False]]
    assert core_of(np.array([[0.9, 0.6], [0.2, 0.5]], np.float32)).tolist() == [[True, True], [False, False]]


def test_the_guided_filter_leaves_what_the_guide_explains_and_smooths_what_it_does_not() -> None:
    guide = np.zeros((24, 24, 3), np.float32)
    guide[:, 12:] = (0.9, 0.2, 0.4)
    step = (guide[..., 0] > 0.5).astype(np.float32)
    np.testing.assert_allclose(
        guided_filter(guide, step, 4, 1e-5), step, atol=0.1
    )  # its functions are found at half size
    flat = guided_filter(np.full_like(guide, 0.3), step, 4, 1e-5)
    assert 0.3 < flat[12, 12] < 0.7


def test_the_guided_filter_takes_images_of_bytes_and_any_size() -> None:
    random = np.random.default_rng(0)
    for size in ((37, 50), (1, 9), (1, 1), (2, 3)):
        picture = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        soft = random.random(size).astype(np.float32)
        of_bytes = guided_filter(picture, soft, 3, 1e-4)
        np.testing.assert_allclose(of_bytes, guided_filter(picture.astype(np.float32) / 255, soft, 3, 1e-4), atol=0.02)


def test_the_guided_filter_is_steady_where_two_flat_colours_meet() -> None:
    inside = np.zeros((48, 80), np.float32)
    inside[6:22, 2:18] = 1
    random = np.random.default_rng(0)
    for _ in range(60):
        one, other = random.integers(0, 256, (2, 3)) / 255
        if np.abs(one - other).max() < 0.1:
            continue
        guide = np.where(inside[..., None] > 0, one, other).astype(np.float32)
        np.testing.assert_allclose(guided_filter(guide, inside, 6, 1e-5), inside, atol=0.1)


def test_scores_of_all_are_the_scores_of_each_to_the_bit() -> None:
    random = np.random.default_rng(0)
    view = view_of(Frame(0, 0.0, random.integers(0, 256, (60, 90, 3), dtype=np.uint8)), None)
    thetas = random.normal(size=(SCORED_AT_ONCE + 2, DIMENSION)).astype(np.float32) / 20
    classifiers = [Classifier(empty_sums(), theta) for theta in thetas]
    together = scores_of_all(view, classifiers)
    for classifier, scores in zip(classifiers, together, strict=True):
        assert np.array_equal(scores_of_all(view, [classifier])[0], scores)
        np.testing.assert_allclose(scores, classifier.scores(view, Box(0, 0, 90, 60)), atol=1e-5)
    assert scores_of_all(view, []) == []


def test_a_guide_is_made_once_a_frame_and_filters_as_one_made_anew() -> None:
    random = np.random.default_rng(0)
    view = view_of(Frame(0, 0.0, random.integers(0, 256, (40, 60, 3), dtype=np.uint8)), None)
    guide = view.once(work_guide, 4, 1e-4)
    assert view.once(work_guide, 4, 1e-4) is guide and view.once(work_guide, 5, 1e-4) is not guide
    for _ in range(2):
        soft = random.random((40, 60)).astype(np.float32)
        assert np.array_equal(guide.filtered(soft), guided_filter(view.once(work_picture), soft, 4, 1e-4))


@pytest.mark.parametrize(("size", "work"), [((480, 854), (240, 427)), ((32, 48), (32, 48)), ((90, 31), (90, 31))])
def test_features_have_half_the_work_size_and_the_same_channels(size: tuple[int, int], work: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    view = view_of(Frame(0, 0.0, image), None)
    assert work_size(view) == work
    half = -(-work[0] // 2), -(-work[1] // 2)
    features = view.once(pixel_features)
    assert features.shape == (*half, CHANNELS) and np.isfinite(features).all()


def test_features_are_lifted_once_and_only_in_requested_parts() -> None:
    features = np.random.default_rng(0).random((2 * TILE + 5, 3 * TILE + 2, CHANNELS)).astype(np.float32)
    whole = lift(features.reshape(-1, CHANNELS)).reshape(*features.shape[:2], DIMENSION)
    picture, box = LiftedPicture(features), Box(TILE - 3, 4, 2 * TILE + 1, 2 * TILE + 5)
    np.testing.assert_allclose(picture.part(box), whole[box.part], atol=1e-5)
    features[:] = 0  # what is made is kept
    np.testing.assert_allclose(picture.part(box), whole[box.part], atol=1e-5)


def test_the_classifier_separates_two_colours_and_forgets_by_shares() -> None:
    random = np.random.default_rng(0)
    red, blue = (random.normal(0, 0.05, (200, CHANNELS)).astype(np.float32) + at for at in (0.5, -0.5))
    one, other = sums_of(lift(red), 1.0, np.ones(200)), sums_of(lift(blue), -1.0, np.ones(200))
    theta = fit(one.plus(other), 0.02)
    assert lift(red).shape == (200, DIMENSION)
    assert (lift(red) @ theta).mean() > 0.8 and (lift(blue) @ theta).mean() < -0.8
    np.testing.assert_allclose(one.mixed(other, 0.25).target, 0.75 * one.target + 0.25 * other.target, rtol=1e-6)
    nothing = sums_of(lift(red[:0]), 1.0, np.ones(0))
    assert not nothing.gram.any() and np.isfinite(fit(one.plus(nothing), 0.02)).all()
    with pytest.raises(ValueError, match=r"Sums: expected .*, got \(2, 2\) and \(3,\)"):
        Sums(np.zeros((2, 2)), np.zeros(3))


def test_motion_separates_object_and_background_unless_both_move_alike() -> None:
    inside = np.zeros((60, 80), np.float32)
    inside[20:40, 30:50] = 1
    whole, flow = Box(0, 0, 80, 60), np.zeros((60, 80, 2), np.float32)
    assert np.abs(motion_evidence(flow, inside, whole)).max() < 1e-6
    flow[inside > 0] = (6, -2)
    found = motion_evidence(flow, inside, whole)
    assert found.shape == (60, 80) and found[30, 40] > 0.9 and found[5, 5] < -0.9
    turning = np.stack(np.meshgrid(np.linspace(-3, 3, 80), np.linspace(-2, 2, 60)), axis=2).astype(np.float32)
    assert np.abs(motion_evidence(turning, inside, whole)).max() < 0.01


def guess(*values: float) -> ObjectGuess:
    return ObjectGuess(np.array([values], np.float32), 0.7)


def test_objects_are_made_exclusive_by_their_odds() -> None:
    assert soft_aggregate([]) == []
    alone = guess(0.9, 0.2)
    assert soft_aggregate([alone]) == [alone]
    first, second = soft_aggregate([guess(0.95, 0.9, 0.1, 0.0), guess(0.05, 0.9, 0.8, 1.0)])
    assert first.quality == 0.7 and first.probs.dtype == np.float32
    total = first.probs + second.probs
    assert (total <= 1).all() and first.probs[0, 1] == pytest.approx(second.probs[0, 1])
    assert first.probs[0, 0] > 0.9 and second.probs[0, 2] > 0.5 and second.probs[0, 3] > 0.99


def test_where_no_two_regions_want_one_place_nothing_has_to_be_weighed() -> None:
    from scipy.optimize import linear_sum_assignment

    random = np.random.default_rng(0)
    for _ in range(200):
        worth = random.random(random.integers(1, 6, 2))
        worth = np.where(worth > 0.4, worth, 0)
        pairs = best_pairs(worth)
        assert sum(worth[pair] for pair in pairs) == pytest.approx(worth[linear_sum_assignment(-worth)].sum())
        taken = [place for region, place in pairs if worth[region, place] > 0]
        assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_positions_are_drawn_as_numpy_draws_them_from_all(share: float) -> None:
    random = np.random.default_rng(1)
    view = view_of(Frame(7, 0.0, np.zeros((32, 48, 3), np.uint8)), None)
    likely = random.random(4000) * (random.random(4000) < share)
    count = min(50, np.count_nonzero(likely))
    wanted = np.random.default_rng(7).choice(4000, count, replace=False, p=likely / likely.sum())
    assert np.array_equal(drawn(view, likely, 50), wanted)
