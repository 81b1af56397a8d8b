"""The cost of the tracker `tracks` beside the image model: per frame, expression and track.

python -m benchmarks.speed.tracking_cost [--frames 48]

The demonstration's clip at 480 x 854, with prepared answers: discs at one place or at ten, on every fourth frame.
Processor time of whole sessions without the model. What one more expression adds is its cost beyond what is computed
once a frame (flow, pixel features). One thread, a minute.

The result is tracking_cost.json, beside this file.
"""

from __future__ import annotations

import time

import cv2
import numpy as np

from benchmarks.harness.clips import demo_frames
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.recorded import RecordedReader
from image_core.answer import Candidate, MaskAnswer
from rvos.reading.key_frames import KeyFrames
from rvos.tracking.tracks import TracksTracker
from rvos.types import Frame
from rvos.watch.session import StreamSession
from rvos.watch.stream import process

BENCHMARK = Benchmark(__file__, __doc__)
SIZE = (480, 854)
EVERY = 4
RADIUS_PX = 60
MANY = 10
EXPRESSIONS = 5


def answer_of(tracks: int) -> MaskAnswer:
    """An answer with `tracks` discs, in two rows."""
    candidates = []
    for index in range(tracks):
        centre = (90 + 165 * (index % 5), 140 + 200 * (index // 5))
        mask = cv2.circle(np.zeros(SIZE, np.uint8), centre, RADIUS_PX, 1, -1) > 0
        candidates.append(Candidate(mask, 0.9 - 0.05 * index, 0.9))
    return MaskAnswer(tuple(candidates), 0.95, 0.9)


def cost_ms(frames: list[Frame], expressions: int, tracks: int) -> float:
    """Processor milliseconds per frame of a session of `expressions` expressions, each with `tracks` tracks."""
    texts = [f"the disc {index}" for index in range(expressions)]
    answers = {frame.index: [answer_of(tracks)] * expressions for frame in frames[::EVERY]}
    session = StreamSession(RecordedReader(texts, answers, "discs"), TracksTracker(), KeyFrames(EVERY))
    start = time.process_time()
    for _ in process(session, frames):
        pass
    return 1000 * (time.process_time() - start) / len(frames)


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--frames", type=int, default=48)
    arguments = parser.parse_args()
    one_thread()
    frames = demo_frames(arguments.frames, SIZE)
    cost_ms(frames[:8], 1, 1)  # one-time work of the process
    one, many, ten = (cost_ms(frames, e, t) for e, t in ((1, 1), (EXPRESSIONS, 1), (1, MANY)))
    figures = {
        "frames": arguments.frames,
        "size": SIZE,
        "one_track_ms": round(one, 1),
        "ms_of_one_more_expression": round((many - one) / (EXPRESSIONS - 1), 1),
        "ten_tracks_ms": round(ten, 1),
        "ten_tracks_to_one": round(ten / one, 2),
    }
    BENCHMARK.write(arguments.out, figures)
    print(figures)


if __name__ == "__main__":
    BENCHMARK.start(main)
