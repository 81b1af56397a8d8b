"""Overheads of a frame on a GPU beside its arithmetic: kernels, waits for the device, and copies.

python -m benchmarks.speed.chunk_counts [--experiment s2rm_refcoco_video] [--frames 40] [--side 96]

Counted on the CPU, where the counts do not depend on timing: every operation of torch that computes or copies, which
views do not, as a kernel; every `.cpu()`, `.item()`, `.tolist()` and `bool()` of a tensor as a wait; and every
tensor made from numbers of Python or NumPy as an upload, though some of those stay on the CPU: the frames of a chunk
are copied to a GPU at once, and masks are resized on the CPU. Frames are read one by one, and in chunks, as a GPU reads
them (pairs side by side), one expression and five, a key frame every fifth. The network is the experiment's, with
random weights, on an input of a small side: the counts do not depend on it. Takes about three minutes.

The result is chunk_counts.json, beside this file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.harness.clips import demo_frames
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.systems import random_segmenter
from benchmarks.speed.many_expressions import EXPRESSIONS
from image_core.preprocessing import Preprocessing
from image_core.segmenter import ImageSegmenter
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import KeyFrames
from rvos.reading.reader import GPU_BATCH_SIZE, FeatureReader
from rvos.tracking.tracker import NoTracker
from rvos.types import Frame
from rvos.watch.session import StreamSession
from rvos.watch.stream import process

BENCHMARK = Benchmark(__file__, __doc__)
EVERY = 5
CHUNKS = (1, 8, 40)
READINGS = {"every frame": ("none", KeyFrames()), f"every:{EVERY}, flow": ("flow", KeyFrames(EVERY))}
NOTHING = ("detach", "alias", "empty", "empty_strided", "empty_like", "_local_scalar_dense", "lift_fresh")
"""Operations that neither compute nor copy on a device."""


class Kernels(TorchDispatchMode):
    """Counts the operations that reach a device."""

    def __init__(self, counted: Counter[str]) -> None:
        super().__init__()
        self._counted = counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        if not func.is_view and name not in NOTHING:
            self._counted["kernels"] += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count `kernels`, `waits` and `uploads` inside the block."""
    counted: Counter[str] = Counter()

    def noting(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            counted[what] += 1
            return call(*arguments, **named)

        return noted

    waits = ("cpu", "item", "tolist", "__bool__", "__float__", "__int__")
    with Kernels(counted):
        patches = [patch.object(Tensor, name, noting("waits", getattr(Tensor, name))) for name in waits]
        patches += [
            patch.object(torch, name, noting("uploads", getattr(torch, name))) for name in ("tensor", "from_numpy")
        ]
        for each in patches:
            each.start()
        try:
            yield counted
        finally:
            for each in patches:
                each.stop()


def counts(
    segmenter: ImageSegmenter, frames: Sequence[Frame], expressions: Sequence[str], reading: str, chunk: int
) -> dict[str, float]:
    """Counts per frame of a session, after its text is encoded."""
    propagation, key_frames = READINGS[reading]
    reader = FeatureReader(segmenter, expressions, PROPAGATORS[propagation](), batch_size=GPU_BATCH_SIZE)
    session = StreamSession(reader, NoTracker(), key_frames, chunk=chunk)
    with counting() as counted:
        for _ in process(session, frames):
            pass
    return {what: round(counted[what] / len(frames), 2) for what in ("kernels", "waits", "uploads")}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--experiment", default="s2rm_refcoco_video")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--side", type=int, default=96)
    arguments = parser.parse_args()
    one_thread()
    full = random_segmenter(arguments.experiment, arguments.seed)
    small = Preprocessing(**{**full.preprocessing.to_dict(), "size_px": arguments.side})
    segmenter = ImageSegmenter(full.model, small)
    frames = demo_frames(arguments.frames, (120, 214))
    table = {
        reading: {
            str(count): {
                f"chunk={chunk}": counts(segmenter, frames, EXPRESSIONS[:count], reading, chunk) for chunk in CHUNKS
            }
            for count in (1, 5)
        }
        for reading in READINGS
    }
    measured = {"experiment": arguments.experiment, "side_px": arguments.side, "a_frame_by_expressions": table}
    print(json.dumps(BENCHMARK.write(arguments.out, {"frames": arguments.frames, **measured}), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
