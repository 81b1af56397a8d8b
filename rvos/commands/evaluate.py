"""`rvos evaluate`: run a model over a dataset and score it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_core.data.table import SPLITS_BY, canonical_name
from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.datasets import EVALUATED, SYNTHETIC, VIDEO_FIGURES, join_names, log_failures
from rvos.data import DATASETS, open_dataset

if TYPE_CHECKING:
    from image_core.evaluation.images import ImageSet
    from image_core.evaluation.run import ImageEvaluation
    from rvos.evaluation.run import Evaluation
    from rvos.segmenter import VideoSegmenter

_VIDEO_OUTPUTS = {"metrics": "metrics.json", "predictions": "predictions", "report": "report.html"}
_IMAGE_FIGURES = ("mIoU", "oIoU", "Pr@0.5", "gIoU", "cIoU", "N-acc", "T-acc")
_IMAGE_OUTPUTS = {"metrics": "metrics.json", "predictions": "predictions.png"}


def evaluate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"{join_names(EVALUATED)}.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for predictions, metrics and report.")],
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The folder of the dataset. Not for synthetic-images.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Split to use. Default: the one that papers report.")
    ] = None,
    split_by: options.SplitBy = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Use only the first N videos or images.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Process only every N-th video, starting with the I-th. Shards share one DIR. Videos only.",
        ),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Also run the image model on every frame by itself, and report the gain over that. Videos only.",
        ),
    ] = False,
    shuffle_expressions: Annotated[
        bool,
        typer.Option(
            "--shuffle-expressions",
            help="Control experiment: ask each image for the expressions of another image. Images only.",
        ),
    ] = False,
    seqtr_crowd_iou: Annotated[
        bool,
        typer.Option(
            "--seqtr-crowd-iou",
            help="Also report SeqTR's lenient IoU for masks of several polygons. RefCOCO family only.",
        ),
    ] = False,
    model: options.Model = None,
    propagation: options.Propagation = None,
    tracker: options.Tracker = None,
    device: options.Device = None,
    precision: options.Precision = None,
    settings: options.Set = None,
    workers: options.Workers = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Run a model on a dataset and score it. Run the same command again to continue an interrupted run."""
    options.set_quiet(quiet)
    options.check_dataset(dataset, [SYNTHETIC, *SPLITS_BY])
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: expected 1 or more, got {limit}")
    if canonical_name(dataset) in DATASETS:
        given = {"--split-by": bool(split_by), "--shuffle-expressions": shuffle_expressions}
        _reject_options(dataset, "images", given | {"--seqtr-crowd-iou": seqtr_crowd_iou})
        config = options.build_config(model, propagation, tracker, device, precision, settings)
        part, count = options.parse_shard(shard or "1/1"), options.worker_count(workers)
        opened = open_dataset(dataset, options.check_root(root, dataset), split)
        from rvos.evaluation.run import Evaluation  # imports torch, so after all checks of names; also below

        segmenter = options.build_segmenter(config, quiet)
        evaluation = Evaluation(opened, limit=limit, shard=part, baseline=baseline, workers=count)
        document = _evaluate_videos(evaluation, segmenter, out, overwrite, quiet)
        shown, outputs = VIDEO_FIGURES, _VIDEO_OUTPUTS
    else:
        given = {"--shard": shard, "--propagation": propagation, "--tracker": tracker, "--set": settings}
        _reject_options(dataset, "videos", {"--baseline": baseline} | _given_options(given | {"--workers": workers}))
        config = options.build_config(model, None, None, device, precision, None)
        pictures = _image_set(dataset, root, split, split_by)
        from image_core.evaluation.run import ImageEvaluation

        segmenter = options.build_segmenter(config, quiet)
        evaluation = ImageEvaluation(
            pictures,
            limit=limit,
            shuffle_expressions=shuffle_expressions,
            seqtr_crowd_iou=seqtr_crowd_iou,
        )
        document = _evaluate_images(evaluation, segmenter, out, overwrite, quiet)
        shown, outputs = _IMAGE_FIGURES, _IMAGE_OUTPUTS
    if as_json:
        print(json.dumps(document))
        return
    _print_metrics(document, shown, out, outputs)


def _given_options(given: Mapping[str, object]) -> dict[str, bool]:
    """Option -> whether it was given, for options whose value is otherwise None or []."""
    return {name: value not in (None, []) for name, value in given.items()}


def _reject_options(dataset: str, kind: str, given: dict[str, bool]) -> None:
    """Raise `ConfigError` if options were given that are only for datasets of another kind."""
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise ConfigError(f"{', '.join(names)}: only for datasets of {kind}, not for {dataset}: leave it out")


def _image_set(dataset: str, root: Path | None, split: str | None, split_by: str | None) -> ImageSet:
    from image_core.evaluation.images import ReferringImageSet, SyntheticImageSet

    if canonical_name(dataset) == SYNTHETIC:
        _reject_options(dataset, "files on disk", _given_options({"--root": root, "--split-by": split_by}))
        return SyntheticImageSet((split or "test").replace("-", "_"))
    return ReferringImageSet(dataset, options.check_root(root, dataset), split, split_by)


def _evaluate_images(
    evaluation: ImageEvaluation, segmenter: VideoSegmenter, out: Path, overwrite: bool, quiet: bool
) -> dict[str, Any]:
    from image_core.evaluation.run import run_image_evaluation
    from rvos.commands.progress_bar import bar
    from rvos.export.prediction_sheet import PredictionSheet

    model, pictures = segmenter.system.model, evaluation.images
    recorded = {"model": model.document(), "precision": model.precision}
    with bar(f"{pictures.name} {pictures.settings['split']}", quiet, unit="images") as progress:
        return run_image_evaluation(
            evaluation, model.loaded, recorded, out, PredictionSheet(), overwrite=overwrite, progress=progress
        )


def _evaluate_videos(
    evaluation: Evaluation, segmenter: VideoSegmenter, out: Path, overwrite: bool, quiet: bool
) -> dict[str, Any]:
    from functools import partial

    from rvos.commands.progress_bar import bar
    from rvos.evaluation.run import run_evaluation

    return run_evaluation(evaluation, segmenter, out, partial(bar, quiet=quiet, unit="videos"), overwrite)


def _print_metrics(document: dict[str, Any], names: tuple[str, ...], out: Path, outputs: dict[str, str]) -> None:
    if "protocol" in document:
        print(f"protocol: {document['protocol']}{'' if document.get('verified', True) else ' (not verified)'}")
    for name in names:
        if document.get(name) is not None:
            print(f"{name}: {document[name]:.4f}")
    if "images" in document:
        _print_protocols(document.get("protocols", {}), (*names, "Pr@0.7"))
    gain = document.get("baseline", {}).get("gain")
    if gain and gain["mean"] is not None:
        interval = f"[{gain['low']:+.4f}, {gain['high']:+.4f}]"
        print(f"{gain['of']} gain over frame by frame: {gain['mean']:+.4f} {interval}")
    if document.get("failures"):
        print(f"failures: {len(document['failures'])}, listed in metrics.json")
        log_failures(document["failures"])
    for name, file in outputs.items():
        if (out / file).exists():
            print(f"{name}: {out / file}")


def _print_protocols(protocols: dict[str, dict[str, Any]], names: tuple[str, ...]) -> None:
    """Print one line per published protocol of an image dataset."""
    for name, figures in protocols.items():
        values = [f"{key} {figures[key]:.4f}" for key in names if figures.get(key) is not None]
        print(f"{name}{'' if figures['verified'] else ' (not verified)'}: {', '.join(values)}")
