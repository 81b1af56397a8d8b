"""The cost of J and F of one mask on one frame, beside the method of the reference in the same run.

python -m benchmarks.speed.metric_speed [--frames 10] [--repeats 8] [--seed 0]

The reference's method is that of the DAVIS evaluation, written from its
description: boolean masks of the whole frame, boundary maps by comparison with shifted copies, both dilated with a disc
by OpenCV, figures by counting. Times are processor time of the one thread, best of the repeats, per frame and mask.
`one object` covers a ninth of the frame; `whole frame` is the worst case for a crop: parts in opposite corners. Takes
about a minute.

The result is metric_speed.json, beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from rvos.metrics import region_and_boundary, tolerance_px

BENCHMARK = Benchmark(__file__, __doc__)
SIZES = {"480p": (480, 854), "720p": (720, 1280), "1080p": (1080, 1920)}
ONE_OBJECT = ((0.5, 0.5, 0.22),)
WHOLE_FRAME = ((0.08, 0.12, 0.1), (0.92, 0.88, 0.1), (0.5, 0.5, 0.15))
"""Blobs as centre x, centre y (shares of width and height) and radius (share of height)."""

Blobs = tuple[tuple[float, float, float], ...]
Figures = tuple[np.ndarray, np.ndarray]


def draw(size: tuple[int, int], blobs: Blobs, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(prediction, truth), each (frames, H, W) bool: wavy blobs that move, predicted a little off."""
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    height, width = size
    masks = np.zeros((2, frames, height, width), np.uint8)
    for t in range(frames):
        for x, y, radius in blobs:
            waves = [random.normal(0, 0.08) * np.cos(k * angles + random.uniform(0, 6)) for k in range(2, 9)]
            outline = np.stack([1.2 * np.cos(angles), np.sin(angles)], 1) * (1 + np.sum(waves, 0))[:, None]
            centre = np.array([x * width + t, y * height])
            for which, (scale, shift) in enumerate(((1.02, 0.008), (1.0, 0.0))):
                points = centre + (shift + scale * radius * outline) * height
                cv2.fillPoly(masks[which, t], [points.astype(np.int32)], 1)
    return masks[0].astype(bool), masks[1].astype(bool)


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Pixels unlike their neighbour to the east, south or south-east; at the far edges only those there are."""
    east, south, south_east = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    east[:, :-1], south[:-1], south_east[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    unlike = mask ^ east | mask ^ south | mask ^ south_east
    unlike[-1], unlike[:, -1] = mask[-1] ^ east[-1], mask[:, -1] ^ south[:, -1]
    unlike[-1, -1] = False
    return unlike


def by_dilation(prediction: np.ndarray, truth: np.ndarray) -> Figures:
    """J and F by the reference's method: (T, H, W) bool each -> (T,) each."""
    radius = tolerance_px(truth.shape[1:])
    offsets = np.arange(-radius, radius + 1)
    disc = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
    region, boundary = np.ones(len(truth)), np.ones(len(truth))
    for t, (a, b) in enumerate(zip(prediction, truth, strict=True)):
        union = np.sum(a | b)
        region[t] = np.sum(a & b) / union if union else 1.0
        lines_a, lines_b = boundary_map(a), boundary_map(b)
        near_a, near_b = (cv2.dilate(lines.astype(np.uint8), disc).astype(bool) for lines in (lines_a, lines_b))
        precision = np.sum(lines_a & near_b) / max(1, np.sum(lines_a))
        recall = np.sum(lines_b & near_a) / max(1, np.sum(lines_b))
        boundary[t] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return region, boundary


def best_ms(work: Callable[[np.ndarray, np.ndarray], Figures], masks: Figures, repeats: int) -> float:
    """Milliseconds of processor time per frame, the best of `repeats` after one that warms up."""
    taken = []
    for _ in range(repeats + 1):
        start = time.process_time()
        work(*masks)
        taken.append(time.process_time() - start)
    return 1000 * min(taken[1:]) / len(masks[0])


def measure(name: str, scene: str, blobs: Blobs, arguments: argparse.Namespace) -> dict[str, str | float | list[int]]:
    """One row of the table. Both methods must agree to the last bit."""
    masks = draw(SIZES[name], blobs, arguments.frames, arguments.seed)
    for ours, theirs in zip(region_and_boundary(*masks), by_dilation(*masks), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    ours_ms = best_ms(region_and_boundary, masks, arguments.repeats)
    dilation_ms = best_ms(by_dilation, masks, arguments.repeats)
    return {
        "size": name,
        "px": list(SIZES[name]),
        "scene": scene,
        "share_of_frame": round(float(masks[1].mean()), 3),
        "dilation_ms": round(dilation_ms, 3),
        "ours_ms": round(ours_ms, 3),
        "times_faster": math.floor(10 * dilation_ms / ours_ms) / 10,
    }


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=8)
    arguments = parser.parse_args()
    one_thread()
    scenes = {"one object": ONE_OBJECT, "whole frame": WHOLE_FRAME}
    measured = {
        "threads": 1,
        "aim_times_faster": {"480p": 2, "720p": 4, "1080p": 8},
        "rows": [measure(name, scene, blobs, arguments) for scene, blobs in scenes.items() for name in SIZES],
    }
    print(json.dumps(BENCHMARK.write(arguments.out, measured), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
