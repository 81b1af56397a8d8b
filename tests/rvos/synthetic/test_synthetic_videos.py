"""Synthetic videos: what each challenge family promises, expressions true on every frame, truth that agrees."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from image_core.errors import ConfigError, UnknownNameError
from image_core.synthetic.expressions import names_held_out_pair
from image_core.synthetic.language import training_words
from image_core.synthetic.meanings import Ambiguous, Meaning
from image_core.synthetic.scene import Scene
from image_core.synthetic.splits import SPLITS as IMAGE_SPLITS
from image_core.synthetic.splits import scene_seed
from rvos.synthetic.dataset import SyntheticVideos, VideoDescription, VideoSample
from rvos.synthetic.expressions import VideoExpression
from rvos.synthetic.fingerprint import generator_sha256
from rvos.synthetic.motion_meanings import MotionMeaning, objects_that_move
from rvos.synthetic.severity import FAMILIES, SEVERITY
from rvos.synthetic.splits import SPLITS, texture_seed, video_seed

SIZE = (72, 128)
ROUNDS = 3
TARGET, LOOKALIKE = 1, 2


@pytest.fixture(scope="module")
def described() -> list[VideoDescription]:
    videos = SyntheticVideos("train", 1, SIZE)
    return [videos.describe(i) for i in range(ROUNDS * len(FAMILIES))]


@pytest.fixture(scope="module")
def samples() -> list[VideoSample]:
    videos = SyntheticVideos("train", 1, SIZE, length=len(FAMILIES))
    return [videos[i] for i in range(len(FAMILIES))]


def of_family(described: list[VideoDescription], family: str) -> list[VideoDescription]:
    videos = [video for video in described if video.family == family]
    assert len(videos) == ROUNDS
    return videos


def told(video: VideoDescription, kind: str) -> list[tuple[VideoExpression, Meaning | MotionMeaning]]:
    pairs = zip(video.expressions, video.meanings, strict=True)
    return [(expression, meaning) for expression, meaning in pairs if expression.kind == kind]


def gaps(seen: np.ndarray) -> list[tuple[int, int]]:
    """Runs of frames without the object, as (first, length)."""
    gone = [t for t, there in enumerate(seen) if not there]
    starts = [t for t in gone if t - 1 not in gone]
    return [(t, next(n for n in range(1, len(seen) + 1) if t + n not in gone)) for t in starts]


def visible_pixels(sample: VideoSample, object_id: int) -> np.ndarray:
    return (sample.tracks == object_id).sum(axis=(1, 2))


def only(scene: Scene, ids: set[int]) -> Scene:
    return replace(scene, objects=tuple(o for o in scene.objects if o.id in ids))


def answer_of(meaning: Meaning | MotionMeaning, scene: Scene) -> frozenset[int] | None:
    assert not isinstance(meaning, MotionMeaning)
    try:
        return meaning(scene)
    except Ambiguous:
        return None


def test_a_video_is_a_function_of_split_seed_and_index() -> None:
    first, again = SyntheticVideos("val", 3, SIZE)[4], SyntheticVideos("val", 3, SIZE, length=5)[4]
    assert first.expressions == again.expressions
    assert np.array_equal(first.frames, again.frames) and np.array_equal(first.tracks, again.tracks)
    for other in (SyntheticVideos("val", 4, SIZE).describe(4), SyntheticVideos("train", 3, SIZE).describe(4)):
        assert other.expressions != first.expressions


def test_a_size_changes_the_resolution_alone(samples: list[VideoSample]) -> None:
    small, large = samples[4], SyntheticVideos("train", 1, (144, 256))[4]
    assert small.expressions == large.expressions
    assert (small.tracks == large.tracks[:, ::2, ::2]).mean() > 0.97


def test_families_take_turns_and_every_expression_has_the_one_of_its_video(described: list[VideoDescription]) -> None:
    assert [video.family for video in described] == list(FAMILIES) * ROUNDS
    for video in described:
        assert {e.family for e in video.expressions} == {video.family}
        kinds = Counter(e.kind for e in video.expressions)
        assert kinds["stable"] == 2 and len(video.expressions) in (2, 3)
        assert len({e.text for e in video.expressions}) == len(video.expressions)
    assert {e.kind for video in described for e in video.expressions} == {"stable", "stale", "motion"}


def test_stable_meanings_give_one_answer_on_every_frame(samples: list[VideoSample]) -> None:
    videos = SyntheticVideos("train", 1, SIZE)
    for index, sample in enumerate(samples):
        video = videos.describe(index)
        for expression, meaning in told(video, "stable"):
            targets = frozenset(expression.object_ids)
            assert (TARGET in targets) != (video.family == "absent")
            for t, scene in enumerate(video.animation.scenes):
                shown = set(np.unique(sample.tracks[t]).tolist())
                assert answer_of(meaning, only(scene, shown)) == targets & shown == expression.answers[t]


def test_stale_answers_are_those_of_each_frame_and_change(described: list[VideoDescription]) -> None:
    cases = [(video, *pair) for video in described for pair in told(video, "stale")]
    assert len(cases) >= 3
    for video, expression, meaning in cases:
        answers = [answer_of(meaning, scene) for scene in video.animation.visible_scenes]
        assert tuple(answers) == expression.answers
        assert all(ids is None or len(ids) <= 1 for ids in answers)
        assert len({ids for ids in answers if ids}) >= 2
        assert sum(ids is not None for ids in answers) >= 0.7 * len(answers)


def test_motion_answers_are_one_object_wherever_it_is_visible(described: list[VideoDescription]) -> None:
    cases = [(video, *pair) for video in described for pair in told(video, "motion")]
    assert len(cases) >= 5
    for video, expression, meaning in cases:
        assert isinstance(meaning, MotionMeaning)
        ids = objects_that_move(meaning, video.animation)
        assert ids is not None and ids == frozenset(expression.object_ids)
        assert len(ids) == (video.family != "absent")
        for id in ids:
            assert [id in (answer or ()) for answer in expression.answers] == video.animation.visible_of(id).tolist()


def test_words_of_stable_and_stale_expressions_are_those_of_images(described: list[VideoDescription]) -> None:
    said = [e for video in described for e in video.expressions]
    still = {word for e in said if e.kind != "motion" for word in e.text.split()}
    assert still <= training_words()
    assert {word for e in said if e.kind == "motion" for word in e.text.split()} - training_words()
    for video in described:
        for meaning in video.meanings:
            assert not names_held_out_pair(meaning.of if isinstance(meaning, MotionMeaning) else meaning)


def test_an_occluded_target_is_gone_for_5_to_20_frames(described: list[VideoDescription]) -> None:
    for video in of_family(described, "occlusion"):
        animation = video.animation
        ((start, length),) = gaps(animation.visible_of(TARGET))
        assert 5 <= length <= 20 and start >= 4 and start + length <= animation.frame_count - 4
        hidden = [animation.scenes[t].by_id[TARGET] for t in range(start, start + length)]
        assert all(0 < item.x < animation.width and 0 < item.y < 1 for item in hidden)


def test_what_leaves_comes_back_elsewhere_and_otherwise_after_the_lookalike(
    described: list[VideoDescription],
) -> None:
    for video in of_family(described, "exit_reentry"):
        animation = video.animation
        ((start, length),) = gaps(animation.visible_of(TARGET))
        assert length >= 5
        for t in range(start, start + length):
            item = animation.scenes[t].by_id[TARGET]
            assert not (0 <= item.x <= animation.width and 0 <= item.y <= 1)
        entered = animation.visible_of(LOOKALIKE).tolist().index(True)
        assert start <= entered < start + length
        before, after = (animation.scenes[t].by_id[TARGET].size for t in (0, -1))
        assert max(before, after) >= 1.3 * min(before, after)


def test_lookalikes_cross_and_differ_in_one_word_or_in_none(described: list[VideoDescription]) -> None:
    for video in of_family(described, "lookalike_crossing"):
        pairs = [(scene.by_id[TARGET], scene.by_id[LOOKALIKE]) for scene in video.animation.scenes]
        nearest = min(np.hypot(a.x - b.x, a.y - b.y) / (a.size + b.size) for a, b in pairs)
        assert nearest <= 0.25
        a, b = pairs[0]
        differing = [name for name in ("shape", "colour", "fill") if getattr(a, name) != getattr(b, name)]
        assert differing == ([] if video.differs in ("size", "place") else [video.differs])


def test_the_camera_moves_and_the_scale_changes(described: list[VideoDescription]) -> None:
    for video in of_family(described, "camera_motion"):
        spread = np.ptp(video.animation.camera, axis=0)
        assert (
            max(spread[0], spread[1], np.log(video.animation.camera[:, 2].max() / video.animation.camera[:, 2].min()))
            >= 0.3
        )
    for video in of_family(described, "scale_change"):
        sizes = [scene.by_id[TARGET].size for scene in video.animation.scenes]
        assert max(sizes) >= 2.2 * min(sizes)


def test_absent_targets_are_never_visible_and_partly_absent_ones_miss_one_end(
    described: list[VideoDescription],
) -> None:
    for video in of_family(described, "absent"):
        for expression in video.expressions:
            assert expression.object_ids == () and set(expression.answers) == {frozenset()}
    for video in of_family(described, "partly_absent"):
        ((start, length),) = gaps(video.animation.visible_of(TARGET))
        assert length >= SEVERITY.absent_frames
        assert start == 0 or start + length == video.animation.frame_count


def test_masks_are_tracks_and_what_is_gone_has_no_pixel(samples: list[VideoSample]) -> None:
    gone = 0
    for sample in samples:
        assert sample.frames.shape == (36, *SIZE, 3) and sample.rate == 12
        for index, expression in enumerate(sample.expressions):
            mask, present, judged = sample.mask(index), sample.present(index), sample.judged(index)
            assert np.array_equal(mask.any(axis=(1, 2)), present)
            assert not mask[~judged].any() and (judged.all() or expression.kind == "stale")
            if expression.kind != "stale":
                assert np.array_equal(mask, np.isin(sample.tracks, expression.object_ids))
                for id in expression.object_ids:
                    gone += int((visible_pixels(sample, id) == 0).sum())
    assert gone >= 20


def test_some_targets_move_by_more_than_their_size_in_a_frame_and_some_bend(described: list[VideoDescription]) -> None:
    fast, bent, turning = 0, 0, 0
    for video in described:
        animation = video.animation
        steps = [
            np.hypot(a.by_id[TARGET].x - b.by_id[TARGET].x, a.by_id[TARGET].y - b.by_id[TARGET].y)
            / a.by_id[TARGET].size
            for a, b in pairwise(animation.scenes)
        ]
        both = animation.visible_of(TARGET)[1:] & animation.visible_of(TARGET)[:-1]
        fast += bool((np.array(steps)[both] > 1).any())
        bent += any(moving.item.wave for moving in animation.objects)
        turning += any(np.ptp(moving.poses[:, 4]) > 0.5 for moving in animation.objects)
    assert fast >= 3 and bent >= 8 and turning >= 5


def test_twins_without_the_challenge_say_the_same_of_the_same_objects(described: list[VideoDescription]) -> None:
    without_challenge = SyntheticVideos("train", 1, SIZE, challenge=False)
    for index, video in enumerate(described[: len(FAMILIES)]):
        twin = without_challenge.describe(index)
        stable = [(e.text, e.object_ids) for e, _ in told(video, "stable")]
        assert [(e.text, e.object_ids) for e in twin.expressions] == stable
        assert {a.item for a in twin.animation.objects} == {a.item for a in video.animation.objects}
        assert (twin.animation.backdrop, twin.animation.light, twin.animation.ground) == (
            video.animation.backdrop,
            video.animation.light,
            video.animation.ground,
        )
        assert twin.animation.visible_of(TARGET).all()
        for expression, meaning in told(twin, "stable"):
            for scene, ids in zip(twin.animation.visible_scenes, expression.answers, strict=True):
                assert answer_of(meaning, scene) == ids == frozenset(expression.object_ids) & frozenset(scene.by_id)


def test_splits_share_no_seed_with_each_other_nor_with_the_images() -> None:
    ranges = {("videos", s): {video_seed(s, seed, i) >> 60 for seed in (0, 9) for i in range(50)} for s in SPLITS}
    ranges |= {
        ("pictures", s): {scene_seed(s, seed, i) >> 60 for seed in (0, 9) for i in range(50)} for s in IMAGE_SPLITS
    }
    assert sorted(number for numbers in ranges.values() for number in numbers) == list(range(len(ranges)))
    textures = {texture_seed(s, drawn) >> 32 for s in SPLITS for drawn in (0, 2**32 - 1)}
    assert textures == {1, 2, 3}  # those of pictures have 32 bits


def test_the_hash_distinguishes_generators() -> None:
    assert generator_sha256() == generator_sha256()
    assert generator_sha256(replace(SEVERITY, pan=(0.36, 0.75))) != generator_sha256()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": (16, 64)}, "expected 32 px or more, .*, got 16 x 64 px"),
        ({"size": (128, 72)}, "no higher than wide"),
        ({"frames": 12}, "expected 24 or more, .* got 12"),
    ],
)
def test_what_cannot_be_made_is_refused(wrong: dict[str, tuple[int, int]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SyntheticVideos("val", **wrong)  # pyright: ignore[reportArgumentType]


def test_names_and_positions_that_are_not_there_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'val'"):
        SyntheticVideos("vla")
    videos = SyntheticVideos("val", length=2)
    assert len(videos) == 2 and len(SyntheticVideos("test")) == 512
    with pytest.raises(IndexError, match="from 0 to 1, got 2"):
        videos[2]


def test_a_sample_is_checked_at_birth(samples: list[VideoSample]) -> None:
    sample = samples[0]
    with pytest.raises(ValueError, match=r"frames: expected .*, got float"):
        replace(sample, frames=sample.frames.astype(float))
    with pytest.raises(ValueError, match=r"tracks: expected .*, got uint8 \(35"):
        replace(sample, tracks=sample.tracks[1:])
    with pytest.raises(ValueError, match=r"lengths \[35, 36\]"):
        replace(sample, expressions=(replace(sample.expressions[0], answers=sample.expressions[0].answers[1:]),))
