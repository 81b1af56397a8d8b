"""Frames per second of `rvos segment` with the embedded model, end to end, and where the time goes.

python -m benchmarks.speed.segment_speed [--frames 200]

A synthetic 854x480 clip, two expressions, overlay, contact sheet and masks, in a fresh process as a user would run it;
then the same steps one by one in this process, one thread. Takes about a minute.

The result is segment_speed.json, beside this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.harness.clips import EXPRESSIONS, write_demo_clip
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter, open_video
from rvos.export.table import build_exporters

BENCHMARK = Benchmark(__file__, __doc__)
MODEL = "s2rm_tiny"
SIZE = (480, 854)
SAVE = ("overlay", "contact_sheet", "masks")


def end_to_end(clip: Path, out: Path) -> dict[str, float]:
    """The command as a user gives it: wall seconds, and its own account of them."""
    command = [sys.executable, "-m", "rvos.cli", "segment", str(clip), *EXPRESSIONS, "--out", str(out), "--quiet"]
    start = time.perf_counter()
    subprocess.run([*command, "--model", MODEL, "--save", ",".join(SAVE)], check=True)
    return {"wall_s": round(time.perf_counter() - start, 2), **json.loads((out / "timing.json").read_text())}


def parts(clip: Path, out: Path) -> dict[str, float]:
    """Milliseconds a frame of each step, one thread: medians over the clip."""
    with open_video(clip, prefetch=0) as video:
        start = time.perf_counter()
        frames = list(video)
        decoding = (time.perf_counter() - start) / len(frames)
        info = video.info
    segmenter = VideoSegmenter(MODEL, device="cpu")
    image = segmenter.system.model.loaded
    assert isinstance(image, ImageSegmenter)
    session = segmenter.session(EXPRESSIONS)
    pixels, _ = image.preprocessing.prepare(frames[0].image)
    with torch.inference_mode():
        features = image.model.encode_image(pixels[None])
        text = image.model.encode_text(EXPRESSIONS)
        pairs = features.select(torch.zeros(len(EXPRESSIONS), dtype=torch.long))
        times = {
            "decode the video": 1000 * decoding,
            "resize and normalise": median_ms(lambda: image.preprocessing.prepare(frames[0].image)),
            "encode the image": median_ms(lambda: image.model.encode_image(pixels[None])),
            "decode two masks": median_ms(lambda: image.model.decode(pairs, text)),
        }
    results = [session.step(frame) for frame in frames]
    start = time.perf_counter()
    again = segmenter.session(EXPRESSIONS)
    for frame in frames:
        again.step(frame)
    times["a whole step of a session"] = 1000 * (time.perf_counter() - start) / len(frames)
    for name, exporter in zip(SAVE, build_exporters(SAVE, out, only_frames=None), strict=True):
        exporter.open(info, again.targets)
        start = time.perf_counter()
        for frame, answers in zip(frames, results, strict=True):
            exporter.write(frame, answers)
        exporter.close()
        times[f"write {name}"] = 1000 * (time.perf_counter() - start) / len(frames)
    return {name: round(value, 2) for name, value in times.items()}


def median_ms(call: Callable[[], object], repeats: int = 15) -> float:
    """Median wall milliseconds after one warm-up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[repeats // 2]


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args()
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_demo_clip(clip, arguments.frames, SIZE)
        whole = end_to_end(clip, Path(folder) / "out")
        (Path(folder) / "parts").mkdir()
        pieces = parts(clip, Path(folder) / "parts")
    measured = {
        "clip": {"size": SIZE, "frames": arguments.frames, "expressions": len(EXPRESSIONS), "save": SAVE},
        "end_to_end": whole | {"frames_per_s": round(arguments.frames / whole["wall_s"], 2)},
        "ms_a_frame_one_thread": pieces,
    }
    print(json.dumps(BENCHMARK.write(arguments.out, measured), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
