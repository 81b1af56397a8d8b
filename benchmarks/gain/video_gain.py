"""The gain of every system and baseline over the image model frame by frame, on the synthetic videos.

python -m benchmarks.gain.video_gain --tune [--per-family 8]        presence thresholds, on validation videos
python -m benchmarks.gain.video_gain [--per-family N] [--twins N]   the figures, on validation videos
python -m benchmarks.gain.video_gain --ablations [--per-family N]   the same of `tracks` with each of its parts off
python -m benchmarks.gain.video_gain --split test --twins 16        a release's figures; recorded in test_runs.jsonl
python -m benchmarks.gain.video_gain --strip INDEX [--systems ...]  one video as a picture, under runs/video_gain

The image model runs once per frame for all expressions and systems; each system then computes masks from its answers.
Rows are appended under runs/video_gain as they are computed, in a folder named by all that they depend on: an
interrupted run is continued, and a larger one reuses a smaller. 512 videos take hours: about 20 seconds per video.

The result is video_gain.json with video_gain.png: beside this file for the test split, beside the rows for validation,
unless --out says otherwise. The test split is run for releases alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2

from benchmarks.gain import thresholds
from benchmarks.gain.jobs import code_sha256, run
from benchmarks.gain.pictures import draw_bars, draw_strip
from benchmarks.gain.report import points, report
from benchmarks.gain.systems import ABLATIONS, FRAME_BY_FRAME, HEADLINE, KINDS, OURS, SYSTEMS, Thresholds
from benchmarks.gain.work import Job, clip_of, masks_of, score, tune
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.rows import Rows
from image_core.mask_model import identify_model
from image_core.training.recipe import commit
from image_core.weights import find_model
from rvos.synthetic.dataset import FRAMES, SIZE
from rvos.synthetic.fingerprint import generator_sha256
from rvos.synthetic.severity import FAMILIES
from rvos.tracking.belief.presence_levels import write_levels

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/video_gain")
TEST_RUNS = Path(__file__).with_name("test_runs.jsonl")
UNCHALLENGED = ("plain", "absent")
COLUMNS = ("J&F", "J", "F", "gain", "low", "high", "N-acc", "T-acc", "all")
"""Columns of the printed table: gain over frame by frame with its 95 % interval; all: J&F over all frames."""


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """All that rows depend on, except the thresholds."""
    return {
        "model": find_model(arguments.model).stem,
        "model_sha256": identify_model(arguments.model).revision,
        "generator_sha256": generator_sha256(),
        "code_sha256": code_sha256(),
        "split": arguments.split,
        "seed": arguments.seed,
        "frames": FRAMES,
        "size": SIZE,
    }


def jobs_of(arguments: argparse.Namespace, chosen: dict[str, Thresholds]) -> list[Job]:
    """The videos, family by family in turn; of the first --twins a family those with a challenge also without it."""

    def job(index: int, challenge: bool, systems: list[str]) -> Job:
        return Job(arguments.model, arguments.split, arguments.seed, index, challenge, tuple(systems), chosen)

    indices = range(len(FAMILIES) * arguments.per_family)
    jobs = [job(index, True, arguments.systems) for index in indices]
    twins = [name for name in arguments.systems if name in (FRAME_BY_FRAME, *OURS.values())]
    paired = (i for i in indices[: len(FAMILIES) * arguments.twins] if FAMILIES[i % len(FAMILIES)] not in UNCHALLENGED)
    return jobs + [job(i, False, twins) for i in paired]


def choose_thresholds(arguments: argparse.Namespace) -> None:
    """Choose and write the thresholds of the systems that have one."""
    settings = settings_of(arguments)
    arguments.systems = [name for name in arguments.systems if SYSTEMS[name].is_tuned]
    with Rows(RUNS, "tuning", settings) as file:
        rows = run(tune, jobs_of(arguments, {}), file, arguments.workers)
    chosen = thresholds.choose(rows)
    made_with = settings | {"per_family": arguments.per_family, "command": BENCHMARK.command()}
    thresholds.write(settings["model_sha256"], made_with, chosen)
    if OURS["causal"] in chosen:
        levels = thresholds.levels_of(rows, OURS["causal"])
        write_levels(settings["model"], settings["model_sha256"], BENCHMARK.command(), levels)
    print(json.dumps(chosen, indent=1))


def measure(arguments: argparse.Namespace) -> None:
    """Compute the missing rows, and write the figures and their plot."""
    settings = settings_of(arguments)
    chosen = thresholds.read(settings["model_sha256"], settings["generator_sha256"], arguments.systems)
    settings["thresholds"] = {name: [levels.on, levels.off] for name, levels in chosen.items()}
    with Rows(RUNS, "rows", settings) as file:
        if arguments.split == "test":
            enter_test_run(settings, BENCHMARK.command())
        rows = run(score, jobs_of(arguments, chosen), file, arguments.workers)
    counts = {"per_family": arguments.per_family, "twins_per_family": arguments.twins}
    out = arguments.out or (BENCHMARK.result if arguments.split == "test" else file.path.with_name("video_gain.json"))
    document = BENCHMARK.write(out, {**settings, **counts, **report(rows)})
    draw_bars(document, out.with_suffix(".png"))
    print_tables(document)
    print(out)


def enter_test_run(settings: dict[str, Any], command: str) -> None:
    """Record a run of the test split, whatever its result."""
    entry = {"date": describe_machine()["date"], "commit": commit(), "command": command}
    hashes = {name: settings[name] for name in ("model_sha256", "generator_sha256", "code_sha256")}
    with TEST_RUNS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry | hashes) + "\n")


def print_tables(document: dict[str, Any]) -> None:
    """Print the headline in points, J&F by family (N-acc of `absent`) and of other expressions, a block per kind."""
    gains = document.get("gain_over_frame_by_frame", {})
    kinds = [kind for kind in KINDS if document["stable"][kind]]
    for kind in kinds:
        print(f"\n{kind:17} " + " ".join(f"{name:>6}" for name in COLUMNS))
        for name, figures in document["stable"][kind].items():
            gain = gains.get(name, {"mean": None, "interval": [None, None]})
            cells = [figures["J&F"], figures["J"], figures["F"], gain["mean"], *gain["interval"]]
            cells += [figures["N-acc"], figures["T-acc"], figures["J&F_all_frames"]]
            print(f"{name:17} " + " ".join(f"{points(value):>6}" for value in cells))
    for kind in kinds:
        heads = ["N absent" if family == "absent" else family[:8] for family in FAMILIES]
        print(f"\n{kind:17} " + " ".join(f"{head:>8}" for head in (*heads, "| stale", "motion")))
        for name, figures in document["stable"][kind].items():
            families = figures["families"]
            cells = [families[f]["N-acc" if f == "absent" else "J&F"] for f in FAMILIES if f in families]
            cells += [document[other][kind].get(name, {}).get("J&F") for other in ("stale", "motion")]
            print(f"{name:17} " + " ".join(f"{points(value):>8}" for value in cells))


def draw_video(arguments: argparse.Namespace) -> None:
    """A strip for every expression of one video, one below the other."""
    settings = settings_of(arguments)
    chosen = thresholds.read(settings["model_sha256"], settings["generator_sha256"], arguments.systems)
    clip = clip_of(Job(arguments.model, arguments.split, arguments.seed, arguments.strip, True, (), {}))
    masks = {name: masks_of(clip, SYSTEMS[name], chosen[name]) for name in arguments.systems}
    for e, expression in enumerate(clip.sample.expressions):
        title = f"{clip.sample.video_id} {expression.family}, {expression.kind}: {expression.text}"
        rows = {name: of_system[e] for name, of_system in masks.items()}
        strip = draw_strip(clip.sample.frames, clip.sample.mask(e), rows, title)
        path = RUNS / f"{clip.sample.video_id}_{expression.expression_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), strip[..., ::-1])
        print(path)


def main() -> None:
    parser = BENCHMARK.parser(seed=0, workers=2)
    parser.set_defaults(out=None)
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--per-family", type=int, default=64, help="videos a family (64; ablations 24)")
    parser.add_argument("--model", default="s2rm_tiny", help="an embedded model's name, or a model file")
    systems = parser.add_mutually_exclusive_group()
    systems.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(HEADLINE), metavar="NAME")
    ablations = [FRAME_BY_FRAME, "tracks", *ABLATIONS]
    systems.add_argument(
        "--ablations", dest="systems", action="store_const", const=ablations, help="each part of `tracks` off in turn"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--tune", action="store_true", help="choose the presence thresholds (validation alone)")
    mode.add_argument("--twins", type=int, default=0, metavar="N", help="of a family: also without challenge (0)")
    mode.add_argument("--strip", type=int, metavar="INDEX", help="draw one video instead (validation alone)")
    arguments = parser.parse_args()
    if arguments.split == "test" and (arguments.tune or arguments.strip is not None):
        parser.error("--split: expected val, got test: nothing is chosen by looking at the test split")
    if arguments.tune:
        choose_thresholds(arguments)
    elif arguments.strip is not None:
        draw_video(arguments)
    else:
        measure(arguments)


if __name__ == "__main__":
    BENCHMARK.start(main)
