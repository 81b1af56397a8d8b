"""The prefetch thread: order, errors in their place, an end from both sides."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rvos.video.prefetch import Prefetch
from rvos.video.reader import open_video


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def failing(count: int) -> Iterator[int]:
    yield from range(count)
    raise RuntimeError("after the last")


def test_items_come_in_order_and_the_thread_ends() -> None:
    before = threading.active_count()
    items = Prefetch(iter(range(100)), 3)
    assert list(items) == list(range(100))
    assert threading.active_count() == before
    assert list(items) == []


@pytest.mark.parametrize("count", [0, 1, 7])
def test_error_comes_after_the_items_before_it(count: int) -> None:
    items = Prefetch(failing(count), 2)
    got = []
    with pytest.raises(RuntimeError, match="after the last"):
        for item in items:
            got.append(item)
    assert got == list(range(count))
    assert list(items) == []


@pytest.mark.parametrize("depth", [1, 4])
def test_nothing_is_made_beyond_the_depth(depth: int) -> None:
    made = []

    def make() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    with Prefetch(make(), depth) as items:
        assert next(items) == 0
        time.sleep(0.05)
        # One taken, `depth` ready, one in the producer's hand.
        assert len(made) <= depth + 2


def test_consumer_that_leaves_ends_the_producer() -> None:
    ended = threading.Event()

    def make() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    with Prefetch(make(), 2) as items:
        next(items)
    assert ended.is_set()
    items.close()
    assert list(items) == []


def test_closing_wakes_a_waiting_consumer() -> None:
    release = threading.Event()

    def make() -> Iterator[int]:
        release.wait(5)
        yield 1

    items = Prefetch(make(), 1)
    got: list[list[int]] = []
    consumer = threading.Thread(target=lambda: got.append(list(items)))
    consumer.start()
    threading.Timer(0.02, release.set).start()
    items.close()
    consumer.join(5)
    assert got == [[]]


def test_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth 0"):
        Prefetch(iter(()), 0)


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_reader_gives_the_same_frames_at_any_depth(b_frame_clip: Path, numbers_of, prefetch: int) -> None:
    with open_video(b_frame_clip, prefetch=prefetch) as video:
        assert numbers_of(video) == list(range(40))


def test_reader_ends_threads_of_iterations_left_open(b_frame_clip: Path) -> None:
    before = threading.active_count()
    with open_video(b_frame_clip) as video:
        for frame in video:
            if frame.index == 3:
                break
        left_open = iter(video)
        next(left_open)
        assert threading.active_count() > before
    assert threading.active_count() == before
    assert list(left_open) == []
