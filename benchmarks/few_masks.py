"""Learning with few masks: SafaRi and Partial-RES on 10, 30 and 100 % of the masks of synthetic pictures.

python benchmarks/few_masks.py [--only ARM ...]    runs what is missing, then writes few_masks.json and few_masks.png
python benchmarks/few_masks.py --list              the arms, in the order they run
python benchmarks/few_masks.py --report            writes the figures of the arms that are done

Everything is at 128 px with tiny encoders, two rounds, on 3,000 training pictures in RefCOCO's layout, of few and large
objects: encoders whose cells are 16 px need them. The optimiser steps of all arms are equal; of SafaRi's the schedule
too: the arm of labels alone goes through the same rounds without pseudo labels. Partial-RES has its own stages. Arms
with the same round 0 share it, and all share the boxes that SpARC finds. The pair that SpARC asks is trained by
`python tools/train_image_text_pair.py --out runs/image_text_pair`. Runs lie in runs/few_masks; the same command
continues a killed one, and two of them with different arms may run together. An arm that few_masks.json has with equal
settings is not run again, whether its runs are there or not.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from few_masks_arms import ARMS, COMMON, STEPS, Arm
from few_masks_report import draw, table
from machine import describe_machine

from image_core.data.table import open_dataset
from image_core.evaluation.samples import Samples
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.geometry.masks import overlap
from image_core.geometry.rle import decode_rle
from image_core.models.attention_consistency import attention_share
from image_core.models.safari import Safari
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.layouts import write_refcoco
from image_core.synthetic.sampling import FEW_LARGE
from image_core.training.recipe import commit, datasets, train_on
from image_core.types import ImageSample
from image_core.weak.bootstrap import bootstrap, box_source
from image_core.weak.box_source import BoxSource
from image_core.weak.ledger import Ledger
from image_core.weak.settings import BootstrapSettings
from image_core.weak.unlabelled import UnlabelledPicture
from rvos.configuration import bootstrap_settings, train_settings

HERE = Path(__file__).parent
OUT = HERE / "few_masks.json"
RUNS = Path("runs/few_masks")
DATA = RUNS / "data"
SPLITS = {"train": 3000, "val": 100, "test": 400}
SIZE_PX = 128
BOXES = RUNS / "sparc_boxes.jsonl"


class KeptBoxes:
    """A source of boxes whose answers are kept on disk: they depend on pictures and sentences alone, not on rounds."""

    def __init__(self, source: BoxSource, path: Path) -> None:
        self.source, self.path = source, path
        lines = path.read_text().splitlines() if path.exists() else []
        self.known: dict[str, list[list[float] | None]] = {row["id"]: row["boxes"] for row in map(json.loads, lines)}

    def boxes(self, picture: UnlabelledPicture) -> list[np.ndarray | None]:
        if picture.sample_id not in self.known:
            found = [None if box is None else box.tolist() for box in self.source.boxes(picture)]
            self.known[picture.sample_id] = found
            with self.path.open("a") as file:
                file.write(json.dumps({"id": picture.sample_id, "boxes": found}) + "\n")
        return [None if box is None else np.array(box) for box in self.known[picture.sample_id]]


def settings_of(arm: Arm) -> BootstrapSettings:
    """The run of an arm, from the weights of its stage on boxes where it has one."""
    places = [f"data.root={DATA}", f"out={RUNS / arm.name}"]
    boxes = [f"init={learn_boxes(arm)}"] if STEPS[arm.model][0] else []
    return bootstrap_settings([*arm.overrides, *places, *boxes])


def learn_boxes(arm: Arm) -> Path:
    """The boxes of all pictures, once for all shares of masks; the model file."""
    out = RUNS / f"boxes_{arm.model}_s{arm.seed}"
    told = [*arm.overrides, f"data.root={DATA}", f"out={out}", "model.config.task=box"]
    settings = bootstrap_settings(told).train
    settings = replace(settings, steps=STEPS[arm.model][0], data=replace(settings.data, labels=1.0))
    return train_on(datasets(settings.data, settings), settings)


def run(arm: Arm) -> Path:
    """Train an arm to its end; the model file of its last round."""
    settings = settings_of(arm)
    begin(arm, settings)
    if arm.share == 1:
        return labels_alone(settings)

    def boxes(own: BootstrapSettings, samples: Samples) -> BoxSource:
        source = box_source(own, samples)
        return KeptBoxes(source, BOXES) if own.boxes == "sparc" and own.gamma_max > 0 else source

    summary = bootstrap(settings, f"benchmarks/few_masks.py --only {arm.name}", boxes)
    return settings.train.out / json.loads(summary.read_text())["model"]


def begin(arm: Arm, settings: BootstrapSettings) -> None:
    """Round 0 copied from the arm that begins alike, where that is at hand; else the arm trains it itself."""
    mine = settings.train.out / "round_0"
    if arm.begins_as is None or (mine / "model.safetensors").exists():
        return
    first = next(other for other in ARMS if other.name == arm.begins_as)
    if (RUNS / first.name / "round_1").exists():
        shutil.copytree(RUNS / first.name / "round_0", mine, dirs_exist_ok=True)


def labels_alone(settings: BootstrapSettings) -> Path:
    """All masks, in the same stages as the rounds."""
    data = replace(settings.train.data, labels=1.0)
    model = Path()
    for round in range(settings.rounds + 1):
        own = replace(settings.round(round), data=data)
        model = train_on(datasets(data, own), own)
    return model


def measure(arm: Arm, model: Path) -> dict[str, Any]:
    """Figures on the test pictures, and how true the pseudo labels were."""
    segmenter = ImageSegmenter.load(model, "cpu")
    test = open_dataset("refcoco", DATA, "test")
    figures = evaluate_images(predict_with(segmenter), test)
    families = {name: row["mIoU"] for name, row in figures["families"].items()}
    kept = {key: figures[key] for key in ("expressions", "mIoU", "oIoU", "Pr@0.5", "Pr@0.7")}
    looked = {"attention_inside": attention_inside(segmenter, test)} if isinstance(segmenter.model, Safari) else {}
    return {"arm": arm.describe(), **kept, **looked, "families": families, "pseudo": pseudo_truth(RUNS / arm.name)}


@torch.inference_mode()
def attention_of(segmenter: ImageSegmenter, sample: ImageSample) -> torch.Tensor:
    """(E, h, w): where the fused layers look for each sentence."""
    model = cast(Safari, segmenter.model)
    pixels, _ = segmenter.preprocessing.prepare(sample.image)
    return model.attention(model.encode_image(pixels[None], model.encode_text(sample.expressions)))


def attention_inside(segmenter: ImageSegmenter, samples: Samples) -> float:
    """Share of the attention of the fused layers that lies inside the true mask, the mean over all expressions."""
    shares = []
    for index in range(len(samples)):
        sample = samples[index]
        shares.append(attention_share(attention_of(segmenter, sample), torch.from_numpy(sample.masks).float()))
    return float(torch.cat(shares).mean())


def pseudo_truth(out: Path) -> list[dict[str, Any]]:
    """By round: how many labels were accepted and their mIoU with the truth, and the same of those turned down.

    Only this benchmark looks at the truth of unlabelled pictures, after the run.
    """
    if not (out / "ledger.jsonl").exists():
        return []
    train, ledger, rounds = open_dataset("refcoco", DATA, "train"), Ledger(out / "ledger.jsonl"), []
    for round in range(1, STEPS["safari"][3] + 1):
        found: dict[str, list[float]] = {"accepted": [], "rejected": []}
        sample, truth = None, {}
        for label in ledger.labels(round):
            if label.mask is None:
                continue
            if sample is None or sample.sample_id != label.sample_id:
                sample = train[label.index]
                truth = dict(zip(sample.expression_ids, sample.masks, strict=True))
            intersection, union = overlap(decode_rle(label.mask), truth[label.expression_id])
            found[label.verdict].append(intersection / union)
        if any(found.values()):
            rounds.append({k: {"count": len(v), "mIoU": float(np.mean(v)) if v else None} for k, v in found.items()})
    return rounds


def write_data() -> None:
    """The pictures, once."""
    if not (DATA / "refcoco" / "refs(unc).p").exists():
        write_refcoco(DATA, SPLITS, 0, (SIZE_PX, SIZE_PX), style=FEW_LARGE)


def made_with() -> dict[str, Any]:
    """What the figures of all arms depend on."""
    said = {"pictures": SPLITS, "size_px": SIZE_PX, "scenes": asdict(FEW_LARGE), "steps": STEPS, "common": list(COMMON)}
    experiments = {name: train_settings([f"experiment=synthetic_{name}_tiny"]).to_dict() for name in STEPS}
    kept = ("model", "optimiser", "preprocessing", "batch_images")
    models = {name: {key: settings[key] for key in kept} for name, settings in experiments.items()}
    return json.loads(json.dumps(said | {"experiments": models}))


def rows_of_before() -> dict[str, dict[str, Any]]:
    """The rows that few_masks.json has, if they were made with what is set now."""
    document = json.loads(OUT.read_text()) if OUT.exists() else {}
    same = all(document.get(key) == value for key, value in made_with().items())
    return {row["arm"]["name"]: row for row in document["arms"]} if same else {}


def report() -> None:
    """few_masks.json and few_masks.png of what is done."""
    found = rows_of_before()
    for arm in ARMS:
        if (path := RUNS / arm.name / "figures.json").exists():
            found[arm.name] = json.loads(path.read_text())
    rows = [found[arm.name] for arm in ARMS if arm.name in found]
    document = {
        "command": shlex.join(["python", "benchmarks/few_masks.py"]),
        "machine": describe_machine(),
        "commit": commit(),
        **made_with(),
        "missing": [arm.name for arm in ARMS if arm.name not in found],
        "arms": rows,
    }
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    draw(rows, OUT.with_suffix(".png"))
    print(table(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
            figures = RUNS / arm.name / "figures.json"
            wanted = arguments.only is None or arm.name in arguments.only
            if wanted and arm.name not in done and not figures.exists():
                print(arm.name, file=sys.stderr, flush=True)
                found = measure(arm, run(arm))
                figures.write_text(json.dumps(found, indent=1))
    report()


if __name__ == "__main__":
    main()
