"""The systems of `benchmarks/gain`: baselines, oracles, and how they decide what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.gain import baselines, oracles, systems
from benchmarks.gain.clip import Clip, FrameAnswer, record
from benchmarks.gain.work import masks_of
from benchmarks.harness.clips import frames_of
from benchmarks.harness.scoring import figures
from image_core.language.motion_parser import parse_timed
from image_core.segmenter import ImageSegmenter
from rvos.reading.propagation import NoPropagation
from rvos.reading.reader import FeatureReader
from rvos.synthetic.dataset import VideoSample
from rvos.synthetic.expressions import VideoExpression
from rvos.tracking.tracker import NoTracker
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.types import Frame
from rvos.watch.session import StreamSession

RED, GREEN = (230, 20, 20), (20, 220, 20)


def expression(text: str, answers: Sequence[frozenset[int] | None]) -> VideoExpression:
    ids = tuple(sorted(frozenset().union(*(a for a in answers if a))))
    return VideoExpression(text, "plain", "stable", text[-1], ids, tuple(answers))


@pytest.fixture
def sample(frames: np.ndarray) -> VideoSample:
    """A red square that moves (1), a green one that is gone in frame 9 (2), and words for both and for neither."""
    tracks = np.where((frames == RED).all(3), 1, 0) + np.where((frames == GREEN).all(3), 2, 0)
    there = [frozenset(np.unique(track)) - {0} for track in tracks]
    expressions = (
        expression("the red thing", [found & {1} for found in there]),
        expression("the green thing", [found & {2} for found in there]),
        expression("the blue thing", [frozenset() for _ in there]),
    )
    return VideoSample("clip", frames, 12.0, expressions, tracks.astype(np.uint8))


@pytest.fixture
def clip(sample: VideoSample, colour_segmenter: ImageSegmenter) -> Clip:
    return record(sample, colour_segmenter)


def answers_of(presences: Sequence[float]) -> list[FrameAnswer]:
    """A pixel that is always there, with these presences."""
    return [FrameAnswer(np.ones((1, 1), bool), presence) for presence in presences]


@pytest.mark.parametrize(
    ("on", "off", "shown"),
    [
        (0.5, 0.5, [0, 1, 0, 0, 1, 1]),
        (0.5, 0.35, [0, 1, 1, 0, 1, 1]),
        (0.7, 0.35, [0, 0, 0, 0, 0, 1]),
        (0.0, 0.0, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_hysteresis_shows_at_on_and_hides_below_off(on: float, off: float, shown: list[int]) -> None:
    answers = answers_of([0.2, 0.6, 0.4, 0.3, 0.5, 0.7])
    masks = systems.gate(answers, systems.Thresholds(on, off))
    assert [int(mask[0, 0]) for mask in masks] == shown


def test_hysteresis_that_hides_later_than_it_shows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got on 0\.3, off 0\.4"):
        systems.Thresholds(0.3, 0.4)


@pytest.mark.parametrize(
    ("before", "after", "voted"),
    [(4, 0, [0, 1, 1, 0, 1, 1, 0, 0]), (2, 2, [1, 1, 1, 1, 0, 0, 0, 0])],
)
def test_a_vote_mends_one_frame_and_ends_with_the_target(before: int, after: int, voted: list[int]) -> None:
    answers = answers_of([0, 1, 1, 0, 1, 0, 0, 0])
    masks = systems.vote(before, after)(answers, systems.Thresholds(0.5, 0.5))
    assert [int(mask[0, 0]) for mask in masks] == voted


def test_every_two_level_grid_holds_the_plain_gates() -> None:
    assert set(systems.ONE_LEVEL) < set(systems.TWO_LEVELS)


def test_the_largest_component_stays() -> None:
    largest = baselines.largest_component
    mask = np.array([[1, 0, 0, 1, 1], [0, 0, 0, 1, 0], [1, 1, 0, 0, 0]], bool)
    wanted = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
    assert (largest(mask) == wanted).all()
    assert (largest(wanted) == wanted).all() and not largest(np.zeros((2, 2), bool)).any()


def test_frame_by_frame_is_a_session_without_tracker(clip: Clip, colour_segmenter: ImageSegmenter) -> None:
    texts = [e.text for e in clip.sample.expressions]
    session = StreamSession(FeatureReader(colour_segmenter, texts, NoPropagation()), NoTracker())
    wanted = [session.step(frame) for frame in clip.frames]
    masks = masks_of(clip, systems.SYSTEMS["frame_by_frame"], systems.Thresholds(0.5, 0.5))
    assert all((masks[e][t] == wanted[t][e].mask).all() for t in range(12) for e in range(3))
    assert {mask.any() for mask in masks[1]} == {True, False}


@pytest.mark.parametrize("level", [0.3, 0.5, 0.9])
def test_the_memory_tracker_gated_afterwards_is_the_tracker_with_that_threshold(clip: Clip, level: float) -> None:
    tracker = TracksTracker(TracksConfig(presence_threshold=level))
    masks = masks_of(clip, systems.SYSTEMS["tracks"], systems.Thresholds(level, level))
    for e in range(3):
        state = tracker.start(e, parse_timed(clip.sample.expressions[e].text))
        for t, view in enumerate(clip.views(range(12))):
            result, state = tracker.step(view, clip.answers[t][e], state)
            assert result is not None and (result.mask == masks[e][t]).all()


def test_views_know_the_frame_given_before(clip: Clip) -> None:
    views = list(clip.views([5, 4, 3]))
    assert views[0].before is None
    assert all((late.before == early.small_image).all() for early, late in pairwise(views))


def test_the_best_key_frame_has_the_most_presence_times_score(clip: Clip) -> None:
    mask, nothing = np.ones((48, 80), bool), np.zeros((48, 80), bool)
    scores = [clip.score(t, 0) for t in range(12)]
    assert min(scores) == max(scores) > 0, "presence alone decides here"
    answers = [FrameAnswer(nothing, 1.0)] + [FrameAnswer(mask, 0.1 * min(t, 12 - t)) for t in range(1, 12)]
    key = baselines.best_key_frame(clip, answers, 0)
    assert key is not None and key.index == 6 and key.presence == pytest.approx(0.6)
    assert baselines.best_key_frame(clip, [FrameAnswer(nothing, 1.0)] * 12, 0) is None


def test_a_mask_is_carried_both_ways_from_its_key_frame(clip: Clip) -> None:
    truth = clip.sample.mask(1)
    keys = [None, baselines.KeyFrame(6, truth[6], 1.0), None]
    forward = list(baselines.carried(clip.views(range(12)), keys))
    backward = list(baselines.carried(clip.views(reversed(range(12))), keys))
    assert [t for _, t, _ in forward] == [6, 7, 8, 9, 10, 11] and [t for _, t, _ in backward] == [6, 5, 4, 3, 2, 1, 0]
    for e, t, mask in (*forward, *backward):
        assert e == 1
        if t < 9:  # it leaves
            assert np.count_nonzero(mask & truth[t]) / np.count_nonzero(mask | truth[t]) > 0.8


@pytest.mark.parametrize("name", ["best_key_frame", "true_propagation", "true_identity"])
def test_every_method_answers_every_frame_of_every_expression(clip: Clip, name: str) -> None:
    answers = systems.SYSTEMS[name].method(clip)
    assert [len(of_expression) for of_expression in answers] == [12, 12, 12]
    assert {a.mask.shape for of_expression in answers for a in of_expression} == {(48, 80)}


def test_an_object_is_covered_when_half_of_what_is_seen_of_it_is() -> None:
    covered = oracles.covered_objects
    track = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 3, 3]], np.uint8)
    mask = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]], bool)
    assert covered(mask, track) == [1, 3]
    assert covered(np.zeros_like(mask), track) == []


def test_regions_are_kept_where_they_lie_on_the_target() -> None:
    regions_on = oracles.regions_on
    target = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]], bool)
    mask = np.array([[1, 0, 0, 1, 1, 1, 1, 0, 1, 1]], bool)
    wanted = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]], bool)
    assert (regions_on(mask, target) == wanted).all(), "one in four pixels is a graze"
    both = np.array([[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]], bool)
    assert (regions_on(both, target) == both).all(), "target and look-alike in one region"
    assert not regions_on(mask, np.zeros_like(target)).any()


def test_true_identity_shows_nothing_without_a_target(clip: Clip) -> None:
    method = systems.SYSTEMS["true_identity"].method
    for e, answers in enumerate(method(clip)):
        present = clip.sample.present(e)
        assert not any(answers[t].mask.any() for t in range(12) if not present[t])
        assert all(answers[t].mask.any() for t in range(12) if present[t])


def test_true_propagation_of_a_right_key_frame_is_the_truth(clip: Clip) -> None:
    red, green, _ = systems.SYSTEMS["true_propagation"].method(clip)
    assert (np.stack([a.mask for a in red]) == clip.sample.mask(0)).all()
    assert (np.stack([a.mask for a in green]) == clip.sample.mask(1)).all()


def test_frames_that_are_not_judged_do_not_count(sample: VideoSample) -> None:
    answers = [None if t < 6 else frozenset({1}) for t in range(12)]
    disputed = VideoSample("clip", sample.frames, 12.0, (expression("the other thing", answers),), sample.tracks)
    truth = sample.mask(0)
    wrong = [~mask if t < 6 else mask for t, mask in enumerate(truth)]
    found = figures(disputed, 0, wrong)
    assert found["frames"] == found["targets"] == 6 and found["absences"] == 0
    assert found["J&F"] == found["J&F_all_frames"] == found["best_frame"] == 1
    nobody = VideoSample("clip", sample.frames, 12.0, (expression("it", [None] * 12),), sample.tracks)
    with pytest.raises(ValueError, match="expected a judged frame"):
        figures(nobody, 0, wrong)


def test_frames_of_a_sample_keep_its_rate(sample: VideoSample) -> None:
    frames: tuple[Frame, ...] = frames_of(sample)
    assert [frame.index for frame in frames] == list(range(12)) and frames[6].time_s == pytest.approx(0.5)
