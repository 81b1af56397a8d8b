"""The time of the model `photo` on an image by part, with one expression and with five.

python -m benchmarks.speed.photo_speed [--frames 6] [--repeats 3]

Frames of 854x480 from clips/masked of RVOS_SHARED, evenly spread over its clips. Processor seconds of one thread, the
least of the repeats of each part and frame, then their mean; the downloaded weights (RVOS_HOME) are used. "words" is
all that is outside of the networks: parsing, colours, predicates. Beside them MobileSAM as released: its two files in
onnxruntime, padded to a square, one box per call. Aim: five expressions cost at most 1.3 times one. Takes about 3
minutes.

The result is photo_speed.json, beside this file.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.real_clips import EXPRESSIONS, clips_in, read_clips
from image_core.grounded.model import Grounded
from image_core.grounded.photo import photo_model
from image_core.grounded.sam import MobileSam
from image_core.weights.cache import weights_of

BENCHMARK = Benchmark(__file__, __doc__)
COUNTS = (1, 5)
OTHERS = ("the person on the left", "the biggest car", "a red bus", "the dog behind the woman")
"""Further expressions beside the clip's own."""

PARTS = (
    # Name of a part in a row, its owner, and the method.
    ("detector", "detector", "detect"),
    ("classifier", "classifier", "classify"),
    ("decoder", "masker", "decoded"),
    ("encoder", "masker", "encoded"),
)


class PartClock:
    """Processor seconds of the parts of a model, and of the whole call."""

    def __init__(self, model: Grounded) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.boxes = 0
        self.model = model
        for name, owner, method in PARTS:
            part = getattr(model, owner)
            setattr(part, method, self._timed(name, getattr(part, method)))

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            start = time.process_time()
            result = call(*arguments)
            self.seconds[name] += time.process_time() - start
            self.boxes += len(result) if name == "decoder" else 0
            return result

        return noted

    def ask(self, image: np.ndarray, expressions: Sequence[str]) -> dict[str, float]:
        """Seconds of each part, of the words, and of the whole; and the boxes that got a mask."""
        self.seconds.clear()
        self.boxes = 0
        start = time.process_time()
        self.model.segment(image, expressions)
        whole = time.process_time() - start
        parts = {name: self.seconds[name] for name, _, _ in PARTS}
        return {**parts, "words": whole - sum(parts.values()), "whole": whole, "boxes": self.boxes}


def released(encoder: Path, decoder: Path) -> Callable[[], dict[str, float]]:
    """A function that times the networks as released: seconds per image and per box. They do not depend on the
    image."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(path, options) for path in (encoder, decoder)]
    image = {"input": np.zeros((1, 3, 1024, 1024), np.float32)}
    box = {
        "image_embeddings": np.zeros((1, 256, 64, 64), np.float32),
        "point_coords": np.array([[[100, 50], [600, 400]]], np.float32),
        "point_labels": np.array([[2, 3]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array([480, 854], np.float32),
    }

    def run() -> dict[str, float]:
        seconds = {}
        for name, session, outputs, feed in (
            ("encoder", sessions[0], ["output"], image),
            ("decoder_a_box", sessions[1], ["masks", "iou_predictions"], box),
        ):
            start = time.process_time()
            session.run(outputs, feed)
            seconds[name] = time.process_time() - start
        return seconds

    return run


def least(run: Callable[[], dict[str, float]], repeats: int) -> dict[str, float]:
    """The least of all runs, for each figure."""
    runs = [run() for _ in range(repeats)]
    return {name: min(one[name] for one in runs) for name in runs[0]}


def means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean over the rows, for each figure."""
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    one_thread()
    folder = SHARED / "clips/masked"
    names = [name for name in clips_in(folder) if name in EXPRESSIONS][: options.frames]
    clips = read_clips(folder, names)
    model = photo_model("cpu")
    assert isinstance(model.masker, MobileSam)
    clock = PartClock(model)
    figures: dict[str, Any] = {"size": list(clips[0].images.shape[1:3]), "clips": names, "expressions": {}}
    for count in COUNTS:
        rows = []
        for clip in clips:
            image, expressions = clip.images[len(clip.images) // 2], [clip.expression, *OTHERS][:count]
            rows.append(least(partial(clock.ask, image, expressions), options.repeats))
        figures["expressions"][str(count)] = means(rows)
    one, five = (figures["expressions"][str(count)]["whole"] for count in COUNTS)
    figures["times_one"] = round(five / one, 3)
    files = weights_of("photo")
    run = released(files["mobile_sam/encoder.onnx"], files["mobile_sam/decoder.onnx"])
    figures["released_mobile_sam"] = means([least(run, options.repeats)])
    for name, value in BENCHMARK.write(options.out, figures).items():
        print(name, value)


if __name__ == "__main__":
    BENCHMARK.start(main)
