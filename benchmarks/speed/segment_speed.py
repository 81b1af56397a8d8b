"""The cost of `rvos segment` with the embedded model by step, from 240p to 4K; and the waiting for the writer at 4K.

python -m benchmarks.speed.segment_speed [--heights 240 480 720 1080 2160] [--frames 6] [--before DIR]

Synthetic clips of 16:9, one expression, overlay, contact sheet and masks. By height, processor milliseconds a frame of
each step in one thread, medians; "a step of a session, from a mask" has no image model. Then the whole command, from a
mask at the largest height, 24 frames: the wall seconds of its `timing.json`, and processor seconds; wall seconds mean
something on a quiet machine alone (`load_average`). --before: another checkout, whose command comes in turns with that
of this one. Takes about two minutes of processor time.

The result is segment_speed.json, beside this file.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.harness.clips import EXPRESSIONS, write_demo_clip
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import REPOSITORY
from benchmarks.harness.processes import one_thread
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter, open_video
from rvos.export.table import build_exporters
from rvos.types import Frame
from rvos.watch.mask_session import MaskSession
from rvos.watch.prompts import prompts_of

BENCHMARK = Benchmark(__file__, __doc__)
MODEL = "s2rm_tiny"
SAVE = ("overlay", "contact_sheet", "masks")
WRITTEN = 24


def spent(call: Callable[[], object]) -> float:
    """Processor milliseconds of one call."""
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start)


def median_of_frames(call: Callable[[Frame], object], frames: Iterable[Frame]) -> float:
    """Median processor milliseconds of a call per frame; the first call is not timed."""
    return statistics.median([spent(lambda frame=frame: call(frame)) for frame in frames][1:])


def disc(size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool, an object to follow."""
    height, width = size
    return cv2.circle(np.zeros(size, np.uint8), (width // 2, height // 2), height // 6, 1, -1) > 0


def steps(clip: Path, out: Path, image: ImageSegmenter) -> dict[str, float]:
    """Processor milliseconds a frame of each step, in one thread."""
    with open_video(clip, prefetch=0) as video:
        frames: list[Frame] = []
        decoding = spent(lambda: frames.extend(video)) / video.info.frame_count if video.info.frame_count else 0.0
        info = video.info
    session, size = VideoSegmenter(image).session(EXPRESSIONS[:1]), frames[0].size
    from_mask = MaskSession(prompts_of({0: disc(size)}))
    results = []
    pixels, _ = image.preprocessing.prepare(frames[0].image)
    with torch.inference_mode():
        features, text = image.model.encode_image(pixels[None]), image.model.encode_text(EXPRESSIONS[:1])
        times = {
            "decode the video": decoding,
            "resize and normalise": median_of_frames(lambda f: image.preprocessing.prepare(f.image), frames),
            "encode the image": median_of_frames(lambda _: image.model.encode_image(pixels[None]), frames),
            "decode the mask": median_of_frames(lambda _: image.model.decode(features, text), frames),
        }
    times["a whole step of a session"] = median_of_frames(lambda f: results.append(session.step(f)), frames)
    times["a step of a session, from a mask"] = median_of_frames(from_mask.step, frames)
    for name, exporter in zip(SAVE, build_exporters(SAVE, out, only_frames=None), strict=True):
        exporter.open(info, session.targets)
        start = time.process_time()
        for frame, of_frame in zip(frames, results, strict=True):
            exporter.write(frame, of_frame)
        exporter.close()
        times[f"write {name}"] = 1000 * (time.process_time() - start) / len(frames)
    return {name: round(value, 2) for name, value in times.items()}


def whole_command(clip: Path, mask: Path, out: Path, checkout: Path) -> dict[str, float]:
    """Run the command from a mask with the code of a checkout: wall seconds of its `timing.json`, and processor
    seconds."""
    saved = ["--save", ",".join(SAVE), "--out", str(out), "--overwrite", "--quiet"]
    command = [sys.executable, "-m", "rvos.cli", "segment", str(clip), "--mask", f"0={mask}", *saved]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    timing: dict[str, Any] = json.loads((out / "timing.json").read_text())
    seconds = {key: timing[key] for key in ("wall_s", "network_s", "waiting_for_writer_s", "writing_s")}
    return {key: round(value, 2) for key, value in {**seconds, "processor_s": used}.items()}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--heights", nargs="+", type=int, default=[240, 480, 720, 1080, 2160])
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    one_thread()
    image = ImageSegmenter.load(MODEL, "cpu")
    figures: dict[str, Any] = {"save": SAVE, "frames": arguments.frames, "ms_a_frame_by_height": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for height in arguments.heights:
            clip, out = folder / f"{height}.mp4", folder / f"{height}"
            out.mkdir()
            write_demo_clip(clip, arguments.frames, (height, 2 * round(height * 8 / 9)))
            figures["ms_a_frame_by_height"][str(height)] = steps(clip, out, image)
            print(height, figures["ms_a_frame_by_height"][str(height)], file=sys.stderr, flush=True)
        size = arguments.heights[-1], 2 * round(arguments.heights[-1] * 8 / 9)
        clip, mask = folder / "long.mp4", folder / "mask.png"
        write_demo_clip(clip, WRITTEN, size)
        cv2.imwrite(str(mask), 255 * disc(size).astype(np.uint8))
        checkouts = {"now": REPOSITORY} | ({"before": arguments.before} if arguments.before else {})
        runs: dict[str, list[dict[str, float]]] = {which: [] for which in checkouts}
        for _ in range(2):
            for which, checkout in checkouts.items():
                runs[which].append(whole_command(clip, mask, folder / which, checkout))
    best = {which: min(of, key=lambda run: run["wall_s"]) for which, of in runs.items()}
    figures["from_a_mask"] = {"height": arguments.heights[-1], "frames": WRITTEN, **best}
    print(json.dumps(BENCHMARK.write(arguments.out, figures), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
