"""Frames a second of videos read in chunks, for the day a GPU is there.

python -m benchmarks.speed.chunk_speed [--device cuda] [--experiments s2rm_refcoco_video s2rm_refcoco] [--frames 240]
python -m benchmarks.speed.chunk_speed --device cpu --experiments s2rm_tiny --frames 8 --chunks 1 4

A video file of 854 x 480 is written first; decoding, the network, the tracker and the masks at frame size are timed,
wall seconds, after a warm-up of one chunk. A key frame every fifth and flow between; fp32 and bf16, one expression and
five, without a tracker and with `tracks`. Of every arm its masks are compared with those of frame by frame in fp32
(least and mean IoU), and the most memory that the device held is told. Weights are random but for embedded models. On
one GPU about ten minutes, most of it frame by frame; leave --chunks 1 out for less. Aim on an H200: 300 frames a second
of `s2rm_refcoco_video`, bf16, decoding included.

The result is chunk_speed.json, beside this file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
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
TRACKERS = ("none", "tracks")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def segmenter_of(model: str, device: torch.device, precision: Precision, seed: int) -> ImageSegmenter:
    """An embedded model, or an experiment's with random weights."""
    made = ImageSegmenter.load(model, "cpu") if model in embedded_models() else random_segmenter(model, seed)
    return ImageSegmenter(made.model, made.preprocessing, device, precision)


def watched(system: VideoSegmenter, clip: Path, expressions: Sequence[str]) -> tuple[float, list[np.ndarray]]:
    """(wall seconds of all of a clip, its masks (E, H, W) bool frame by frame)."""
    start = time.perf_counter()
    masks = [np.stack([result.mask for result in results]) for _, results in system.stream(clip, expressions)]
    return time.perf_counter() - start, masks


def arm(
    image: ImageSegmenter, clip: Path, warm_up: Path, count: int, tracker: str, chunk: int
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The figures of one way to read the clip, and its masks."""
    system = VideoSegmenter(
        image, "flow", tracker, key_frames=KEY_FRAMES, chunk=chunk, video=VideoConfig(prefetch=max(4, chunk))
    )
    watched(system, warm_up, EXPRESSIONS[:count])
    is_gpu = image.device.type == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats(image.device)
    seconds, masks = watched(system, clip, EXPRESSIONS[:count])
    figures = {"frames_per_s": round(len(masks) / seconds, 2)}
    if is_gpu:
        figures["peak_device_mb"] = round(torch.cuda.max_memory_allocated(image.device) / 2**20)
    return figures, masks


def agreement(masks: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> dict[str, float]:
    """IoU of masks with others of the same frames, least and mean; 1 where both are empty."""
    pairs = [overlap(a, b) for now, then in zip(masks, wanted, strict=True) for a, b in zip(now, then, strict=True)]
    values = [shared / union if union else 1.0 for shared, union in pairs]
    return {"least_iou": round(min(values), 4), "mean_iou": round(float(np.mean(values)), 4)}


def measure(
    model: str, device: torch.device, folder: Path, frames: int, chunks: Sequence[int], seed: int
) -> list[dict[str, Any]]:
    """All arms of a model, one after the other."""
    clip, warm_up, rows = folder / "clip.mp4", folder / "warm_up.mp4", []
    write_demo_clip(clip, frames, SIZE)
    write_demo_clip(warm_up, min(frames, max(chunks)), SIZE)
    reference: dict[tuple[int, str], list[np.ndarray]] = {}
    for precision in PRECISIONS if device.type == "cuda" else PRECISIONS[:1]:
        image = segmenter_of(model, device, precision, seed)
        for count in (1, 5):
            for tracker in TRACKERS:
                for chunk in chunks:
                    figures, masks = arm(image, clip, warm_up, count, tracker, chunk)
                    wanted = reference.setdefault((count, tracker), masks)
                    what = {"precision": precision, "expressions": count, "tracker": tracker, "chunk": chunk}
                    rows.append(what | figures | agreement(masks, wanted))
                    print(model, rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--experiments", nargs="+", default=["s2rm_refcoco_video", "s2rm_refcoco"])
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--chunks", nargs="+", type=int, default=[1, 8, 40])
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    if min(arguments.chunks) < 1 or arguments.frames < 1:
        raise ConfigError("--chunks, --frames: expected whole numbers of 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        models = {
            model: measure(model, device, Path(folder), arguments.frames, arguments.chunks, arguments.seed)
            for model in arguments.experiments
        }
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    figures = {"device": name, "seed": arguments.seed, "frames": arguments.frames, "size": SIZE, "models": models}
    print(json.dumps(BENCHMARK.write(arguments.out, figures), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
