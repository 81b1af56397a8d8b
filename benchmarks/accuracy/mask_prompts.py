"""Objects followed on real video from the true mask of the first frame: J and F of the frames after it.

python -m benchmarks.accuracy.mask_prompts [--clips FOLDER] [--masker photo]

FOLDER holds a folder per clip with `frames/*.jpg` and `masks/*.png` (0 / 255); by default clips/masked of RVOS_SHARED.
The tracker alone, without words and learned weights, and two baselines in the same run: the first mask on every frame,
and the first mask warped by optical flow (DIS MEDIUM at 480p, backward, linear). With --masker also the tracker with
masks refined by a masker from time to time, as by `--set masker=photo`. One thread, a minute or two; with photo ten
more.

The result is mask_prompts.json, beside this file; runs/mask_prompts.png (truth green, ours red) is not for shipping.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.real_clips import clips_in, read_clips
from rvos.metrics import region_and_boundary
from rvos.segmenter import VideoSegmenter, stream_masks
from rvos.tracking.carrying.refining import NO_MASKER
from rvos.view.motion import warp

System = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(T, H, W, 3) uint8 RGB and the first mask (H, W) bool -> masks (T, H, W) bool."""
BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs")
SHOWN = 6


def held_still(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The first mask on every frame."""
    return np.repeat(first[None], len(images), axis=0)


def flow_chain(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The first mask carried from frame to frame."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    probs = [first.astype(np.float32)]
    for before, now in pairwise(grey):
        flow = dis.calc(now, before, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
        probs.append(warp(probs[-1], flow))
    return np.stack(probs) > 0.5


def tracked(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The tracker, as `rvos segment --mask` runs it."""
    return np.stack([results[0].mask for _, results in stream_masks(images, {0: first})])


def refined_by(masker: str) -> System:
    """The tracker with a masker beside it."""
    carrier = VideoSegmenter(masker=masker).carrier_factory.build()
    return lambda images, first: np.stack([r[0].mask for _, r in stream_masks(images, {0: first}, carrier=carrier)])


def systems(masker: str) -> dict[str, System]:
    """Name -> system that is measured."""
    plain = {"held still": held_still, "flow chain": flow_chain, "tracker": tracked}
    return plain if masker == NO_MASKER else plain | {f"tracker, masker {masker}": refined_by(masker)}


def outlined(image: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The frame with both outlines."""
    drawn = image.copy()
    for shape, colour in ((truth, (0, 220, 0)), (mask, (255, 30, 30))):
        lines, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, lines, -1, colour, 2)
    return cv2.resize(drawn, (320, round(320 * image.shape[0] / image.shape[1])), interpolation=cv2.INTER_AREA)


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--clips", type=Path, default=SHARED / "clips" / "masked")
    parser.add_argument("--masker", default=NO_MASKER)
    arguments = parser.parse_args()
    one_thread()
    measured = systems(arguments.masker)
    clips = read_clips(arguments.clips, clips_in(arguments.clips))
    figures, rows = {}, []
    for clip in clips:
        images, masks = clip.images, clip.masks
        figures[clip.name] = {}
        for name, system in measured.items():
            wall, processor = time.perf_counter(), time.process_time()
            followed = system(images, masks[0])
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            j, f = (float(values[1:].mean()) for values in region_and_boundary(followed, masks))
            figures[clip.name][name] = {
                "J": round(j, 4), "F": round(f, 4), "J&F": round((j + f) / 2, 4),
                "frames_per_s": round((len(images) - 1) / max(wall, 1e-9), 1),
                "frames_per_processor_s": round((len(images) - 1) / max(processor, 1e-9), 1),
            }  # fmt: skip
            print(clip.name, name, figures[clip.name][name], flush=True)
        at = np.linspace(1, len(images) - 1, SHOWN).round().astype(int)
        rows.append(np.concatenate([outlined(images[t], masks[t], followed[t]) for t in at], axis=1))
    means = {n: round(float(np.mean([figures[c][n]["J&F"] for c in figures])), 4) for n in measured}
    BENCHMARK.write(arguments.out, {"J&F_mean": means, "clips": figures})
    RUNS.mkdir(exist_ok=True)
    cv2.imwrite(str(RUNS / "mask_prompts.png"), np.concatenate(rows)[..., ::-1])
    print(json.dumps(means))


if __name__ == "__main__":
    BENCHMARK.start(main)
