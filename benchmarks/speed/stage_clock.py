"""Processor time of the stages of a frame, counted by system: several systems may share one network."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from image_core.segmenter import ImageSegmenter
from rvos.segmenter import VideoSegmenter
from rvos.types import Frame
from rvos.watch.session import StreamSession
from rvos.watch.stream import Results

STAGES = ("stem", "encoder", "propagate", "ready", "decode", "track", "rest")
"""ready: what a decoder computes from the features alone, without words; rest: everything else of a frame, such as
resizing the image for the network."""


class StageClock:
    """Seconds of this process, and calls, by system and stage."""

    def __init__(self) -> None:
        self.turn = ""
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.calls: Counter[tuple[str, str]] = Counter()

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """A wrapper of a call that adds its time to `turn` and `stage`."""

        def noted(*arguments: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[self.turn, stage] += time.process_time() - start
                self.calls[self.turn, stage] += 1

        return noted

    def watch(self, segmenters: Iterable[VideoSegmenter]) -> None:
        """Time the stages of systems that share one image model. None of the calls lies within another."""
        all_of_them = list(segmenters)
        image = all_of_them[0].system.model.loaded
        assert isinstance(image, ImageSegmenter), "features are propagated of these alone"
        model = image.model
        timed: list[tuple[Any, str, str]] = [
            (model, "encode_stem", "stem"), (model, "encode_image", "encoder"),
            (model, "precompute", "ready"), (model, "decode", "decode"),
        ]  # fmt: skip
        for segmenter in all_of_them:
            timed += [
                (segmenter.system.propagator, "step", "propagate"),
                (segmenter.system.tracker, "steps", "track"),
            ]
        for owner, method, stage in timed:
            setattr(owner, method, self.timed(stage, getattr(owner, method)))

    def step(self, turn: str, session: StreamSession, frame: Frame) -> Results:
        """The session's step, timed as a whole frame of `turn`."""
        self.turn = turn
        return self.timed("whole", session.step)(frame)

    def ms_a_frame(self, turn: str) -> dict[str, float]:
        """By stage, and `whole`; a whole frame has been timed as the stage "whole"."""
        frames = self.calls[turn, "whole"]
        spent = {stage: 1000 * self.seconds[turn, stage] / frames for stage in (*STAGES[:-1], "whole")}
        spent["rest"] = spent["whole"] - sum(spent[stage] for stage in STAGES[:-1])
        return {stage: round(value, 2) for stage, value in spent.items()}

    def clear(self) -> None:
        """Reset all times."""
        self.seconds.clear()
        self.calls.clear()
