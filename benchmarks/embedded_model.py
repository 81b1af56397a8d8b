"""The figures and the card of the embedded model, from nothing.

python benchmarks/embedded_model.py [--model NAME|FILE] [--training runs/FIRST runs/SECOND ...]

Evaluates the model on both synthetic test splits, each also with shuffled expressions (the text-blind control), by the
code of `rvos evaluate synthetic-images`; interrupted evaluations continue. Writes embedded_model.json beside this file
and the card beside the model. About 8 minutes on one core. --training adds runs that came after those which the JSON
already tells of: their hours and their curves, which go into docs/.
"""

from __future__ import annotations

import argparse
import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine
from rvos.evaluation.images import ImageEvaluation, run_image_evaluation
from rvos.evaluation.pictures import SyntheticPictures

from image_core.checkpoint import read_header
from image_core.segmenter import ImageSegmenter, find_model
from image_core.training.log import read_log
from image_core.weights import DEFAULT
from rvos.image_model import ImageModelHandle

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
SPLITS = ("test", "test_compositional")
FIGURES = ("mIoU", "oIoU", "Pr@0.5", "N-acc", "T-acc")


def evaluate(model: str) -> dict[str, dict[str, Any]]:
    """Split -> figures in all and by family; `<split>, shuffled` -> the control."""
    segmenter = ImageSegmenter.load(model, "cpu")
    digest = ImageModelHandle(model).sha256
    results = {}
    for split in SPLITS:
        for shuffled in (False, True):
            name = f"{split}, shuffled" if shuffled else split
            out = Path("runs/embedded") / digest[:12] / name.replace(", ", "_")
            results[name] = run_image_evaluation(
                ImageEvaluation(SyntheticPictures(split), None, shuffled), segmenter, digest, out
            )
            print(name, {key: results[name][key] for key in FIGURES}, flush=True)
    return results


def training_hours(folder: Path) -> float:
    """Hours by the log's own speeds, without the scoring."""
    lines = [line for line in read_log(folder / "log.jsonl") if line["kind"] == "train"]
    batch = json.loads((folder / "settings.json").read_text())["batch_images"]
    steps = [lines[0]["step"], *(b["step"] - a["step"] for a, b in pairwise(lines))]
    return sum(n * batch / line["images_per_s"] for n, line in zip(steps, lines, strict=True)) / 3600


def history(model: str, recorded: list[dict[str, Any]], runs: list[Path]) -> list[dict[str, Any]]:
    """[{runs, hours, curves}] of the whole training: what was recorded before, then `runs`; copies their curves."""
    if not runs:
        return recorded
    first = 1 + sum(len(part["curves"]) for part in recorded)
    pictures = [f"{model}_curves_{first + i}.png" for i in range(len(runs))]
    for run, picture in zip(runs, pictures, strict=True):
        shutil.copy(run / "curves.png", DOCS / picture)
    hours = round(sum(map(training_hours, runs)), 2)
    return [*recorded, {"runs": [run.name for run in runs], "hours": hours, "curves": pictures}]


def card(
    name: str, header: dict[str, Any], results: dict[str, dict[str, Any]], training: list[dict[str, Any]], date: str
) -> str:
    """The model card, Markdown; `training` is what `history` gives."""
    origin = header["provenance"]
    hours = f"{sum(part['hours'] for part in training):.1f} hours of training steps on two shared cores"
    lines = [
        f"# {name}",
        "",
        "S2RM + CASG (`image_core/models/s2rm.py`), from scratch on synthetic pictures: shapes, colours, fills, place.",
        "It has never seen a photograph. `benchmarks/embedded_model.py` wrote this card and recomputes every figure.",
        "",
        f"- Training: `{origin['command']}`, seed {origin['seed']}, {origin['steps']} steps,",
        f"  commit {origin['commit'][:12]}, {origin['date']}",
        f"- Data: `{origin['data']}` (`image_core/synthetic`), training split, never the same picture twice",
        f"- Time: {hours} (validation not counted)",
        f"- Evaluated: {date}; 1,000 pictures of 192 x 192 px a split, 4 expressions each, masks at that size; fp32",
        "",
        "| split | " + " | ".join(FIGURES) + " |",
        "|---|" + "---|" * len(FIGURES),
        *(row(split, figures) for split, figures in results.items()),
        "",
        "Shuffled is the text-blind control: every picture is asked the sentences of another one. mIoU, oIoU, Pr@0.5",
        "are over expressions that have a target, and a target judged absent counts as an empty mask; N-acc is the",
        "share of expressions without a target that are judged absent, T-acc the share of the others judged present.",
        "",
        "By family (mIoU; for `absent` N-acc):",
        "",
        "| family | " + " | ".join(SPLITS) + " |",
        "|---|" + "---|" * len(SPLITS),
    ]
    for family in sorted(results[SPLITS[0]]["families"]):
        figure = "N-acc" if family == "absent" else "mIoU"
        values = [results[split]["families"][family][figure] for split in SPLITS]
        lines.append(f"| {family} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    curves = [picture for part in training for picture in part["curves"]]
    for i, picture in enumerate(curves, 1):
        lines += ["", f"![Run {i}: losses and validation figures over the steps](../../docs/{picture})"]
    return "\n".join([*lines, ""])


def row(name: str, figures: dict[str, Any]) -> str:
    """One line of the table."""
    return f"| {name} | " + " | ".join(f"{figures[key]:.3f}" for key in FIGURES) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--training", type=Path, nargs="*", default=[], help="further runs, for their time and curves")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = find_model(arguments.model)
    results = evaluate(arguments.model)
    machine = describe_machine()
    written = HERE / "embedded_model.json"
    training = history(path.stem, json.loads(written.read_text())["training"], arguments.training)
    document = {
        "command": f"python benchmarks/embedded_model.py --model {path.stem}",
        "machine": machine,
        "provenance": {k: v for k, v in read_header(path)["provenance"].items() if k != "words"},
        "training": training,
        "results": results,
    }
    written.write_text(json.dumps(document, indent=1) + "\n")
    text = card(path.stem, read_header(path), results, training, str(machine["date"]))
    path.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
