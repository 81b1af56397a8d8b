"""Frames per second of videos that are read in chunks, for use on a GPU.

python -m benchmarks.speed.chunk_speed [--device cuda] [--experiments s2rm_refcoco_video s2rm_refcoco] [--limit-s 200]
python -m benchmarks.speed.chunk_speed --device cpu --experiments s2rm_tiny --frames 8 --chunks 1 4

A video file of 854 x 480 is written first; decoding, the network, the tracker and the masks at frame size are timed in
wall seconds, after a warm-up of one chunk. Every fifth frame is a key frame, with flow between. Without a tracker: fp32
and bf16, one expression and five, each chunk size; then `tracks` with one expression, frame by frame and in the largest
chunks. The slow arms, frame by frame and `tracks`, read 60 frames, the others --frames (240). The masks of every arm
are compared with those of frame by frame in fp32 (least and mean IoU), and the peak memory of the device is reported.
Weights are random, except those of embedded models. Designed to end within four minutes: arms that would begin after
--limit-s are left out and listed, and each row is on disk as soon as it is measured. Aim on an H200: 300 frames a
second of `s2rm_refcoco_video`, bf16, decoding included.

The result is chunk_speed.json, beside this file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness.clips import write_demo_clip
from benchmarks.harness.command import Benchmark
from benchmarks.harness.systems import random_segmenter
from benchmarks.speed.many_expressions import EXPRESSIONS
from image_core.device import resolve_device
from image_core.device_names import Precision
from image_core.errors import ConfigError
from image_core.geometry.masks import overlap
from image_core.segmenter import ImageSegmenter
from image_core.weights import embedded_models
from rvos import VideoSegmenter
from rvos.video.config import VideoConfig

BENCHMARK = Benchmark(__file__, __doc__)
SIZE = (480, 854)
KEY_FRAMES = "every:5"
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
SLOW_FRAMES = 60


@dataclass(frozen=True)
class Arm:
    """One arm: a way to read the clip."""

    precision: Precision
    expressions: int
    tracker: str
    chunk: int
    #: Number of frames of the clip.
    frames: int


def arms_of(chunks: Sequence[int], frames: int, precisions: Sequence[Precision]) -> list[Arm]:
    """The arms of a model, in the order of measurement. The masks of the first arm of each number of expressions, with
    and without a tracker, are the reference for the others."""
    slow, least, most = min(frames, SLOW_FRAMES), min(chunks), max(chunks)
    plain = [
        Arm(precision, count, "none", chunk, slow if chunk == 1 else frames)
        for count in (1, 5)
        for precision in precisions
        for chunk in sorted(chunks)
    ]
    return [*plain, Arm(precisions[0], 1, "tracks", least, slow), Arm(precisions[-1], 1, "tracks", most, slow)]


def image_model(model: str, seed: int) -> ImageSegmenter:
    """An embedded model, or an experiment's with random weights."""
    return ImageSegmenter.load(model, "cpu") if model in embedded_models() else random_segmenter(model, seed)


def timed_masks(system: VideoSegmenter, clip: Path, expressions: Sequence[str]) -> tuple[float, list[np.ndarray]]:
    """(wall seconds for a whole clip, its masks (E, H, W) bool per frame)."""
    start = time.perf_counter()
    masks = [np.stack([result.mask for result in results]) for _, results in system.stream(clip, expressions)]
    return time.perf_counter() - start, masks


def figures_of(arm: Arm, image: ImageSegmenter, folder: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The figures of an arm, and its masks."""
    prefetch = VideoConfig(prefetch=max(4, arm.chunk))
    system = VideoSegmenter(image, "flow", arm.tracker, key_frames=KEY_FRAMES, chunk=arm.chunk, video=prefetch)
    expressions = EXPRESSIONS[: arm.expressions]
    timed_masks(system, clip_of(max(2, arm.chunk), folder), expressions)
    is_gpu = image.device.type == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats(image.device)
    seconds, masks = timed_masks(system, clip_of(arm.frames, folder), expressions)
    figures = {"frames_per_s": round(len(masks) / seconds, 2)}
    if is_gpu:
        figures["peak_device_mb"] = round(torch.cuda.max_memory_allocated(image.device) / 2**20)
    return figures, masks


def clip_of(frames: int, folder: Path) -> Path:
    """A clip of `frames` frames, written on first use."""
    path = folder / f"{frames}.mp4"
    if not path.is_file():
        write_demo_clip(path, frames, SIZE)
    return path


def agreement(masks: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> dict[str, float]:
    """Least and mean IoU of masks with others, over the frames that both have; 1 where both are empty."""
    pairs = [overlap(a, b) for now, then in zip(masks, wanted, strict=False) for a, b in zip(now, then, strict=True)]
    values = [shared / union if union else 1.0 for shared, union in pairs]
    return {"least_iou": round(min(values), 4), "mean_iou": round(float(np.mean(values)), 4)}


def measure(
    model: str, device: torch.device, folder: Path, arms: Sequence[Arm], seed: int, until: float
) -> Iterator[dict[str, Any]]:
    """A row per arm, in order; for arms that would begin after `until` (`time.monotonic`) only their description."""
    made, reference = image_model(model, seed), dict[tuple[int, str], list[np.ndarray]]()
    for arm in arms:
        if time.monotonic() > until:
            yield asdict(arm) | {"left_out": True}
            continue
        image = ImageSegmenter(made.model, made.preprocessing, device, arm.precision)
        figures, masks = figures_of(arm, image, folder)
        wanted = reference.setdefault((arm.expressions, arm.tracker), masks)
        yield asdict(arm) | figures | agreement(masks, wanted)


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--experiments", nargs="+", default=["s2rm_refcoco_video", "s2rm_refcoco"])
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--chunks", nargs="+", type=int, default=[1, 8, 40])
    parser.add_argument("--limit-s", type=float, default=200)
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    if min(arguments.chunks) < 1 or arguments.frames < 1:
        raise ConfigError("--chunks, --frames: expected whole numbers of 1 or more")
    precisions = PRECISIONS if device.type == "cuda" else PRECISIONS[:1]
    arms, until = arms_of(arguments.chunks, arguments.frames, precisions), time.monotonic() + arguments.limit_s
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    models: dict[str, list[dict[str, Any]]] = {}
    figures = {"device": name, "seed": arguments.seed, "size": SIZE, "models": models}
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.experiments:
            rows = models[model] = []
            for row in measure(model, device, Path(folder), arms, arguments.seed, until):
                rows.append(row)
                print(model, row, file=sys.stderr, flush=True)
                BENCHMARK.write(arguments.out, figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
