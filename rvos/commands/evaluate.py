"""`rvos evaluate`: run a model over a dataset and score it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.defaults import PROPAGATION, TRACKER

if TYPE_CHECKING:
    from rvos.system import System

IMAGES = "synthetic_images"
VIDEOS = "ref-youtube-vos, ref-davis17, mevis, mevis-v1, a2d-sentences, jhmdb-sentences, long-rvos, revos"


def evaluate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"{VIDEOS}, or synthetic-images.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where predictions, metrics and report go.")],
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The dataset's folder; synthetic-images need none.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="By default the one that papers report.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Only the first N videos or pictures.")
    ] = None,
    shard: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="Only every N-th video from the I-th on, into the same DIR.")
    ] = "1/1",
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Also frame by frame, and what time adds to that.")
    ] = False,
    shuffle_expressions: Annotated[
        bool,
        typer.Option("--shuffle-expressions", help="Text-blind control on synthetic-images: another picture's words."),
    ] = False,
    model: options.Model = options.DEFAULT_MODEL,
    propagation: options.Propagation = PROPAGATION,
    tracker: options.Tracker = TRACKER,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    settings: options.Set = None,
    workers: options.Workers = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Run a model over a dataset and score it; the same command continues a run that was interrupted."""
    options.be_quiet(quiet)
    options.check_dataset(dataset, [IMAGES])
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: came {limit}, wanted 1 or more")
    if dataset.replace("-", "_") == IMAGES:
        system = options.system_of(model, "none", "none", device, precision, None)
        document = _images(split or "test", limit, shuffle_expressions, system, out, overwrite, quiet)
        shown = ("mIoU", "oIoU", "Pr@0.5", "gIoU", "N-acc", "T-acc")
        outputs = {"metrics": "metrics.json", "predictions": "predictions.png"}
    else:
        system = options.system_of(model, propagation, tracker, device, precision, settings)
        part, count = options.shard_of(shard), options.workers_of(workers)
        document = _videos(dataset, root, split, (limit, part, baseline, count), system, out, overwrite, quiet)
        shown = ("J&F", "J", "F", "P@0.5", "oIoU", "mIoU", "mAP", "N-acc", "T-acc")
        outputs = {"metrics": "metrics.json", "predictions": "predictions", "report": "report.html"}
    if as_json:
        print(json.dumps(document))
        return
    _tell(document, shown, out, outputs)


def _images(
    split: str, limit: int | None, shuffle: bool, system: System, out: Path, overwrite: bool, quiet: bool
) -> dict[str, Any]:
    from rvos.commands.running import bar
    from rvos.evaluation.images import ImageEvaluation, run_image_evaluation

    evaluation = ImageEvaluation(split.replace("-", "_"), limit, shuffle)
    evaluation.samples()
    digest, segmenter = system.model_sha256, system.segmenter.image
    with bar(f"synthetic-images {split}", quiet, unit="images") as progress:
        return run_image_evaluation(evaluation, segmenter, digest, out, overwrite=overwrite, progress=progress)


def _videos(
    name: str,
    root: Path | None,
    split: str | None,
    asked: tuple[int | None, tuple[int, int], bool, int],
    system: System,
    out: Path,
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """asked: the fields of `Evaluation` after its dataset."""
    from functools import partial

    from rvos.commands.running import bar
    from rvos.data import open_dataset
    from rvos.evaluation.run import Evaluation, run_evaluation

    evaluation = Evaluation(open_dataset(name, options.root_of(root, name), split), *asked)
    return run_evaluation(evaluation, system, out, partial(bar, quiet=quiet, unit="videos"), overwrite)


def _tell(document: dict[str, Any], names: tuple[str, ...], out: Path, outputs: dict[str, str]) -> None:
    if "protocol" in document:
        print(f"protocol: {document['protocol']}{'' if document.get('verified', True) else ' (not verified)'}")
    for name in names:
        if document.get(name) is not None:
            print(f"{name}: {document[name]:.4f}")
    found = document.get("baseline", {}).get("gain")
    if found and found["mean"] is not None:
        interval = f"[{found['low']:+.4f}, {found['high']:+.4f}]"
        print(f"{found['of']} gained over frame by frame: {found['mean']:+.4f} {interval}")
    if document.get("failures"):
        print(f"failures: {len(document['failures'])}, listed in metrics.json")
    for name, file in outputs.items():
        if (out / file).exists():
            print(f"{name}: {out / file}")
