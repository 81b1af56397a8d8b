"""At both ends of the range of every number, the trackers still answer every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from image_core.answer import DenseMap, MaskAnswer
from image_core.language.motion_parser import parse_timed
from image_core.ranges import range_of
from rvos.tracking.carrying.object_tracker import ObjectTracker, ObjectTrackerConfig
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.types import Frame
from rvos.view.frame_view import View, view_of

SIZE = (48, 64)
TRUTH = np.zeros(SIZE, bool)
TRUTH[12:32, 16:36] = True


def at_the_ends(config: Any) -> Iterator[tuple[str, Any]]:
    """Every number at each end of its range, all others as they are."""
    for each in fields(config):
        value = getattr(config, each.name)
        if is_dataclass(value):
            for name, inner in at_the_ends(value):
                yield f"{each.name}.{name}", replace(config, **{each.name: inner})
        elif (allowed := range_of(type(config), each.name)) is not None:
            for end in (allowed.minimum, allowed.maximum):
                if end is not None:
                    whole = int(end) if isinstance(value, int) else end
                    yield f"{each.name}={whole}", replace(config, **{each.name: whole})


def views() -> Iterator[View]:
    noise, before = np.random.default_rng(0), None
    for index in range(6):
        image = noise.integers(90, 130, (*SIZE, 3), np.uint8)
        image[np.roll(TRUTH, index, 1)] = (220, 40, 30)
        yield (view := view_of(Frame(index, index / 10, image), before))
        before = view.small_image


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("config", [pytest.param(c, id=name) for name, c in at_the_ends(TracksConfig())])
def test_tracks_answer_every_frame(config: TracksConfig) -> None:
    tracker = TracksTracker(config)
    state, results = tracker.start(0, parse_timed("the dog")), []
    for view in views():
        sure = np.where(np.roll(TRUTH, view.frame.index, 1)[::4, ::4], 4.0, -4.0).astype(np.float32)
        answers = {2: None, 4: MaskAnswer.of_map(DenseMap(0 * sure - 9, 4, SIZE), 0.0, 0.0)}
        answer = answers.get(view.frame.index, MaskAnswer.of_map(DenseMap(sure, 4, SIZE), 0.9, 0.9))
        result, state = tracker.step(view, answer, state)
        results += [] if result is None else [result]
    results += tracker.finish(state)
    assert len(results) == 6
    assert all(np.isfinite(t.probs).all() for t in state.tracks if t.probs is not None)
    assert all(np.isfinite(result.presence) for result in results)


@pytest.mark.parametrize("config", [pytest.param(c, id=name) for name, c in at_the_ends(ObjectTrackerConfig())])
def test_an_object_is_answered_on_every_frame(config: ObjectTrackerConfig) -> None:
    tracker, state = ObjectTracker(config), None
    for view in views():
        if state is None:
            state = tracker.begin(view, TRUTH)
        guess = tracker.predict(view, state)
        state = tracker.update(view, state, guess)
        assert np.isfinite(guess.probs).all() and 0 <= guess.quality <= 1 and np.isfinite(state.memory.theta).all()
