"""The laws of chunks: frames that are read together are read as they would be one by one."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from image_core.segmenter import ImageSegmenter
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import KeyFrames
from rvos.reading.reader import FeatureReader, MaskReader
from rvos.tracking import TRACKERS
from rvos.types import Frame, OutputError
from rvos.watch.session import StreamSession
from rvos.watch.stream import Results, process

EXPRESSIONS = ("the red thing", "the green thing", "the blue thing", "the red thing")
READINGS = {
    "every frame": ("none", KeyFrames(), True, "none"),
    "flow": ("flow", KeyFrames(3), True, "tracks"),
    "affinity": ("affinity", KeyFrames(5, adaptive=True), True, "none"),
    "key frames alone": ("none", KeyFrames(3), False, "tracks"),
}
BATCH = 6
"""Fewer than the pairs of a chunk, and no multiple of the expressions."""


def session_of(
    segmenter: ImageSegmenter,
    reading: str,
    chunk: int,
    batch_size: int | None = BATCH,
    expressions: Sequence[str] = EXPRESSIONS,
) -> StreamSession:
    propagation, key_frames, decode_every, tracker = READINGS[reading]
    reader = FeatureReader(segmenter, expressions, PROPAGATORS[propagation](), decode_every, batch_size)
    return StreamSession(reader, TRACKERS[tracker](), key_frames, chunk=chunk)


def frames_of(images: np.ndarray) -> list[Frame]:
    return [Frame(index, index / 25, image) for index, image in enumerate(images)]


def results_of(session: StreamSession, frames: Sequence[Frame]) -> list[Results]:
    given = list(process(session, frames))
    assert [frame.index for frame, _ in given] == [frame.index for frame in frames]
    return [results for _, results in given]


def assert_alike(some: Sequence[Results], others: Sequence[Results]) -> None:
    for one, other in zip(some, others, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a.mask & b.mask).sum() >= 0.999 * (a.mask | b.mask).sum()
            assert a.presence == pytest.approx(b.presence, abs=1e-5) and a.score == pytest.approx(b.score, abs=1e-5)


@pytest.fixture
def clip(frames: np.ndarray) -> list[Frame]:
    """With a cut, after which what was followed is sought."""
    return frames_of(np.concatenate([frames[:8], frames[:5, ::-1, ::-1] // 2 + 100]))


@pytest.mark.parametrize(
    ("reading", "kind"),
    [
        ("every frame", "colour_segmenter"),
        ("every frame", "early_segmenter"),
        ("flow", "colour_segmenter"),
        ("affinity", "early_segmenter"),
        ("key frames alone", "colour_segmenter"),
    ],
)
def test_frames_read_together_are_frames_read_one_by_one(
    reading: str, kind: str, clip: list[Frame], request: pytest.FixtureRequest
) -> None:
    segmenter: ImageSegmenter = request.getfixturevalue(kind)
    one_by_one = results_of(session_of(segmenter, reading, 1, batch_size=None), clip)
    assert any(result.present for results in one_by_one for result in results)
    for chunk in (1, 7, 40):
        session = session_of(segmenter, reading, chunk)
        assert_alike(results_of(session, clip), one_by_one)
        assert session.frame_count == len(clip) and session.latency == chunk - 1


@pytest.mark.parametrize("reading", ["flow", "key frames alone"])
def test_expressions_together_are_expressions_apart_in_chunks(
    reading: str, clip: list[Frame], colour_segmenter: ImageSegmenter
) -> None:
    together = results_of(session_of(colour_segmenter, reading, 7), clip)
    for position, expression in enumerate(EXPRESSIONS[:3]):
        apart = results_of(session_of(colour_segmenter, reading, 7, expressions=[expression]), clip)
        assert_alike([(results[position],) for results in together], apart)


def test_a_chunk_is_encoded_at_once_and_what_the_words_leave_alone_made_once(
    clip: list[Frame], colour_segmenter: ImageSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, passes = colour_segmenter.model, []
    for name in ("encode_image", "precompute", "decode"):
        real = getattr(model, name)
        monkeypatch.setattr(model, name, lambda *a, _real=real, _name=name, **k: passes.append(_name) or _real(*a, **k))
    results_of(session_of(colour_segmenter, "affinity", 40, batch_size=64), clip)
    assert passes == ["encode_image", "precompute", "decode"]


def test_a_snapshot_between_chunks_continues(clip: list[Frame], colour_segmenter: ImageSegmenter) -> None:
    whole = session_of(colour_segmenter, "flow", 4)
    first, second = (session_of(colour_segmenter, "flow", 4) for _ in range(2))
    chunks = clip[:4], clip[4:8], clip[8:]
    wanted = [whole.steps(frames) for frames in chunks]
    assert [len(first.steps(frames)) for frames in chunks[:2]] == [4, 4]
    second.restore(first.snapshot())
    for one, other in zip(second.steps(chunks[2]), wanted[2], strict=True):
        assert all(np.array_equal(a.mask, b.mask) and a.score == b.score for a, b in zip(one, other, strict=True))
    assert second.snapshot() == whole.snapshot()
    with pytest.raises(OutputError, match="chunk 5, got 4"):
        session_of(colour_segmenter, "flow", 5).restore(first.snapshot())


def test_models_that_show_no_features_are_read_in_chunks_too(
    clip: list[Frame], colour_segmenter: ImageSegmenter
) -> None:
    def session(chunk: int) -> StreamSession:
        reader: Any = MaskReader(colour_segmenter, EXPRESSIONS)
        return StreamSession(reader, TRACKERS["tracks"](), KeyFrames(3), chunk=chunk)

    assert_alike(results_of(session(7), clip), results_of(session(1), clip))


def test_frames_are_prepared_in_one_thread_that_ends_with_the_session(
    clip: list[Frame], colour_segmenter: ImageSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(colour_segmenter, "flow", 1, expressions=EXPRESSIONS[:1])
    threads: list[threading.Thread] = []
    monkeypatch.setattr(session._tracker, "prepare", lambda view: threads.append(threading.current_thread()))
    for frame in clip[:3]:
        session.step(frame)
    assert len(threads) == 3 and len(set(threads)) == 1 and threads[0].is_alive()
    del session
    gc.collect()
    threads[0].join(5)
    assert not threads[0].is_alive()
