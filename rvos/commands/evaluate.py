"""`rvos evaluate`: run a model over a dataset and score it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError, UnknownNameError
from rvos.commands import options

DATASETS = ("synthetic_images",)


def evaluate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="synthetic-images.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where metrics.json and predictions go.")],
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="val, test or test_compositional.")] = "test",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Only the first N pictures.")] = None,
    shuffle_expressions: Annotated[
        bool, typer.Option("--shuffle-expressions", help="The text-blind control: each picture gets another's words.")
    ] = False,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Run a model over a dataset and score it; the same command continues a run that was interrupted."""
    options.be_quiet(quiet)
    if dataset.replace("-", "_") not in DATASETS:
        raise UnknownNameError("dataset", dataset, [name.replace("_", "-") for name in DATASETS])
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: came {limit}, wanted 1 or more")
    from rvos.commands.running import bar
    from rvos.image_evaluation import ImageEvaluation, run_image_evaluation

    evaluation = ImageEvaluation(split.replace("-", "_"), limit, shuffle_expressions)
    evaluation.samples()
    system = options.system_of(model, "none", "none", device, precision, None)
    digest = system.model_sha256
    segmenter = system.segmenter.image
    with bar(f"{dataset} {split}", quiet, unit="images") as progress:
        document = run_image_evaluation(evaluation, segmenter, digest, out, overwrite=overwrite, progress=progress)
    if as_json:
        print(json.dumps(document))
        return
    for name in ("mIoU", "oIoU", "Pr@0.5", "gIoU", "N-acc", "T-acc"):
        if document[name] is not None:
            print(f"{name}: {document[name]:.4f}")
    print(f"metrics: {out / 'metrics.json'}")
    print(f"predictions: {out / 'predictions.png'}")
