"""Which frames are looked at, and which are key frames: tables to check by eye."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from image_core.errors import ConfigError
from rvos.sampling import KeyFrames, Stride, Uniform, parse_key_frames, parse_sampling
from rvos.types import Frame
from rvos.video import open_video
from rvos.view import view_of


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

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        raise AssertionError("a stride must not ask for frames by index")

    def count_frames(self) -> int:
        raise AssertionError("a stride must not ask for the count")


def test_stride_works_on_streams() -> None:
    frames = itertools.islice(Stride(4).select(EndlessReader()), 3)
    assert [frame.index for frame in frames] == [0, 4, 8]


@pytest.mark.parametrize(("text", "keys"), [("all", [0, 1, 2, 3, 4, 5]), ("every:2", [0, 2, 4]), ("every:5", [0, 5])])
def test_key_frames(text: str, keys: list[int]) -> None:
    policy = parse_key_frames(text)
    found, state = [], policy.start()
    for index in range(6):
        is_key, state = policy.step(view_of(Frame(index, float(index), np.zeros((2, 2, 3), np.uint8)), None), state)
        found += [index] if is_key else []
    assert found == keys and policy.sees_all == (text == "all")


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
    with pytest.raises(ConfigError, match="came"):
        parse_sampling(text)


@pytest.mark.parametrize("text", ["", "every", "every:0", "stride:2", "every:1.5"])
def test_nonsense_key_frames_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="came"):
        parse_key_frames(text)


def test_values_are_checked_at_birth() -> None:
    for make in (Stride, Uniform, KeyFrames):
        with pytest.raises(ConfigError, match="came 0"):
            make(0)
