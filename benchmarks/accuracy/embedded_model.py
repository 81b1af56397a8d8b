"""Measures the embedded model and writes its card.

python -m benchmarks.accuracy.embedded_model [--model NAME|FILE] [--training runs/FIRST runs/SECOND ...]

Evaluates the model on both synthetic test splits, each also with shuffled expressions (the text-blind control), by the
code of `rvos evaluate synthetic-images`; interrupted evaluations continue. About 8 minutes on one core. --training adds
runs that came after those in the result: their hours and their curves, which are copied to docs/.

The result is embedded_model.json, beside this file, and the card beside the model.
"""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.accuracy.presence_figures import presence_figures
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import REPOSITORY, describe_machine
from benchmarks.harness.processes import one_thread
from image_core.evaluation.images import SyntheticImageSet
from image_core.evaluation.run import ImageEvaluation, run_image_evaluation
from image_core.mask_model import describe
from image_core.model_file import read_header
from image_core.segmenter import ImageSegmenter
from image_core.training.log import read_log
from image_core.weights import find_model
from rvos.export.prediction_sheet import PredictionSheet

BENCHMARK = Benchmark(__file__, __doc__)
DOCS = REPOSITORY / "docs"
SPLITS = ("test", "test_compositional")
FIGURES = ("mIoU", "oIoU", "Pr@0.5", "N-acc", "T-acc")
SIDE_BY_SIDE = (
    "- The cells of the feature map exchange information by `update: side_by_side`. It is ours, and replaces the",
    "  recurrence of the paper; if it covers every row, it is attention over the whole map",
)
"""Lines of the card for a model that differs from the paper."""


def evaluate(model: str) -> dict[str, dict[str, Any]]:
    """Split -> figures over all expressions and by family; `<split>, shuffled` -> those of the control."""
    segmenter = ImageSegmenter.load(model, "cpu")
    identity = describe(segmenter)
    results = {}
    for split in SPLITS:
        for shuffled in (False, True):
            name = f"{split}, shuffled" if shuffled else split
            out = Path("runs/embedded") / identity.revision[:12] / name.replace(", ", "_")
            results[name] = run_image_evaluation(
                ImageEvaluation(SyntheticImageSet(split), shuffle_expressions=shuffled),
                segmenter,
                {"model": identity.document()},
                out,
                PredictionSheet(),
            )
            if not shuffled:
                results[name]["presence"] = presence_figures(split, out / "predictions.jsonl")
            print(name, {key: results[name][key] for key in FIGURES}, flush=True)
    return results


def training_hours(folder: Path) -> float:
    """Hours of training by the speeds in the log, without validation."""
    lines = [line for line in read_log(folder / "log.jsonl") if line["kind"] == "train"]
    batch = json.loads((folder / "settings.json").read_text())["settings"]["batch_images"]
    steps = [lines[0]["step"], *(b["step"] - a["step"] for a, b in pairwise(lines))]
    return sum(n * batch / line["images_per_s"] for n, line in zip(steps, lines, strict=True)) / 3600


def history(model: str, recorded: list[dict[str, Any]], runs: list[Path]) -> list[dict[str, Any]]:
    """[{runs, hours, curves}] of the whole training: earlier records, then `runs`, whose curves are copied to docs/."""
    if not runs:
        return recorded
    first = 1 + sum(len(part["curves"]) for part in recorded)
    curves = [f"{model}_curves_{first + i}.png" for i in range(len(runs))]
    for run, name in zip(runs, curves, strict=True):
        shutil.copy(run / "curves.png", DOCS / name)
    hours = round(sum(map(training_hours, runs)), 2)
    return [*recorded, {"runs": [run.name for run in runs], "hours": hours, "curves": curves}]


def card(
    name: str, header: dict[str, Any], results: dict[str, dict[str, Any]], training: list[dict[str, Any]], date: str
) -> str:
    """The model card as Markdown. training: as returned by `history`."""
    origin = header["provenance"]
    hours = f"{sum(part['hours'] for part in training):.1f} hours of training steps on two shared cores"
    side_by_side = header["model"]["config"].get("update") == "side_by_side"
    lines = [
        f"# {name}",
        "",
        "S2RM + CASG (`image_core/models/s2rm.py`), trained from scratch on synthetic images: shapes, colours, fills,",
        "places. It has never seen a photograph. `python -m benchmarks.accuracy.embedded_model` writes this card and",
        "recomputes every figure.",
        "",
        *(SIDE_BY_SIDE if side_by_side else ()),
        f"- Training: `{origin['command']}`, seed {origin['seed']}, {origin['steps']} steps,",
        f"  commit {origin['commit'][:12]}, {origin['date']}",
        f"- Data: {origin['data']} (`image_core/synthetic`), training split, never the same image twice;",
        "  earlier runs of the command used the generator of their time",
        f"- Time: {hours} (validation not counted)",
        f"- Evaluated: {date}; 1,000 images of 192 x 192 px per split, 4 expressions each, masks at that size; fp32",
        "",
        "| split | " + " | ".join(FIGURES) + " |",
        "|---|" + "---|" * len(FIGURES),
        *(row(split, figures) for split, figures in results.items()),
        "",
        "*Shuffled* is a control, in which every image gets the expressions of another image. mIoU, oIoU and Pr@0.5",
        "are over expressions with a target; if the model judges it absent, its mask counts as empty. N-acc is the",
        "share of expressions without a target that are judged absent, T-acc the share of the others that are judged",
        "present.",
        "",
        "By family of expressions (mIoU; for `absent` N-acc):",
        "",
        "| family | " + " | ".join(SPLITS) + " |",
        "|---|" + "---|" * len(SPLITS),
    ]
    for family in sorted(results[SPLITS[0]]["families"]):
        figure = "N-acc" if family == "absent" else "mIoU"
        values = [results[split]["families"][family][figure] for split in SPLITS]
        lines.append(f"| {family} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    lines += ["", *presence_lines(header, results)]
    curves = [name for part in training for name in part["curves"]]
    for i, name in enumerate(curves, 1):
        lines += ["", f"![Run {i}: losses and validation figures over the steps](../../docs/{name})"]
    return "\n".join([*lines, ""])


def presence_lines(header: dict[str, Any], results: dict[str, dict[str, Any]]) -> list[str]:
    """The section on presence, as Markdown."""
    odds = header["provenance"]["scores"].get("presence_odds")
    lines = [
        "Presence: AUC, and N-acc at the threshold that keeps 95 % of the expressions with a target. This threshold is",
        "taken from the split itself, so that models can be compared. The model's own threshold, 0.5, was chosen on",
        "the validation split.",
        "",
        "| split | AUC | N-acc at T-acc 0.95 | N-acc of unseen pairs | N-acc of held-out phrasings |",
        "|---|---|---|---|---|",
    ]
    for split in SPLITS:
        presence = results[split]["presence"]
        n_acc_of = [presence["N-acc_of"].get(name) for name in ("unseen pairs", "held-out phrasings")]
        values = [presence["AUC"], presence["N-acc_at_T-acc_0.95"], *n_acc_of]
        lines.append(f"| {split} | " + " | ".join("" if v is None else f"{v:.3f}" for v in values) + " |")
    lines += ["", "*Unseen pairs* of shape and colour, and *held-out phrasings*, do not occur in training."]
    if odds is not None:
        lines += ["", f"Presence is the probability of a target if there are {odds:.1f} targets to one absence."]
    return lines


def row(name: str, figures: dict[str, Any]) -> str:
    """One line of the table."""
    return f"| {name} | " + " | ".join(f"{figures[key]:.3f}" for key in FIGURES) + " |"


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--model", default="s2rm_tiny")
    parser.add_argument("--training", type=Path, nargs="*", default=[], help="further runs, for their time and curves")
    parser.add_argument("--card", type=Path, help="the Markdown; by default beside the model")
    arguments = parser.parse_args()
    one_thread()
    path = find_model(arguments.model)
    results = evaluate(arguments.model)
    recorded = json.loads(BENCHMARK.result.read_text())["training"]
    training = history(path.stem, recorded, arguments.training)
    figures = {
        "provenance": {k: v for k, v in read_header(path)["provenance"].items() if k != "words"},
        "training": training,
        "results": results,
    }
    BENCHMARK.write(arguments.out, figures)
    text = card(path.stem, read_header(path), results, training, describe_machine()["date"])
    (arguments.card or path.with_suffix(".md")).write_text(text)
    print(text)


if __name__ == "__main__":
    BENCHMARK.start(main)
