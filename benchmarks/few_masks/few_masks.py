"""Learning with few masks: SafaRi and Partial-RES on 10, 30 and 100 % of the masks of synthetic images.

python -m benchmarks.few_masks.few_masks [--only ARM ...]    runs the missing arms, then writes the figures
python -m benchmarks.few_masks.few_masks --list              the arms, in the order they run
python -m benchmarks.few_masks.few_masks --report            writes the figures of the finished arms

Everything is at 128 px with tiny encoders, two rounds, on 3,000 training images in RefCOCO's layout, of few and large
objects, since the cells of the encoders are 16 px. All arms have the same number of optimiser steps; those of SafaRi
also the same schedule: the arm of labels alone has the same rounds without pseudo labels. Partial-RES has its own
stages. Arms with the same round 0 share it, and all share the boxes of SpARC. The image-text pair that SpARC uses is
trained by `python tools/train_image_text_pair.py --out runs/image_text_pair`. Runs are kept in runs/few_masks; the same
command continues an interrupted one, and two commands with different arms may run at once. An arm that few_masks.json
has with equal settings is not run again, even if its runs are deleted. An arm takes hours on one core.

The result is few_masks.json with few_masks.png, beside this file.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.few_masks.arms import ARMS, COMMON, STEPS, Arm
from benchmarks.few_masks.attention import attention_inside
from benchmarks.few_masks.report import draw, table
from benchmarks.harness.command import Benchmark
from benchmarks.harness.rows import Rows
from image_core.data.table import open_dataset
from image_core.evaluation.samples import Samples
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.geometry.masks import overlap
from image_core.geometry.rle import decode_rle
from image_core.json_lines import append_lines, cut_torn_line, read_lines
from image_core.models.safari import Safari
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.layouts import write_refcoco
from image_core.synthetic.sampling import FEW_LARGE
from image_core.training.recipe import datasets, train_on
from image_core.weak.bootstrap import bootstrap, box_source
from image_core.weak.box_source import BoxSource
from image_core.weak.config import BootstrapConfig
from image_core.weak.ledger import Ledger
from image_core.weak.unlabelled import UnlabelledImage
from rvos.configuration import bootstrap_config, train_config

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/few_masks")
DATA = RUNS / "data"
SPLITS = {"train": 3000, "val": 100, "test": 400}
SIZE_PX = 128
BOXES = RUNS / "sparc_boxes.jsonl"


class KeptBoxes:
    """A source of boxes with a cache on disk: boxes depend on images and expressions alone, not on the round."""

    def __init__(self, source: BoxSource, path: Path) -> None:
        self.source, self.path = source, path
        cut_torn_line(path)
        rows = read_lines(path, lambda row: (row["id"], row["boxes"]), "remove the line")
        self.known: dict[str, list[list[float] | None]] = dict(rows)

    def boxes(self, picture: UnlabelledImage) -> list[np.ndarray | None]:
        if picture.sample_id not in self.known:
            boxes = [None if box is None else box.tolist() for box in self.source.boxes(picture)]
            self.known[picture.sample_id] = boxes
            append_lines(self.path, [{"id": picture.sample_id, "boxes": boxes}])
        return [None if box is None else np.array(box) for box in self.known[picture.sample_id]]


def settings_of(arm: Arm) -> BootstrapConfig:
    """The settings of an arm, with the weights of its stage on boxes if it has one."""
    places = [f"data.root={DATA}", f"out={RUNS / arm.name}"]
    boxes = [f"init={learn_boxes(arm)}"] if STEPS[arm.model][0] else []
    return bootstrap_config([*arm.overrides, *places, *boxes])


def learn_boxes(arm: Arm) -> Path:
    """Train on the boxes of all images, once for all shares of masks. Returns the model file."""
    out = RUNS / f"boxes_{arm.model}_s{arm.seed}"
    overrides = [*arm.overrides, f"data.root={DATA}", f"out={out}", "model.config.task=box"]
    settings = bootstrap_config(overrides).train
    settings = replace(settings, steps=STEPS[arm.model][0], data=replace(settings.data, labels=1.0))
    return train_on(datasets(settings.data, settings), settings)


def run(arm: Arm) -> Path:
    """Train an arm to its end. Returns the model file of its last round."""
    settings = settings_of(arm)
    begin(arm, settings)
    if arm.share == 1:
        return labels_alone(settings)

    def boxes(own: BootstrapConfig, samples: Samples) -> BoxSource:
        source = box_source(own, samples)
        return KeptBoxes(source, BOXES) if own.boxes == "sparc" and own.gamma_max > 0 else source

    summary = bootstrap(settings, f"python -m {BENCHMARK.name} --only {arm.name}", boxes)
    return settings.train.out / json.loads(summary.read_text())["model"]


def begin(arm: Arm, settings: BootstrapConfig) -> None:
    """Copy round 0 from an arm with the same round 0, if that is finished; otherwise the arm trains it."""
    mine = settings.train.out / "round_0"
    if arm.begins_as is None or (mine / "model.safetensors").exists():
        return
    first = next(other for other in ARMS if other.name == arm.begins_as)
    if (RUNS / first.name / "round_1").exists():
        shutil.copytree(RUNS / first.name / "round_0", mine, dirs_exist_ok=True)


def labels_alone(settings: BootstrapConfig) -> Path:
    """Train on all masks, in as many stages as there are rounds."""
    data = replace(settings.train.data, labels=1.0)
    model = Path()
    for round in range(settings.rounds + 1):
        own = replace(settings.round(round), data=data)
        model = train_on(datasets(data, own), own)
    return model


def measure(arm: Arm, model: Path) -> dict[str, Any]:
    """Figures on the test images, and the accuracy of the pseudo labels."""
    segmenter = ImageSegmenter.load(model, "cpu")
    test = open_dataset("refcoco", DATA, "test")
    figures = evaluate_images(predict_with(segmenter), test)
    families = {name: row["mIoU"] for name, row in figures["families"].items()}
    kept = {key: figures[key] for key in ("expressions", "mIoU", "oIoU", "Pr@0.5", "Pr@0.7")}
    inside = {"attention_inside": attention_inside(segmenter, test)} if isinstance(segmenter.model, Safari) else {}
    return {"arm": arm.describe(), **kept, **inside, "families": families, "pseudo": pseudo_truth(RUNS / arm.name)}


def pseudo_truth(out: Path) -> list[dict[str, Any]]:
    """By round: how many labels were accepted and their mIoU with the truth, and the same of rejected ones.

    Only this benchmark looks at the truth of unlabelled images, after the run.
    """
    if not (out / "ledger.jsonl").exists():
        return []
    train, ledger, rounds = open_dataset("refcoco", DATA, "train"), Ledger(out / "ledger.jsonl"), []
    for round in range(1, STEPS["safari"][3] + 1):
        shares: dict[str, list[float]] = {"accepted": [], "rejected": []}
        sample, truth = None, {}
        for label in ledger.labels(round):
            if label.mask is None:
                continue
            if sample is None or sample.sample_id != label.sample_id:
                sample = train[label.index]
                truth = dict(zip(sample.expression_ids, sample.masks, strict=True))
            intersection, union = overlap(decode_rle(label.mask), truth[label.expression_id])
            shares[label.verdict].append(intersection / union)
        if any(shares.values()):
            rounds.append({k: {"count": len(v), "mIoU": float(np.mean(v)) if v else None} for k, v in shares.items()})
    return rounds


def write_data() -> None:
    """Write the images of the dataset, unless they exist."""
    if not (DATA / "refcoco" / "refs(unc).p").exists():
        write_refcoco(DATA, SPLITS, 0, (SIZE_PX, SIZE_PX), style=FEW_LARGE)


def made_with() -> dict[str, Any]:
    """The settings that the figures of all arms depend on."""
    scenes = {"pictures": SPLITS, "size_px": SIZE_PX, "scenes": asdict(FEW_LARGE)}
    training = {"steps": STEPS, "common": list(COMMON)}
    experiments = {name: train_config([f"experiment=synthetic_{name}_tiny"]).to_dict() for name in STEPS}
    kept = ("model", "optimiser", "preprocessing", "batch_images")
    models = {name: {key: experiment[key] for key in kept} for name, experiment in experiments.items()}
    return json.loads(json.dumps(scenes | training | {"experiments": models}))


def figures_of(arm: Arm) -> Rows:
    """The file with the row of a measured arm; locked by the process that runs the arm."""
    return Rows(RUNS / "figures" / arm.name, "figures", made_with() | {"arm": arm.describe()})


def rows_of_before() -> dict[str, dict[str, Any]]:
    """The rows of the committed result that have the present settings."""
    document = json.loads(BENCHMARK.result.read_text()) if BENCHMARK.result.exists() else {}
    same = all(document.get(key) == value for key, value in made_with().items())
    return {row["arm"]["name"]: row for row in document["arms"]} if same else {}


def report(out: Path) -> None:
    """Write the figures and the plot of the finished arms."""
    done = rows_of_before()
    for arm in ARMS:
        for row in read_lines(figures_of(arm).path, dict, "remove the line"):
            done[arm.name] = row
    rows = [done[arm.name] for arm in ARMS if arm.name in done]
    absent = [arm.name for arm in ARMS if arm.name not in done]
    BENCHMARK.write(out, {**made_with(), "missing": absent, "arms": rows})
    draw(rows, out.with_suffix(".png"))
    print(table(rows))


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--only", nargs="+", choices=[arm.name for arm in ARMS], metavar="ARM")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(arm.name for arm in ARMS))
        return
    if not arguments.report:
        write_data()
        done = rows_of_before()
        for arm in ARMS:
            if arm.name in done or (arguments.only is not None and arm.name not in arguments.only):
                continue
            with figures_of(arm) as figures:
                if not figures.rows:
                    print(arm.name, file=sys.stderr, flush=True)
                    figures.append([measure(arm, run(arm))])
    report(arguments.out)


if __name__ == "__main__":
    BENCHMARK.start(main)
