"""What time adds: every system and every baseline on the synthetic videos, against the image model frame by frame.

python benchmarks/video_gain.py --tune [--per-family 8]        presence thresholds, on validation videos
python benchmarks/video_gain.py [--per-family N] [--twins N]   the figures, on validation videos
python benchmarks/video_gain.py --ablations [--per-family N]   the same of `memory` with each of its parts off
python benchmarks/video_gain.py --split test --twins 16        the release's figures; entered in test_runs.jsonl
python benchmarks/video_gain.py --strip INDEX [--systems ...]  a picture of one video, to look at

The image model runs once a frame for all expressions and systems; each system then makes its masks of what it said.
Rows are appended under runs/video_gain as they are made, in a folder named after everything they depend on, so a killed
run goes on, and a larger one starts from a smaller. Figures are read from the rows: video_gain.json and video_gain.png,
beside this file for the test split and beside the rows for validation, unless --out says where. The test split is
run for releases alone.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import cv2
import video_thresholds
from machine import describe_machine
from video_pictures import draw_bars, draw_strip
from video_report import report
from video_rows import RowsFile, code_sha256, run
from video_systems import ABLATIONS, FRAME_BY_FRAME, HEADLINE, KINDS, OURS, SYSTEMS
from video_work import Job, clip_of, masks_of, score, tune

from image_core.errors import RvosError
from image_core.segmenter import find_model
from image_core.training.recipe import commit
from image_core.weights import DEFAULT
from rvos.image_model import ImageModelHandle
from rvos.synthetic.dataset import FRAMES, SIZE
from rvos.synthetic.fingerprint import generator_sha256
from rvos.synthetic.severity import FAMILIES

HERE = Path(__file__).parent
RUNS = Path("runs/video_gain")
TEST_RUNS = HERE / "test_runs.jsonl"
UNCHALLENGED = ("plain", "absent")
COLUMNS = ("J&F", "J", "F", "gain", "low", "high", "N-acc", "T-acc", "all")
"""Of the table on the screen: gain over frame by frame with its 95 % interval; all: J&F over all frames."""


def header(arguments: argparse.Namespace) -> dict[str, Any]:
    """What rows depend on, thresholds apart."""
    return {
        "model": find_model(arguments.model).stem,
        "model_sha256": ImageModelHandle(arguments.model).sha256,
        "generator_sha256": generator_sha256(),
        "code_sha256": code_sha256(),
        "split": arguments.split,
        "seed": arguments.seed,
        "frames": FRAMES,
        "size": SIZE,
    }


def jobs_of(arguments: argparse.Namespace, thresholds: dict[str, Any]) -> list[Job]:
    """The videos, family by family in turn; of the first --twins a family those with a challenge also without it."""

    def job(index: int, challenge: bool, systems: list[str]) -> Job:
        return Job(arguments.model, arguments.split, arguments.seed, index, challenge, tuple(systems), thresholds)

    indices = range(len(FAMILIES) * arguments.per_family)
    jobs = [job(index, True, arguments.systems) for index in indices]
    twins = [name for name in arguments.systems if name in (FRAME_BY_FRAME, *OURS.values())]
    paired = (i for i in indices[: len(FAMILIES) * arguments.twins] if FAMILIES[i % len(FAMILIES)] not in UNCHALLENGED)
    return jobs + [job(i, False, twins) for i in paired]


def choose_thresholds(arguments: argparse.Namespace) -> None:
    """Choose and write the thresholds of the systems that have one."""
    made_of = header(arguments)
    arguments.systems = [name for name in arguments.systems if SYSTEMS[name].is_tuned]
    with RowsFile(RUNS, "tuning", made_of) as file:
        rows = run(tune, jobs_of(arguments, {}), file, arguments.workers)
    chosen = video_thresholds.choose(rows)
    made_with = made_of | {"per_family": arguments.per_family, "command": command()}
    video_thresholds.write(made_of["model_sha256"], made_with, chosen)
    print(json.dumps(chosen, indent=1))


def measure(arguments: argparse.Namespace) -> None:
    """Run what is missing, and write the figures and their picture."""
    made_of = header(arguments)
    thresholds = video_thresholds.read(made_of["model_sha256"], made_of["generator_sha256"], arguments.systems)
    made_of["thresholds"] = {name: [found.on, found.off] for name, found in thresholds.items()}
    with RowsFile(RUNS, "rows", made_of) as file:
        if arguments.split == "test":
            enter_test_run(made_of)
        rows = run(score, jobs_of(arguments, thresholds), file, arguments.workers)
    document = {
        "command": command(),
        "machine": describe_machine(),
        "commit": commit(),
        **made_of,
        "per_family": arguments.per_family,
        "twins_per_family": arguments.twins,
        **report(rows),
    }
    out = arguments.out or (HERE if arguments.split == "test" else file.path.parent) / "video_gain.json"
    out.write_text(json.dumps(document, indent=1) + "\n")
    draw_bars(document, out.with_suffix(".png"))
    print_tables(document)
    print(out)


def enter_test_run(made_of: dict[str, Any]) -> None:
    """Every run of the test split is on record, whatever came of it."""
    machine = describe_machine()
    entry = {"date": machine["date"], "commit": commit(), "command": command()}
    hashes = {name: made_of[name] for name in ("model_sha256", "generator_sha256", "code_sha256")}
    with TEST_RUNS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry | hashes) + "\n")


def print_tables(document: dict[str, Any]) -> None:
    """The headline in points, then J&F by family (of `absent` N-acc) and of the other expressions, a block a kind."""
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


def points(fraction: float | None) -> str:
    """As tables give it."""
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def draw_video(arguments: argparse.Namespace) -> None:
    """A strip for every expression of one video, one below the other."""
    made_of = header(arguments)
    thresholds = video_thresholds.read(made_of["model_sha256"], made_of["generator_sha256"], arguments.systems)
    job = Job(arguments.model, arguments.split, arguments.seed, arguments.strip, True, (), {})
    clip = clip_of(job)
    masks = {name: masks_of(clip, SYSTEMS[name], thresholds[name]) for name in arguments.systems}
    for e, said in enumerate(clip.sample.expressions):
        title = f"{clip.sample.video_id} {said.family}, {said.kind}: {said.text}"
        rows = {name: of_system[e] for name, of_system in masks.items()}
        strip = draw_strip(clip.sample.frames, clip.sample.mask(e), rows, title)
        path = RUNS / f"{clip.sample.video_id}_{said.expression_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), strip[..., ::-1])
        print(path)


def command() -> str:
    """This run's own, as it can be given again."""
    return shlex.join(["python", "benchmarks/video_gain.py", *sys.argv[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-family", type=int, default=64, help="videos a family (64; ablations 24)")
    parser.add_argument("--model", default=DEFAULT, help="an embedded model's name, or a model file")
    systems = parser.add_mutually_exclusive_group()
    systems.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(HEADLINE), metavar="NAME")
    ablations = [FRAME_BY_FRAME, "memory", *ABLATIONS]
    systems.add_argument(
        "--ablations", dest="systems", action="store_const", const=ablations, help="each part of `memory` off in turn"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread")
    parser.add_argument("--out", type=Path, help="the JSON; the picture lies beside it")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--tune", action="store_true", help="choose the presence thresholds (validation alone)")
    mode.add_argument("--twins", type=int, default=0, metavar="N", help="of a family: also without challenge (0)")
    mode.add_argument("--strip", type=int, metavar="INDEX", help="draw one video instead (validation alone)")
    arguments = parser.parse_args()
    if arguments.split == "test" and (arguments.tune or arguments.strip is not None):
        parser.error("--split: came test, wanted val: nothing is chosen by looking at the test split")
    try:
        if arguments.tune:
            choose_thresholds(arguments)
        elif arguments.strip is not None:
            draw_video(arguments)
        else:
            measure(arguments)
    except RvosError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
