"""The laws of a session: none x none is the image model, sessions share nothing, a snapshot is a continuation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from image_core.answer import Candidate, MaskAnswer
from image_core.errors import RvosError, UnknownNameError
from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import KeyFrames
from rvos.reading.propagation import NoPropagation, Propagator
from rvos.reading.reader import FeatureReader, MaskReader
from rvos.reading.stem import Stem
from rvos.tracking import TRACKERS
from rvos.tracking.tracker import NoTracker, NoTrackerConfig, Tracker
from rvos.types import Frame, FrameResult, OutputError
from rvos.view.frame_view import View
from rvos.watch.session import EVERY_FRAME, StreamSession

EXPRESSIONS = ("the red thing", "the green thing", "the blue thing")


@dataclass(frozen=True)
class Held:
    features: Tensor | None
    valid_px: Tensor | None


class HoldLast(Propagator[Held]):
    """Keeps the features of the last key frame: the least that a propagator with a state can be."""

    between_key_frames = True
    reads_stem = False

    def start(self) -> Held:
        return Held(None, None)

    def step(
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: Held
    ) -> tuple[ImageFeatures, Held]:
        if features is not None:
            state = Held(features.levels[0], features.valid_px)
        assert state.features is not None and state.valid_px is not None
        return ImageFeatures((state.features,), (4,), state.valid_px), state


def session_of(
    segmenter: ImageSegmenter,
    expressions: tuple[str, ...] = EXPRESSIONS,
    propagator: Propagator[Any] | None = None,
    tracker: type[Tracker[Any]] = NoTracker,
    key_frames: KeyFrames = EVERY_FRAME,
) -> StreamSession:
    reader = FeatureReader(segmenter, expressions, propagator or NoPropagation())
    return StreamSession(reader, tracker(), key_frames)


def frames_of(images: np.ndarray) -> list[Frame]:
    return [Frame(index, index / 25, image) for index, image in enumerate(images)]


def same(one: FrameResult, other: FrameResult) -> bool:
    plain = ("frame_index", "time_s", "score", "presence")
    return np.array_equal(one.mask, other.mask) and all(getattr(one, k) == getattr(other, k) for k in plain)


def all_same(some: Iterable[FrameResult], others: Iterable[FrameResult]) -> bool:
    return all(same(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("kind", ["colour_segmenter", "early_segmenter"])
def test_none_x_none_is_the_image_model_frame_by_frame_to_the_bit(
    kind: str, frames: np.ndarray, request: pytest.FixtureRequest
) -> None:
    segmenter: ImageSegmenter = request.getfixturevalue(kind)
    session = session_of(segmenter)
    seen = 0
    for frame in frames_of(frames):
        for result, alone in zip(session.step(frame), segmenter.segment(frame.image, EXPRESSIONS), strict=True):
            np.testing.assert_array_equal(result.mask, alone.mask(frame.size))
            assert (result.score, result.presence) == (alone.score, alone.presence)
            seen += result.present
    assert seen == 12 + 11  # red always, green but once, blue never


def test_an_array_is_no_frame(colour_segmenter: ImageSegmenter) -> None:
    picture: Any = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(RvosError, match=r"expected rvos.Frame\(index, time_s, image\), got ndarray"):
        session_of(colour_segmenter).step(picture)


@pytest.mark.parametrize("kind", ["colour_segmenter", "early_segmenter"])
def test_a_frame_is_encoded_once_and_an_expression_once_a_video(
    kind: str, frames: np.ndarray, request: pytest.FixtureRequest
) -> None:
    segmenter = request.getfixturevalue(kind)
    session = session_of(segmenter)
    for frame in frames_of(frames):
        session.step(frame)
    assert segmenter.model.calls == {"text": 3, "stem": 12, "image": 12, "decode": 12 * 3}


@pytest.mark.parametrize("kind", ["colour_segmenter", "early_segmenter"])
def test_expressions_together_are_expressions_apart(
    kind: str, frames: np.ndarray, request: pytest.FixtureRequest
) -> None:
    segmenter = request.getfixturevalue(kind)
    together = session_of(segmenter)
    apart = [session_of(segmenter, (expression,)) for expression in EXPRESSIONS]
    for frame in frames_of(frames):
        results = together.step(frame)
        assert [result.expression_index for result in results] == [0, 1, 2]
        for result, session in zip(results, apart, strict=True):
            (alone,) = session.step(frame)
            assert same(result, alone) and alone.expression_index == 0


def test_two_sessions_in_turns_share_nothing(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, counting_tracker: type[Tracker[Any]]
) -> None:
    propagator, images = HoldLast(), frames_of(frames)

    def make() -> StreamSession:
        return session_of(colour_segmenter, EXPRESSIONS, propagator, counting_tracker, KeyFrames(3))

    one, other, alone, other_alone = make(), make(), make(), make()
    wanted = [alone.step(frame) for frame in images], [other_alone.step(frame) for frame in images[::-1]]
    for position in range(len(images)):
        for session, order, expected in ((one, images, wanted[0]), (other, images[::-1], wanted[1])):
            assert all_same(session.step(order[position]), expected[position])


def test_between_key_frames_the_encoder_rests_and_features_are_the_propagators(
    colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    session = session_of(colour_segmenter, EXPRESSIONS, HoldLast(), key_frames=KeyFrames(4))
    masks = [session.step(frame)[0].mask for frame in frames_of(frames)]
    assert colour_segmenter.model.calls == {"text": 3, "image": 3, "stem": 3, "decode": 12 * 3}
    changes = [not np.array_equal(a, b) for a, b in pairwise(masks)]
    assert [index + 1 for index, changed in enumerate(changes) if changed] == [4, 8]


@pytest.mark.parametrize("at", [1, 5, 11])
def test_a_snapshot_continues_where_it_was_taken(
    at: int, colour_segmenter: ImageSegmenter, frames: np.ndarray, counting_tracker: type[Tracker[Any]]
) -> None:
    def make() -> StreamSession:
        return session_of(colour_segmenter, EXPRESSIONS, HoldLast(), counting_tracker, KeyFrames(4))

    whole, first, second, images = make(), make(), make(), frames_of(frames)
    wanted = [whole.step(frame) for frame in images]
    for frame in images[:at]:
        first.step(frame)
    second.restore(first.snapshot())
    assert second.frame_count == at and second.snapshot() == first.snapshot()
    for frame, expected in zip(images[at:], wanted[at:], strict=True):
        assert all_same(second.step(frame), expected)


def test_a_damaged_or_foreign_snapshot_is_refused_and_changes_nothing(
    colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    session = session_of(colour_segmenter)
    session.step(frames_of(frames)[0])
    good = session.snapshot()
    foreign = session_of(colour_segmenter, ("the red thing",)).snapshot()
    numbers = StreamSession(
        FeatureReader(colour_segmenter, EXPRESSIONS, NoPropagation()),
        NoTracker(NoTrackerConfig(presence_threshold=0.4)),
    ).snapshot()
    for data, words in (
        (good[:-1], "damaged"),
        (b"", "damaged"),
        (foreign, "expected one with expressions .*, got .*the red thing"),
        (numbers, "expected one with tracker .*0.5.*, got .*0.4.*: start over with --overwrite"),
    ):
        with pytest.raises(OutputError, match=words):
            session.restore(data)
    assert session.snapshot() == good


def test_a_frame_that_fails_is_not_remembered(
    colour_segmenter: ImageSegmenter, frames: np.ndarray, counting_tracker: type[Tracker[Any]]
) -> None:
    session, images = session_of(colour_segmenter, tracker=counting_tracker), frames_of(frames)
    session.step(images[0])
    before = session.snapshot()
    original = session._tracker.step
    session._tracker.step = lambda *_: (_ for _ in ()).throw(MemoryError())  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        session.step(images[1])
    session._tracker.step = original  # type: ignore[method-assign]
    assert session.snapshot() == before


@pytest.mark.parametrize(
    ("expressions", "words"),
    [((), "no expression"), (("the dog", "  "), "expression 2 is blank"), ("dog", "one string")],
)
def test_invalid_expressions_are_refused(
    expressions: tuple[str, ...], words: str, colour_segmenter: ImageSegmenter
) -> None:
    with pytest.raises(RvosError, match=words):
        session_of(colour_segmenter, expressions)


def test_tables_take_hyphens_and_suggest_the_nearest_name() -> None:
    assert set(PROPAGATORS) >= {"none"} and set(TRACKERS) >= {"none"}
    assert PROPAGATORS.find("none") is NoPropagation and TRACKERS.find("none") is NoTracker
    with pytest.raises(UnknownNameError, match="unknown propagation 'nome': did you mean 'none'"):
        PROPAGATORS.find("nome")
    with pytest.raises(UnknownNameError, match="unknown tracker 'non': did you mean 'none'"):
        TRACKERS.find("non")


def test_the_network_runs_without_gradients(colour_segmenter: ImageSegmenter, frames: np.ndarray) -> None:
    kept = []

    class Keeping(NoPropagation):
        reads_stem = True

        def step(self, view: View, stem: Stem | None, features: ImageFeatures | None, state: Any) -> Any:
            kept.append(stem.cells if stem else None)
            return super().step(view, stem, features, state)

    session_of(colour_segmenter, propagator=Keeping()).step(frames_of(frames)[0])
    assert kept[0] is not None and kept[0].is_inference() and not torch.is_inference_mode_enabled()


class Counted:
    """A model that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.asked.append(list(expressions))
        mask = np.ones(image.shape[:2], dtype=bool)
        return [MaskAnswer((Candidate(mask, 1.0, 1.0),), 1.0) for _ in expressions]


def test_expressions_with_the_same_question_are_answered_once(frames: np.ndarray) -> None:
    model = Counted()
    session = StreamSession(MaskReader(model, ["the dog", "the cat", "the dog"]), NoTracker())
    results = session.step(frames_of(frames)[0])
    assert model.asked == [["the dog", "the cat"]]
    assert [result.expression_index for result in results] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["colour_segmenter", "early_segmenter"])
def test_equal_expressions_on_features_are_answered_like_one(
    kind: str, frames: np.ndarray, request: pytest.FixtureRequest
) -> None:
    segmenter = request.getfixturevalue(kind)
    alone = session_of(segmenter, EXPRESSIONS[:1])
    wanted = [alone.step(frame)[0] for frame in frames_of(frames)]
    before = segmenter.model.calls["decode"]
    twice = session_of(segmenter, (EXPRESSIONS[0], EXPRESSIONS[1], EXPRESSIONS[0]))
    stepped = [twice.step(frame) for frame in frames_of(frames)]
    assert segmenter.model.calls["decode"] == before + 2 * len(frames)
    for row in (0, 2):
        assert all_same([results[row] for results in stepped], wanted)


def test_a_reader_of_other_expressions_is_refused() -> None:
    with pytest.raises(ValueError, match="a reader of 1 expressions, got 2"):
        StreamSession(MaskReader(Counted(), ["a", "b"]), NoTracker(), expressions=["a"])
