"""Candidates that come with results: those of the frame, on frames that the image model was asked about, the likeliest
five, also where results wait and after a snapshot."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.recorded import RecordedReader
from image_core.answer import Candidate, MaskAnswer
from rvos.parts import tracker_config
from rvos.reading.key_frames import KeyFrames
from rvos.tracking import TRACKERS
from rvos.types import Frame, FrameResult
from rvos.watch.session import StreamSession

SIZE, FRAMES, EVERY = (48, 64), 10, 3
ASKED = (0, 3, 6, 9)
WORDS = ("the plain one", "the told one")


def answer_of(frame_index: int) -> MaskAnswer:
    """Seven stripes at half the size of the frame, none on frame 6."""
    stripes = np.zeros((7, SIZE[0] // 2, SIZE[1] // 2), bool)
    for i, stripe in enumerate(stripes):
        stripe[2 + 3 * i : 4 + 3 * i, frame_index : frame_index + 12] = True
    candidates = tuple(Candidate(stripe, 0.9 - 0.1 * i, 0.8) for i, stripe in enumerate(stripes))
    return MaskAnswer(() if frame_index == 6 else candidates, 0.9)


def session_of(lookahead: int) -> StreamSession:
    reader = RecordedReader(WORDS, {t: [answer_of(t)] * 2 for t in range(FRAMES)}, "stripes")
    config = tracker_config("tracks", lookahead=lookahead)
    return StreamSession(reader, TRACKERS[config.name](config.numbers), KeyFrames(EVERY), candidates_of=(1,))


def frames() -> list[Frame]:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return [Frame(t, t / 25, noise) for t in range(FRAMES)]


def watched(session: StreamSession, given: list[Frame]) -> list[tuple[FrameResult, ...]]:
    ready = [session.step(frame) for frame in given]
    return [results for results in (*ready, *(session.finish() if given[-1].index == FRAMES - 1 else ())) if results]


@pytest.mark.parametrize("lookahead", [0, 4])
def test_candidates_come_with_the_results_of_their_frame(lookahead: int) -> None:
    results = watched(session_of(lookahead), frames())
    assert all(plain.candidates is None for plain, _ in results)
    assert [told.frame_index for _, told in results if told.candidates is not None] == list(ASKED)
    for t in ASKED:
        found, wanted = results[t][1].candidates, answer_of(t).candidates[:5]
        assert found is not None and [one.likelihood for one in found] == [one.likelihood for one in wanted]
        for one, small in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.mask, np.kron(small.mask, np.ones((2, 2), bool)))


def test_pending_candidates_are_in_a_snapshot() -> None:
    whole, first, second = session_of(4), session_of(4), session_of(4)
    wanted = watched(whole, frames())
    before = watched(first, frames()[:5])
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    for one, other in zip((*before, *watched(second, frames()[5:])), wanted, strict=True):
        kept, expected = one[1].candidates, other[1].candidates
        assert (kept is None) == (expected is None)
        for mine, theirs in zip(kept or (), expected or (), strict=True):
            np.testing.assert_array_equal(mine.mask, theirs.mask)
