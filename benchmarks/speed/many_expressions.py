"""The cost of 1, 2, 5 and 10 expressions on one clip: each text is encoded once, each frame once for all of them.

python -m benchmarks.speed.many_expressions [--frames 24] [--large-frames 4]

The embedded model and `s2rm_refcoco_video` (random weights, 480 px), every frame through the whole model, on an 854x480
clip. The sessions of all counts take each frame in turn, one thread, processor time. The cost of a clip is that of its
text and of 36 frames. Aim: five expressions cost at most 1.5 times one in `s2rm_refcoco_video`. Takes about 3 minutes.

The result is many_expressions.json with many_expressions.png, beside this file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.harness.clips import demo_frames
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.systems import in_turn, random_segmenter
from benchmarks.speed.stage_clock import STAGES, StageClock
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter

BENCHMARK = Benchmark(__file__, __doc__)
CLIP_SIZE = (480, 854)
COUNTS = (1, 2, 5, 10)
CLIP_FRAMES = 36
LARGE = "s2rm_refcoco_video"
EXPRESSIONS = (
    "the red circle",
    "the blue star",
    "the biggest star",
    "the circle on the left",
    "the green thing at the top",
    "the orange heart",
    "the star above the circle",
    "the smallest object",
    "the second circle from the left",
    "the yellow square to the right of the star",
)


def measure(image: ImageSegmenter, frame_count: int, counts: tuple[int, ...] = COUNTS) -> dict[str, Any]:
    """Count of expressions -> processor time of their text and of a frame by stage, and the cost of a clip as a
    multiple of that of the first count. An additional first frame is not timed."""
    segmenter, clock, text_ms = VideoSegmenter(image), StageClock(), {}
    clock.watch([segmenter])
    segmenter.session(EXPRESSIONS)  # one-time work is done here
    sessions = {}
    for count in counts:
        start = time.process_time()
        sessions[str(count)] = segmenter.session(EXPRESSIONS[:count])
        text_ms[count] = 1000 * (time.process_time() - start)
    for number, _ in enumerate(in_turn(sessions, demo_frames(1 + frame_count, CLIP_SIZE), clock.step)):
        if number == 0:
            clock.clear()
    spent = {count: clock.ms_a_frame(str(count)) for count in counts}
    cost = {count: text_ms[count] + CLIP_FRAMES * spent[count]["whole"] for count in counts}
    return {
        str(count): {
            "times_one": round(cost[count] / cost[counts[0]], 3),
            "frames_per_s": round(1000 / spent[count]["whole"], 3),
            "text_ms": round(text_ms[count], 1),
            "ms_a_frame": spent[count],
            "encoded_a_frame": clock.calls[str(count), "encoder"] / frame_count,
        }
        for count in counts
    }


def draw(models: Mapping[str, Any], path: Path) -> None:
    """Plot milliseconds per frame by stage, one panel per model."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, len(models))
    for axes, (name, table) in zip(panels, models.items(), strict=True):
        bottom = [0.0] * len(table)
        for position, stage in enumerate(STAGES):
            values = [row["ms_a_frame"][stage] for row in table.values()]
            axes.bar(list(table), values, bottom=bottom, label=stage, color=f"C{position}")
            bottom = [b + v for b, v in zip(bottom, values, strict=True)]
        for place, (row, top) in enumerate(zip(table.values(), bottom, strict=True)):
            axes.text(place, top, f"{row['times_one']:.2f} x", ha="center", va="bottom", fontsize=9)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("expressions")
        axes.set_ylabel("ms a frame, one thread")
        axes.set_ylim(0, 1.1 * max(bottom))
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, ncols=len(STAGES), loc="outside lower center")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--large-frames", type=int, default=4)
    arguments = parser.parse_args()
    one_thread()
    models = {
        "embedded": measure(ImageSegmenter.load("s2rm_tiny", "cpu"), arguments.frames),
        LARGE: measure(random_segmenter(LARGE, arguments.seed), arguments.large_frames),
    }
    measured = {
        "seed": arguments.seed,
        "clip": {"size": CLIP_SIZE, "frames": arguments.frames, "large_frames": arguments.large_frames},
        "clip_frames": CLIP_FRAMES,
        "models": models,
    }
    document = BENCHMARK.write(arguments.out, measured)
    draw(models, arguments.out.with_suffix(".png"))
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
