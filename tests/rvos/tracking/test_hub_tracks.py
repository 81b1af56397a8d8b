"""The tracker `hub:NAME`: the laws of trackers, with the masks of tracks carried by a network of random weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.harness.recorded import RecordedReader
from image_core.answer import Candidate, DenseMap, MaskAnswer
from image_core.errors import ConfigError, UnknownNameError
from image_core.state import to_bytes
from rvos.parts import tracker_config
from rvos.reading.key_frames import KeyFrames
from rvos.segmenter import VideoSegmenter
from rvos.tracking.hub.handle import NetworkHandle
from rvos.tracking.hub.memory import FrameMemory, NetworkMemory, Reach
from rvos.tracking.hub.propagator import Carried
from rvos.tracking.hub.tracks import HubTracks, HubTracksConfig
from rvos.types import Frame, FrameResult
from rvos.view.frame_view import View, view_of
from rvos.watch.mask_session import MaskSession
from rvos.watch.prompts import prompts_of
from rvos.watch.session import StreamSession
from rvos.watch.stream import process
from tests.tiny_networks import WRITERS
from tests.tiny_video_networks import VIDEO_WRITERS

SIZE = (48, 80)
FRAMES = 24


@cache
def folder(kind: str = "sam2_video") -> str:
    return str((WRITERS | VIDEO_WRITERS)[kind](Path(mkdtemp())))


class Knowing:
    """A network, and the handle of it, that knows how things move here: a pixel to the right a frame. How often it was
    shown a mask is counted."""

    reach = Reach(6, 15)

    def __init__(self) -> None:
        self.shown_on: list[int] = []

    @property
    def propagator(self) -> Knowing:
        return self

    def document(self) -> dict[str, Any]:
        return {"weights": "none"}

    def shown(self, view: View, mask: np.ndarray, most: int, memory: NetworkMemory | None = None) -> NetworkMemory:
        self.shown_on.append(view.frame.index)
        index = 0 if memory is None else memory.clock
        frame = FrameMemory(index, np.zeros((1, 1, 1), np.float32), mask.astype(np.float32))
        if memory is None:
            return NetworkMemory(1, np.zeros((1, 1, 1), np.float32), (frame,))
        return memory.with_anchor(frame, most, self.reach)

    def carried(self, view: View, memory: NetworkMemory) -> Carried:
        last = memory.anchors[-1]
        assert last.features is not None
        here = np.roll(last.features, memory.clock - last.index, axis=1)
        frame = FrameMemory(memory.clock, np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32))
        return Carried(10 * (2 * here - 1), 0.9, memory.with_frame(frame, self.reach))

    def mask(self, logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return logits > 0

    def probs(self, logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return 1 / (1 + np.exp(-logits))


@cache
def handle() -> NetworkHandle:
    return NetworkHandle(f"hub:{folder()}", "cpu")


def tracker(network_handle: Any = None, **numbers: Any) -> HubTracks:
    """By default of random weights."""
    config = tracker_config(f"hub:{folder()}", **numbers).numbers
    assert isinstance(config, HubTracksConfig)
    return HubTracks(network_handle or handle(), config)


def truth(index: int, top: int = 6) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + 16, 2 + index : 18 + index] = True
    return mask


@cache
def frames() -> tuple[Frame, ...]:
    noise = np.random.default_rng(0).integers(90, 120, (*SIZE, 3), dtype=np.uint8)
    shown = []
    for index in range(FRAMES):
        image = cv2.GaussianBlur(noise, (0, 0), 1.5)
        image[truth(index)] = (200, 60, 50)
        image[truth(index, 28)] = (40, 60, 200)
        shown.append(Frame(index, index / 25, image))
    return tuple(shown)


def right(index: int) -> MaskAnswer:
    candidates = (Candidate(truth(index), 0.9, 0.95), Candidate(truth(index, 28), 0.1, 0.95))
    return MaskAnswer(candidates, 0.95, 0.9)


def session_of(given: Sequence[MaskAnswer], every: int, carrying: HubTracks, count: int = 1) -> StreamSession:
    names = [f"thing {i}" for i in range(count)]
    answers = {t: [answer] * count for t, answer in enumerate(given)}
    return StreamSession(RecordedReader(names, answers, "film"), carrying, KeyFrames(every))


def watched(session: StreamSession) -> list[FrameResult]:
    return [results[0] for _, results in process(session, frames())]


def test_right_candidates_are_shown_unchanged_whatever_the_network() -> None:
    for result in watched(session_of([right(i) for i in range(FRAMES)], 1, tracker())):
        np.testing.assert_array_equal(result.mask, truth(result.frame_index))


def test_between_key_frames_masks_are_the_networks() -> None:
    """Optical flow is a little off on these frames; a network that knows is not."""
    for result in watched(session_of([right(i) for i in range(FRAMES)], 8, tracker(Knowing()))):
        np.testing.assert_array_equal(result.mask, truth(result.frame_index))
        assert result.track_masks.keys() == {1}


def test_the_network_is_shown_a_track_once_and_then_where_they_differ() -> None:
    knowing = Knowing()
    given = [right(i) if i != 16 else smaller(i) for i in range(FRAMES)]
    results = watched(session_of(given, 4, tracker(knowing, following={"against": 1.0})))
    assert knowing.shown_on == [0, 0, 16, 20], "both things at first; at 16 one is another, at 20 itself again"
    np.testing.assert_array_equal(results[17].mask, np.roll(smaller(16).candidates[0].mask, 1, axis=1))


def smaller(index: int) -> MaskAnswer:
    """Of the thing that is meant, only the upper half."""
    first, second = right(index).candidates
    half = first.mask.copy()
    half[14:] = False
    return MaskAnswer((Candidate(half, first.likelihood, first.quality), second), 0.95, 0.9)


def test_a_candidate_that_is_refused_is_not_shown_to_the_network() -> None:
    knowing = Knowing()
    given = [right(i) if i != 20 else flooded(i) for i in range(FRAMES)]
    results = watched(session_of(given, 1, tracker(knowing)))
    assert knowing.shown_on == [0, 0]
    np.testing.assert_array_equal(results[20].mask, truth(20))


def flooded(index: int) -> MaskAnswer:
    """The mask of the thing that is meant has run over the ground."""
    first, second = right(index).candidates
    flood = first.mask.copy()
    flood[2:26, index - 6 : 26 + index] = True
    return MaskAnswer((Candidate(flood, first.likelihood, first.quality), second), 0.95, 0.9)


def test_a_track_that_was_lost_over_a_cut_is_seen_again() -> None:
    """Its network remembers it, where optical flow has nothing to carry; whether it is there is asked soon."""
    given = [right(i) for i in range(FRAMES)]
    cut = tuple(Frame(f.index, f.time_s, 255 - f.image[::-1] if f.index >= 10 else f.image) for f in frames())
    carrying = tracker(Knowing())
    session, results = session_of(given, 8, carrying), []
    for frame in cut:
        results += session.step(frame)
        if frame.index == 11:
            assert carrying.needs_answer(session._tracks[0])
    assert not results[11].mask.any()
    assert all(result.track_masks.keys() == {1} for result in results[16:])
    np.testing.assert_array_equal(results[17].mask, truth(17))


def test_only_the_tracks_most_likely_meant_are_the_networks() -> None:
    session = session_of([right(i) for i in range(FRAMES)], 4, tracker(Knowing(), following={"most_learned": 1}))
    watched(session)
    tracks = session._tracks[0].tracks
    assert {track.id: track.network is not None for track in tracks} == {1: True, 2: False}


def test_expressions_together_are_expressions_apart() -> None:
    given = [right(i) for i in range(FRAMES)]
    together = [r for _, r in process(session_of(given, 4, tracker(), count=3), frames())]
    alone = watched(session_of(given, 4, tracker()))
    for results, one in zip(together, alone, strict=True):
        for result in results:
            np.testing.assert_array_equal(result.mask, one.mask)


@pytest.mark.parametrize("at", [1, 6, 17])
def test_a_session_that_is_killed_continues_to_the_same_masks(at: int) -> None:
    given = [right(i) for i in range(FRAMES)]
    whole = [session.step(frame) for session in [session_of(given, 4, tracker())] for frame in frames()]
    first = session_of(given, 4, tracker())
    for frame in frames()[:at]:
        first.step(frame)
    second = session_of(given, 4, tracker())
    second.restore(first.snapshot())
    for frame, expected in zip(frames()[at:], whole[at:], strict=True):
        np.testing.assert_array_equal(second.step(frame)[0].mask, expected[0].mask)


def test_what_networks_remember_does_not_grow_with_the_video() -> None:
    session, sizes = session_of([right(i % FRAMES) for i in range(60)], 4, tracker()), []
    for index in range(60):
        session.step(Frame(index, index / 25, frames()[index % FRAMES].image))
        remembered = [track.network for track in session._tracks[0].tracks if track.network is not None]
        assert len(remembered) <= 4
        sizes.append(max(len(to_bytes(memory)) for memory in remembered))
    assert max(sizes[40:]) <= max(sizes[20:40]) + 200, "digits of frame numbers, as text"


def test_what_a_dense_model_draws_is_shown_to_the_network() -> None:
    given = [
        MaskAnswer((), 0.95, 0.9, DenseMap(np.where(truth(i)[::2, ::2], 4.0, -4.0).astype(np.float32), 2))
        for i in range(FRAMES)
    ]
    knowing = Knowing()
    results = watched(session_of(given, 4, tracker(knowing)))
    assert knowing.shown_on[0] == 0 and all(result.mask.any() for result in results)


def test_masks_are_followed_by_the_network_from_any_frame() -> None:
    ids = np.zeros(SIZE, np.uint8)
    ids[truth(0)], later = 3, np.zeros(SIZE, np.uint8)
    later[truth(5, 28)] = 7
    carrier = tracker().mask_carrier()
    session = MaskSession(prompts_of({0: ids, 5: later}), carrier)
    results = {(r.frame_index, r.object_id): r for frame in frames() for r in session.step(frame)}
    np.testing.assert_array_equal(results[0, 3].mask, truth(0))
    np.testing.assert_array_equal(results[5, 7].mask, truth(5, 28))
    assert not results[4, 7].mask.any() and results[6, 7].mask.any()
    assert not any((results[i, 3].mask & results[i, 7].mask).any() for i in range(FRAMES))
    view, network = view_of(frames()[1], None), handle().propagator
    seen = network.carried(view, network.shown(view_of(frames()[0], None), truth(0), 4))
    np.testing.assert_array_equal(results[1, 3].mask, network.mask(seen.logits, SIZE))
    again = MaskSession(prompts_of({0: ids, 5: later}), carrier)
    for frame in frames()[:9]:
        again.step(frame)
    third = MaskSession(prompts_of({0: ids, 5: later}), carrier)
    third.restore(again.snapshot())
    for frame in frames()[9:]:
        for result in third.step(frame):
            np.testing.assert_array_equal(result.mask, results[frame.index, result.object_id].mask)


def test_a_name_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown tracker hub: 'sam2': did you mean 'sam2.1'\?"):
        tracker_config("hub:sam2")


def test_a_network_that_carries_no_masks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected one of sam2_video, .*, which is a 'clipseg'"):
        VideoSegmenter("s2rm_tiny", tracker=f"hub:{folder('clipseg')}").session(["the dog"])


def test_numbers_of_the_network_and_of_tracks_can_be_set() -> None:
    config = tracker_config("hub:edgetam", network={"anchors": 2}, presence_threshold=0.4).numbers
    assert config.network.anchors == 2 and config.presence_threshold == 0.4
    with pytest.raises(ConfigError, match=r"anchors: expected 1 to 64, got 0"):
        tracker_config("hub:edgetam", network={"anchors": 0})
