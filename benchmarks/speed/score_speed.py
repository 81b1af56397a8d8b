"""How long `rvos score` takes on a dataset of the size of Ref-DAVIS17's validation split, by number of processes.

python -m benchmarks.speed.score_speed [--videos 30] [--frames 67]

`rvos synth` writes 480p videos in the layout of Ref-DAVIS17: four annotators, 67 frames each (the real split has 1,999
in all). Of their objects two a video are kept, three in the first: 61, as in the real split. Predictions are the truth
moved by four pixels, by both protocols. Each command runs in a fresh process, as a user would run it. Data and
predictions stay under runs/score_speed; making them takes minutes, scoring them about one.

The result is score_speed.json, beside this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command import Benchmark
from image_core.files import make_folder
from rvos.commands.machine import core_count
from rvos.data import open_dataset
from rvos.data.base import read_id_map
from rvos.data.ref_davis17 import ANNOTATORS, RefDavis17
from rvos.evaluation.id_maps import folders_of
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.protocols import layout_of
from rvos.export.frame_pngs import write_palette_png

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/score_speed")
SHIFT_PX = 4


def rvos(*arguments: str) -> float:
    """Wall seconds of a command line in a fresh process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rvos.cli", *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def keep_objects(root: Path) -> None:
    """Leave two objects a video, three in the first, with ids from 1 on."""
    index = root / "meta_expressions/valid/meta_expressions.json"
    document = json.loads(index.read_text())
    for number, (video_id, row) in enumerate(document["videos"].items()):
        kept = list(dict.fromkeys(each["obj_id"] for each in row["expressions"].values()))[: 3 if number == 0 else 2]
        new_ids = {old: str(new) for new, old in enumerate(kept, 1)}
        row["expressions"] = {
            i: each | {"obj_id": new_ids[each["obj_id"]]}
            for i, each in row["expressions"].items()
            if each["obj_id"] in new_ids
        }
        table = np.zeros(256, np.uint8)
        table[255] = 255
        table[[int(old) for old in new_ids]] = [int(new) for new in new_ids.values()]
        for path in (root / "valid/Annotations" / video_id).iterdir():
            write_palette_png(path, table[read_id_map(path)])
    index.write_text(json.dumps(document))


def write_predictions(dataset: RefDavis17, predictions: Path) -> None:
    """The truth, `SHIFT_PX` to the right, by both protocols."""
    layout = layout_of(dataset.rules)
    assert isinstance(layout, MaskTree)
    annotators = folders_of(dataset.id_truth(), predictions)
    for video in dataset.videos:
        for expression in video.expressions:
            layout.start(predictions, video, expression)
        for folder in annotators:
            make_folder(folder / video.video_id)
        for index, ids in enumerate(dataset.id_maps(video)):
            moved = np.roll(np.where(ids == 255, 0, ids), SHIFT_PX, axis=1).astype(np.uint8)
            for expression in video.expressions:
                layout.write(predictions, video, expression, index, moved == int(expression.object_ids[0]))
            for folder in annotators:
                write_palette_png(folder / video.video_id / f"{video.frame_name(index)}.png", moved)


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--videos", type=int, default=30)
    parser.add_argument("--frames", type=int, default=67)
    arguments = parser.parse_args()
    folder = RUNS / f"{arguments.videos}x{arguments.frames}"
    root, predictions = folder / "data", folder / "predictions"
    if not predictions.is_dir():
        size = ("--count", str(arguments.videos), "--frames", str(arguments.frames), "--size", "480", "--overwrite")
        rvos("synth", str(root), "--kind", "videos", "--layout", "ref-davis17", *size)
        keep_objects(root)
        opened = open_dataset("ref_davis17", root)
        assert isinstance(opened, RefDavis17)
        write_predictions(opened, predictions)
    dataset = open_dataset("ref_davis17", root)
    where = ("--root", str(root), "--predictions", str(predictions), "--out", str(folder / "figures.json"))
    seconds = {n: rvos("score", "ref-davis17", *where, "--workers", str(n)) for n in sorted({1, core_count()})}
    figures: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    measured = {
        "videos": len(dataset.videos),
        "frames": sum(len(video.frame_names) for video in dataset.videos),
        "objects": sum(len(video.expressions) // len(ANNOTATORS) for video in dataset.videos),
        "expressions": sum(len(video.expressions) for video in dataset.videos),
        "seconds_by_processes": {str(n): round(spent, 1) for n, spent in seconds.items()},
        "J&F": {name: round(block["J&F"], 4) for name, block in figures["protocols"].items()},
    }
    print(json.dumps(BENCHMARK.write(arguments.out, measured), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
