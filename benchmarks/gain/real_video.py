"""Trackers on real clips, with the answers of an image model, and with true masks that have known faults.

python -m benchmarks.gain.real_video [--clips NAME ...] [--systems NAME ...]     with the answers of --model (photo)
python -m benchmarks.gain.real_video --faults [--clips NAME ...]                 true masks as the model, with faults

Clips are folders with `frames/*.jpg` and `masks/*.png` under --root (default: clips/masked of RVOS_SHARED). The model
runs once per frame; its answers are kept under runs/real_video, so that all trackers get the same ones. Frames without
the target count too. Nothing may be tuned on these clips: see docs/trackers.md.

The result is real_video.json (real_faults.json), with a contact sheet per clip under runs/real_video.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.gain.faults import FAULTS, answers
from benchmarks.gain.kept_answers import KeptAnswers
from benchmarks.gain.pictures import draw_strip
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.real_clips import RealClip, clips_in, read_clips
from benchmarks.harness.recorded import RecordedReader
from image_core.answer import MaskAnswer
from image_core.errors import UnknownNameError
from image_core.files import make_folder
from image_core.mask_model import resolve_model
from rvos.metrics import region_and_boundary
from rvos.parts import tracker_config
from rvos.reading.key_frames import KeyFrames
from rvos.tracking import TRACKERS
from rvos.tracking.tracker import Tracker
from rvos.watch.session import StreamSession, questions
from rvos.watch.stream import process

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/real_video")
DECODE_EVERY = (1, 4, 8)
AWAY = 12
"""Number of frames of another scene that are inserted into a clip for the fault `false_alarm`."""


@dataclass(frozen=True)
class System:
    """A system that computes masks from answers."""

    tracker: str
    numbers: Mapping[str, Any]
    #: Frames between two answers.
    every: int = 1

    def made(self) -> Tracker[Any]:
        """Its tracker."""
        config = tracker_config(self.tracker, **self.numbers)
        return TRACKERS[config.name](config.numbers)

    def question(self, clip: RealClip) -> str:
        """Its question to the image model."""
        return questions([clip.expression], self.made(), draws_candidates=True)[0]

    def masks(self, clip: RealClip, rows: Sequence[MaskAnswer]) -> list[np.ndarray]:
        """T masks (H, W) bool. rows: T answers, or those of the frames that are asked for."""
        answers = {self.every * position: [row] for position, row in enumerate(rows)}
        reader = RecordedReader([self.question(clip)], answers, clip.name)
        session = StreamSession(reader, self.made(), KeyFrames(self.every), [clip.expression])
        if session.both_ways:
            for frame in clip.frames:
                session.step(frame)
            session.rewind()
        return [results[0].mask for _, results in process(session, clip.frames)]


def systems() -> dict[str, System]:
    """Name -> system."""
    found = {"frame_by_frame": System("none", {})}
    for name in TRACKERS:
        if name != "none":
            found |= {f"{name}{'' if k == 1 else f'_key_{k}'}": System(name, {}, k) for k in DECODE_EVERY}
    both = [("", 1), ("_key_4", 4)]
    return found | {f"tracks_both_ways{end}": System("tracks", {"both_ways": True}, k) for end, k in both}


ORACLE = "oracle_candidate"
"""The best candidate of every frame by the truth, or none: the upper bound of a choice."""


def oracle(clip: RealClip, rows: Sequence[MaskAnswer]) -> list[np.ndarray]:
    """T masks (H, W) bool."""
    chosen = []
    for truth, answer in zip(clip.masks, rows, strict=True):
        masks = [c.mask for c in answer.candidates] if truth.any() else []
        overlaps = [np.count_nonzero(m & truth) / np.count_nonzero(m | truth) for m in masks]
        chosen.append(masks[int(np.argmax(overlaps))] if masks else np.zeros_like(truth))
    return chosen


def figures_of(clip: RealClip, masks: Sequence[np.ndarray]) -> dict[str, Any]:
    """J, F and J&F over all frames, and the shares of frames with the right presence."""
    region, boundary = region_and_boundary(np.stack(masks), clip.masks)
    is_visible, shown = clip.masks.any((1, 2)), np.array([mask.any() for mask in masks])
    j, f = float(region.mean()), float(boundary.mean())
    return {
        "J": round(j, 4),
        "F": round(f, 4),
        "J&F": round((j + f) / 2, 4),
        "T-acc": round(float(shown[is_visible].mean()), 4),
        "N-acc": None if is_visible.all() else round(float((~shown[~is_visible]).mean()), 4),
    }


def measured(clip: RealClip, make: Callable[[], list[np.ndarray]]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The figures of a system's masks, with processor time per frame (reading of answers included), and the masks."""
    start = time.process_time()
    masks = make()
    cost = 1000 * (time.process_time() - start) / len(clip.images)
    return figures_of(clip, masks) | {"cpu_ms": round(cost, 1)}, masks


def with_model(arguments: argparse.Namespace, clips: Sequence[RealClip], chosen: Mapping[str, System]) -> None:
    """The figures on the answers of an image model."""
    kept = KeptAnswers(arguments.model, lambda: resolve_model(arguments.model, "cpu"), RUNS / "answers")
    table: dict[str, dict[str, Any]] = {}
    for clip in clips:
        shown: dict[str, list[np.ndarray]] = {}
        least = min(system.every for system in chosen.values())
        for every in sorted({system.every for system in chosen.values()}):
            for name, system in chosen.items():
                if system.every == every:
                    rows = kept.of(clip, system.question(clip), every)
                    figures, shown[name] = measured(clip, lambda s=system, c=clip, r=rows: s.masks(c, r))
                    table.setdefault(name, {})[clip.name] = figures
                    print(f"{clip.name:16} {name:24} {figures}", flush=True)
            if every == least == 1:
                figures, shown[ORACLE] = measured(clip, lambda c=clip: oracle(c, kept.of(c, c.expression)))
                table.setdefault(ORACLE, {})[clip.name] = figures
        draw(clip, shown, arguments.model)
    figures = {**kept.identity, "clips": [c.name for c in clips], "mean": means(table), "systems": table}
    BENCHMARK.write(arguments.out or BENCHMARK.result, figures)
    print_table(table)


def with_faults(arguments: argparse.Namespace, clips: Sequence[RealClip], chosen: Mapping[str, System]) -> None:
    """The figures of true masks, and of true masks with one kind of fault."""
    tables: dict[str, Any] = {}
    for fault in arguments.fault:
        table: dict[str, dict[str, Any]] = {}
        for clip in map(interrupted, clips) if fault == "false_alarm" else clips:
            given = answers(fault, clip.masks, arguments.seed)
            shown: dict[str, list[np.ndarray]] = {}
            for name, system in chosen.items():
                figures, shown[name] = measured(clip, lambda s=system, g=given, c=clip: s.masks(c, g[:: s.every]))
                table.setdefault(name, {})[clip.name] = figures
                print(f"{fault:12} {clip.name:16} {name:24} {figures}", flush=True)
            draw(clip, shown, fault)
        tables[fault] = {"mean": means(table), "systems": table}
    document = {"seed": arguments.seed, "clips": [c.name for c in clips], "faults": tables}
    BENCHMARK.write(arguments.out or BENCHMARK.result.with_name("real_faults.json"), document)
    for fault, figures in tables.items():
        print(f"\n{fault}")
        print_table(figures["systems"])


def interrupted(clip: RealClip) -> RealClip:
    """The clip with frames of another scene in its middle, on which the object is not visible: two cuts."""
    middle = len(clip.images) // 2
    scene = np.ascontiguousarray(255 - clip.images[middle - AWAY : middle, ::-1, ::-1])
    nothing = np.zeros((AWAY, *clip.masks.shape[1:]), bool)
    return RealClip(
        clip.name,
        clip.expression,
        np.concatenate([clip.images[:middle], scene, clip.images[middle:]]),
        np.concatenate([clip.masks[:middle], nothing, clip.masks[middle:]]),
    )


def means(table: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """J&F of each system, the mean over clips."""
    return {name: round(float(np.mean([f["J&F"] for f in clips.values()])), 4) for name, clips in table.items()}


def print_table(table: Mapping[str, Mapping[str, Any]]) -> None:
    """J&F in points, a line a system."""
    names = list(next(iter(table.values())))
    print(f"{'':24}" + "".join(f"{name[:10]:>11}" for name in names) + f"{'mean':>8}{'ms':>7}")
    for system, mean in means(table).items():
        of_system = table[system]
        line = "".join(f"{100 * of_system[name]['J&F']:11.1f}" for name in names)
        print(f"{system:24}{line}{100 * mean:8.1f}{np.mean([f['cpu_ms'] for f in of_system.values()]):7.0f}")


def draw(clip: RealClip, shown: Mapping[str, Sequence[np.ndarray]], title: str) -> None:
    """A contact sheet: frames, truth, and a row a system."""
    make_folder(RUNS / title)
    sheet = draw_strip(clip.images, clip.masks, shown, f"{clip.name}: {clip.expression} ({title})")
    cv2.imwrite(str(RUNS / title / f"{clip.name}.jpg"), sheet[..., ::-1])


def main() -> None:
    known = systems()
    parser = BENCHMARK.parser(seed=0)
    parser.set_defaults(out=None)
    parser.add_argument("--root", type=Path, default=SHARED / "clips" / "masked")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="folders of --root (all)")
    parser.add_argument("--systems", nargs="+", default=list(known), choices=known, metavar="NAME")
    parser.add_argument("--model", default="photo", help="as `rvos segment --model` takes it (photo)")
    parser.add_argument("--faults", action="store_true", help="true masks with faults as the model")
    parser.add_argument("--fault", nargs="+", default=list(FAULTS), choices=list(FAULTS), metavar="NAME")
    arguments = parser.parse_args()
    one_thread()
    there = clips_in(arguments.root)
    for name in arguments.clips or []:
        if name not in there:
            raise UnknownNameError("clip", name, there)
    clips = read_clips(arguments.root, arguments.clips or there)
    chosen = {name: known[name] for name in arguments.systems}
    (with_faults if arguments.faults else with_model)(arguments, clips, chosen)


if __name__ == "__main__":
    BENCHMARK.start(main)
