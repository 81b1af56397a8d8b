"""`rvos evaluate`: run a model over a dataset and score it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_core.errors import ConfigError
from rvos.commands import options

if TYPE_CHECKING:
    from rvos.segmenter import VideoSegmenter

IMAGES = "synthetic_images"
VIDEOS = "ref-youtube-vos, ref-davis17, mevis, mevis-v1, a2d-sentences, jhmdb-sentences, long-rvos, revos"
PICTURES = "refcoco, refcoco+, refcocog, refclef, grefcoco"


def evaluate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"{VIDEOS}, {PICTURES}, or synthetic-images.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where predictions, metrics and report go.")],
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The dataset's folder; synthetic-images need none.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="By default the one that papers report.")
    ] = None,
    split_by: options.SplitBy = None,
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
        typer.Option("--shuffle-expressions", help="Text-blind control on pictures: another picture's words."),
    ] = False,
    seqtr_crowd_iou: Annotated[
        bool, typer.Option("--seqtr-crowd-iou", help="Also SeqTR's lenient IoU where a truth has several polygons.")
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
    """Run a model over a dataset and score it; the same command continues a run that was interrupted."""
    options.be_quiet(quiet)
    from image_core.data.table import SPLITS_BY, is_picture_dataset

    options.check_dataset(dataset, [IMAGES, *SPLITS_BY])
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: came {limit}, wanted 1 or more")
    if dataset.replace("-", "_") == IMAGES or is_picture_dataset(dataset):
        _refuse(dataset, "videos", {"--shard": shard != "1/1", "--baseline": baseline})
        segmenter = options.segmenter_of(options.config_of(model, None, None, device, precision, None))
        where = (dataset, root, split, split_by)
        document = _images(where, (limit, shuffle_expressions, seqtr_crowd_iou), segmenter, out, overwrite, quiet)
        shown = ("mIoU", "oIoU", "Pr@0.5", "gIoU", "cIoU", "N-acc", "T-acc")
        outputs = {"metrics": "metrics.json", "predictions": "predictions.png"}
    else:
        given = {"--split-by": bool(split_by), "--shuffle-expressions": shuffle_expressions}
        _refuse(dataset, "pictures", given | {"--seqtr-crowd-iou": seqtr_crowd_iou})
        segmenter = options.segmenter_of(options.config_of(model, propagation, tracker, device, precision, settings))
        part, count = options.shard_of(shard), options.workers_of(workers)
        document = _videos(dataset, root, split, (limit, part, baseline, count), segmenter, out, overwrite, quiet)
        shown = ("J&F", "J", "F", "P@0.5", "oIoU", "mIoU", "mAP", "N-acc", "T-acc")
        outputs = {"metrics": "metrics.json", "predictions": "predictions", "report": "report.html"}
    if as_json:
        print(json.dumps(document))
        return
    _tell(document, shown, out, outputs)


def _refuse(dataset: str, kind: str, given: dict[str, bool]) -> None:
    """Raise `ConfigError` for options that only datasets of another kind have."""
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise ConfigError(f"{', '.join(names)}: only for datasets of {kind}, came {dataset}: leave it out")


def _images(
    where: tuple[str, Path | None, str | None, str | None],
    asked: tuple[int | None, bool, bool],
    segmenter: VideoSegmenter,
    out: Path,
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """where: dataset, root, split, split_by; asked: the fields of `ImageEvaluation` after its pictures."""
    from rvos.commands.running import bar
    from rvos.evaluation.images import ImageEvaluation, run_image_evaluation
    from rvos.evaluation.pictures import ReferringPictures, SyntheticPictures

    name, root, split, split_by = where
    if name.replace("-", "_") == IMAGES:
        pictures = SyntheticPictures((split or "test").replace("-", "_"))
    else:
        pictures = ReferringPictures(name, options.root_of(root, name), split, split_by)
    evaluation = ImageEvaluation(pictures, *asked)
    model = segmenter.system.model
    digest, image = model.sha256, model.loaded
    with bar(f"{pictures.name} {pictures.settings['split']}", quiet, unit="images") as progress:
        return run_image_evaluation(evaluation, image, digest, out, overwrite=overwrite, progress=progress)


def _videos(
    name: str,
    root: Path | None,
    split: str | None,
    asked: tuple[int | None, tuple[int, int], bool, int],
    segmenter: VideoSegmenter,
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
    return run_evaluation(evaluation, segmenter, out, partial(bar, quiet=quiet, unit="videos"), overwrite)


def _tell(document: dict[str, Any], names: tuple[str, ...], out: Path, outputs: dict[str, str]) -> None:
    if "protocol" in document:
        print(f"protocol: {document['protocol']}{'' if document.get('verified', True) else ' (not verified)'}")
    for name in names:
        if document.get(name) is not None:
            print(f"{name}: {document[name]:.4f}")
    if "images" in document:
        _tell_protocols(document.get("protocols", {}), (*names, "Pr@0.7"))
    found = document.get("baseline", {}).get("gain")
    if found and found["mean"] is not None:
        interval = f"[{found['low']:+.4f}, {found['high']:+.4f}]"
        print(f"{found['of']} gained over frame by frame: {found['mean']:+.4f} {interval}")
    if document.get("failures"):
        print(f"failures: {len(document['failures'])}, listed in metrics.json")
    for name, file in outputs.items():
        if (out / file).exists():
            print(f"{name}: {out / file}")


def _tell_protocols(protocols: dict[str, dict[str, Any]], names: tuple[str, ...]) -> None:
    """A line a published protocol of pictures, beside the native figures."""
    for name, figures in protocols.items():
        told = [f"{key} {figures[key]:.4f}" for key in names if figures.get(key) is not None]
        print(f"{name}{'' if figures['verified'] else ' (not verified)'}: {', '.join(told)}")
