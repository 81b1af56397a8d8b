"""The laws of a video system, over every propagator x tracker, for language fused late and early."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.records import to_record
from rvos.reading import PROPAGATORS
from rvos.tracking import TRACKERS
from rvos.types import Frame, FrameRecord
from rvos.view.frame_view import view_of
from rvos.watch.stream import Session

EXPRESSIONS = ("the red thing", "the green thing", "the blue thing")

SYSTEMS = [
    (propagation, tracker, key_frames, decode)
    for propagation, tracker in itertools.product(sorted(PROPAGATORS), sorted(TRACKERS))
    for key_frames, decode in (
        (("every:3", "every"), ("adaptive:5", "every"))
        if PROPAGATORS[propagation].between_key_frames
        else (("all", "every"), ("adaptive:5", "key"))
    )
    if decode == "every" or TRACKERS[tracker].between_decodes
]
"""Propagator, tracker, key frames, decode: every pair of parts, so that something lies between key frames."""


@pytest.fixture(params=["late", "early"])
def image(request: pytest.FixtureRequest) -> ImageSegmenter:
    return request.getfixturevalue({"late": "colour_segmenter", "early": "early_segmenter"}[request.param])


@pytest.fixture(params=SYSTEMS, ids="-".join)
def system(image: ImageSegmenter, request: pytest.FixtureRequest) -> VideoSegmenter:
    propagation, tracker, key_frames, decode = request.param
    return VideoSegmenter(image, propagation, tracker, key_frames=key_frames, decode=decode)


@pytest.fixture
def clip(frames: np.ndarray) -> list[Frame]:
    """Ten frames, the last three of them another scene."""
    images = [*frames[:7], *(np.roll(255 - image, 20, 1) for image in frames[7:10])]
    return [Frame(index, index / 25, image) for index, image in enumerate(images)]


def records_of(session: Session, frames: Iterable[Frame]) -> list[list[FrameRecord]]:
    return [[to_record(result) for results in session.steps([frame]) for result in results] for frame in frames]


@pytest.fixture
def in_one_go(request: pytest.FixtureRequest, system: VideoSegmenter, clip: list[Frame]) -> list[list[FrameRecord]]:
    """What the system says of the clip and all expressions, watched once for all tests."""
    key = tuple(request.node.callspec.params[name] for name in ("image", "system"))
    if key not in _WATCHED:
        _WATCHED[key] = records_of(system.session(EXPRESSIONS), clip)
    return _WATCHED[key]


_WATCHED: dict[tuple[Any, ...], list[list[FrameRecord]]] = {}


def images_of(clip: Sequence[Frame]) -> np.ndarray:
    return np.stack([frame.image for frame in clip])


def test_every_part_is_in_some_system() -> None:
    assert {s[0] for s in SYSTEMS} == set(PROPAGATORS) and {s[1] for s in SYSTEMS} == set(TRACKERS)
    assert len(SYSTEMS) == len(set(SYSTEMS)) == 2 * (2 + 2 + 1) + 1


def test_the_clip_has_a_cut(clip: list[Frame]) -> None:
    views = [view_of(now, before.image) for before, now in itertools.pairwise(clip)]
    assert [view.frame.index for view in views if view.cut] == [7]


def test_segment_is_stream_is_step_by_step(system: VideoSegmenter, clip: list[Frame]) -> None:
    images = images_of(clip)
    collected = system.segment(images, EXPRESSIONS).records
    streamed = [to_record(result) for _, results in system.stream(images, EXPRESSIONS) for result in results]
    with_times = [replace(frame, time_s=collected[3 * frame.index].time_s) for frame in clip]
    stepped = records_of(system.session(EXPRESSIONS), with_times)
    assert collected == streamed == list(itertools.chain(*stepped))
    assert any(record.present for record in collected) and not all(record.present for record in collected)


def test_killed_and_continued_is_in_one_go(
    system: VideoSegmenter, clip: list[Frame], in_one_go: list[list[FrameRecord]]
) -> None:
    """Killed before frames 0, 1, 4 and 8, and every time continued by a new session."""
    session = system.session(EXPRESSIONS)
    for start, end in itertools.pairwise((0, 1, 4, 8, len(clip))):
        snapshot = session.snapshot()
        session = system.session(EXPRESSIONS)
        session.restore(snapshot)
        assert session.snapshot() == snapshot
        assert records_of(session, clip[start:end]) == in_one_go[start:end]


@pytest.mark.parametrize("propagation", [name for name in sorted(PROPAGATORS) if PROPAGATORS[name].between_key_frames])
def test_a_real_network_is_continued_to_the_bit(propagation: str, clip: list[Frame]) -> None:
    """Its features lie in memory channels last, which the stubs' do not: what is remembered is read back alike."""
    system = VideoSegmenter(ImageSegmenter.load("s2rm_tiny", "cpu"), propagation, "none", key_frames="every:4")
    wanted = records_of(system.session(EXPRESSIONS[:1]), clip)
    first, second = system.session(EXPRESSIONS[:1]), system.session(EXPRESSIONS[:1])
    records_of(first, clip[:2])
    second.restore(first.snapshot())
    assert records_of(second, clip[2:]) == wanted[2:]


def test_expressions_together_are_expressions_apart(
    system: VideoSegmenter, clip: list[Frame], in_one_go: list[list[FrameRecord]]
) -> None:
    for index, expression in enumerate(EXPRESSIONS):
        apart = records_of(system.session([expression]), clip)
        assert [replace(records[index], expression_index=0) for records in in_one_go] == [alone for (alone,) in apart]


def test_two_sessions_in_turns_are_two_apart(
    system: VideoSegmenter, clip: list[Frame], in_one_go: list[list[FrameRecord]]
) -> None:
    other_clip = [replace(frame, image=frame.image[:, ::-1].copy()) for frame in clip]
    wanted = [in_one_go, records_of(system.session(EXPRESSIONS), other_clip)]
    one, other = system.session(EXPRESSIONS), system.session(EXPRESSIONS)
    in_turns = [(records_of(one, [a]), records_of(other, [b])) for a, b in zip(clip, other_clip, strict=True)]
    assert [a for (a,), _ in in_turns] == wanted[0]
    assert [b for _, (b,) in in_turns] == wanted[1]


def test_a_clip_of_one_frame(system: VideoSegmenter, clip: list[Frame]) -> None:
    (records,) = records_of(system.session(EXPRESSIONS), clip[:1])
    assert [record.present for record in records] == [True, True, False]


@pytest.mark.parametrize("propagation", sorted(PROPAGATORS))
def test_without_a_tracker_and_with_key_frames_alone_it_is_the_image_model(
    propagation: str, image: ImageSegmenter, clip: list[Frame]
) -> None:
    session = VideoSegmenter(image, propagation, "none", key_frames="all").session(EXPRESSIONS)
    for frame in clip:
        for result, alone in zip(session.step(frame), image.segment(frame.image, EXPRESSIONS), strict=True):
            np.testing.assert_array_equal(result.mask, alone.mask(frame.size))
            assert (result.score, result.presence) == (alone.score, alone.presence)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("propagation", sorted(PROPAGATORS))
def test_the_precision_is_the_networks_alone(
    propagation: str, precision: str, image: ImageSegmenter, clip: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(PROPAGATORS[propagation]):  # type: ignore[misc]
        def steps(self, *given: Any) -> Any:
            inside.append(torch.is_autocast_enabled("cpu"))
            return super().steps(*given)

    inside: list[bool] = []
    made: Any = Watched
    monkeypatch.setattr(image, "precision", precision)
    records_of(VideoSegmenter(image, made(), "none").session(EXPRESSIONS), clip[:2])
    assert inside == [False, False]
