"""Which frames are looked at, and which are key frames: tables to check by eye."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from image_core.answer import MaskAnswer
from image_core.errors import ConfigError
from image_core.state import from_bytes, to_bytes
from rvos import VideoSegmenter
from rvos.reading.key_frames import KeyFrames, KeyFrameState, parse_key_frames
from rvos.types import Frame
from rvos.video.reader import open_video
from rvos.video.sampling import Stride, Uniform, parse_sampling
from rvos.view.frame_view import View, view_of


@pytest.mark.parametrize(
    ("text", "frame_count", "indices"),
    [
        ("all", 4, [0, 1, 2, 3]),
        ("all", 0, []),
        ("stride:1", 3, [0, 1, 2]),
        ("stride:3", 8, [0, 3, 6]),
        ("stride:9", 8, [0]),
        ("uniform:1", 9, [4]),
        ("uniform:2", 8, [2, 6]),
        ("uniform:3", 9, [1, 4, 7]),
        ("uniform:4", 10, [1, 3, 6, 8]),
        ("uniform:5", 5, [0, 1, 2, 3, 4]),
        ("uniform:9", 5, [0, 1, 2, 3, 4]),
        ("uniform:2", 0, []),
    ],
)
def test_indices(text: str, frame_count: int, indices: list[int]) -> None:
    sampling = parse_sampling(text)
    assert list(sampling.indices(frame_count)) == indices
    if frame_count:
        with open_video(np.zeros((frame_count, 2, 2, 3), np.uint8)) as video:
            assert [frame.index for frame in sampling.select(video)] == indices


def test_uniform_is_increasing_inside_and_even() -> None:
    for count in range(1, 12):
        for frame_count in range(count, 60):
            indices = list(Uniform(count).indices(frame_count))
            gaps = [b - a for a, b in itertools.pairwise(indices)]
            assert len(indices) == count
            assert 0 <= indices[0] <= indices[-1] < frame_count
            assert not gaps or 1 <= min(gaps) <= max(gaps) <= min(gaps) + 1


class EndlessReader:
    """A camera: frames without end, no count."""

    def __iter__(self) -> Iterator[Frame]:
        return (Frame(i, float(i), np.zeros((2, 2, 3), np.uint8)) for i in itertools.count())

    def frames_from(self, index: int) -> Iterator[Frame]:
        raise AssertionError("from the first frame on there is nothing to seek")

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        raise AssertionError("a stride must not ask for frames by index")

    def count_frames(self) -> int:
        raise AssertionError("a stride must not ask for the count")


def test_stride_works_on_streams() -> None:
    frames = itertools.islice(Stride(4).select(EndlessReader()), 3)
    assert [frame.index for frame in frames] == [0, 4, 8]


GREY, BRIGHT = 100, 160


def pictures(levels: Sequence[int]) -> Iterator[View]:
    """Plain pictures of these grey levels, seen one after the other."""
    before = None
    for index, level in enumerate(levels):
        view = view_of(Frame(index, float(index), np.full((40, 64, 3), level, np.uint8)), before)
        before = view.small_image
        yield view


def keys_of(text: str, views: Iterable[View]) -> list[int]:
    policy = parse_key_frames(text)
    assert policy is not None
    state, found = policy.start(), []
    for index, view in enumerate(views):
        is_key, state = policy.step(view, state)
        state = from_bytes(KeyFrameState, to_bytes(state))  # as a session keeps it
        found += [index] * is_key
    return found


@pytest.mark.parametrize(
    ("text", "levels", "keys"),
    [
        ("all", [GREY] * 6, [0, 1, 2, 3, 4, 5]),
        ("every:2", [GREY] * 6, [0, 2, 4]),
        ("every:5", [GREY] * 6, [0, 5]),
        ("every:9", [GREY] * 6, [0]),
        ("adaptive:1", [GREY] * 4, [0, 1, 2, 3]),
        ("adaptive:4", [GREY] * 9, [0, 4, 8]),
        ("adaptive:9", [GREY] * 6, [0]),
        ("adaptive:4", [GREY, GREY, BRIGHT, BRIGHT, BRIGHT, BRIGHT, BRIGHT], [0, 2, 6]),
        ("adaptive:9", [GREY, BRIGHT, GREY, GREY], [0, 1, 2]),
        ("adaptive:9", [100, 120, 140, 160, 180, 200], [0, 3]),  # changes add up
        ("adaptive:9", [100, 120, 100, 120, 100, 120], [0]),
        ("every:4", [GREY, GREY, BRIGHT, BRIGHT, BRIGHT], [0, 4]),
    ],
)
def test_key_frames(text: str, levels: list[int], keys: list[int]) -> None:
    assert keys_of(text, pictures(levels)) == keys


def test_a_cut_opens_an_adaptive_key_frame_and_no_other() -> None:
    views = [replace(view, cut=index == 2) for index, view in enumerate(pictures([GREY] * 6))]
    assert keys_of("adaptive:9", views) == [0, 2]
    assert keys_of("every:9", views) == [0]


def test_key_frame_policies_say_whether_they_see_all() -> None:
    policies = [parse_key_frames(text) for text in ("auto", "all", "every:1", "adaptive:1", "every:2", "adaptive:2")]
    assert [policy and policy.all_frames for policy in policies] == [None, True, True, True, False, False]


def test_a_key_frame_state_of_another_make_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(18, 32, 3\), got \(5,\)"):
        KeyFrameState(1, np.zeros(5, np.uint8))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ALL",
        "stride",
        "stride:",
        "stride:0",
        "stride:-1",
        "stride:2.5",
        "uniform:0",
        "uniform:x",
        "every:2",
        "stride:3 ",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    message = f"expected all, stride:K or uniform:N, got '{text}'|expected a whole number of 1 or more, got 0"
    with pytest.raises(ConfigError, match=message):
        parse_sampling(text)


@pytest.mark.parametrize(
    "text", ["", "every", "every:0", "stride:2", "every:1.5", "adaptive", "adaptive:0", "adaptive:-1", "every:2 "]
)
def test_nonsense_key_frames_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        parse_key_frames(text)


def test_values_are_checked_at_birth() -> None:
    for make in (Stride, Uniform, KeyFrames):
        with pytest.raises(ConfigError, match="expected a whole number of 1 or more, got 0"):
            make(0)


@pytest.mark.parametrize(
    ("sampling", "chosen"),
    [("all", "every:4"), ("stride:2", "every:2"), ("stride:3", "all"), ("stride:30", "all"), ("uniform:5", "all")],
)
def test_a_slow_model_is_not_run_more_rarely_on_frames_that_are_further_apart(sampling: str, chosen: str) -> None:
    class Slow:
        is_slow = True

        def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
            raise AssertionError("never asked")

    assert str(VideoSegmenter(model=Slow(), sampling=sampling).system.key_frames) == chosen
    carried = VideoSegmenter(model=Slow(), sampling=sampling, key_frames="every:4")
    assert str(carried.system.key_frames) == "every:4"
