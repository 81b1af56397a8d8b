"""`rvos score`: score masks against a dataset or against other masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.datasets import VIDEO_FIGURES, join_names, log_failures, log_first
from rvos.data import DATASETS, open_dataset


def score(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"{join_names([*DATASETS, 'masks'])}.")],
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[TRUTH PREDICTIONS]", help="With `masks`: two folders of <sequence>/<frame>.png."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The JSON file for the figures.")],
    root: Annotated[Path | None, typer.Option("--root", metavar="DIR", help="The folder of the dataset.")] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="DIR", help="The folder of predicted masks, in the dataset's layout."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Split to use. Default: the one that papers report.")
    ] = None,
    uint8_bins: Annotated[
        bool,
        typer.Option(
            "--uint8-bins",
            help="With `masks`: reproduce the integer overflow of the reference in sequences of 256 frames or more.",
        ),
    ] = False,
    workers: options.Workers = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Score masks against a dataset or against other masks. It does not matter what made them."""
    options.set_quiet(quiet)
    options.check_dataset(dataset, ["masks"])
    count = options.worker_count(workers)
    _check_out(out)
    if dataset == "masks":
        document = _score_masks(folders or [], out, uint8_bins, count, quiet)
    else:
        if folders:
            raise ConfigError(f"score {dataset}: expected --root DIR --predictions DIR, got '{folders[0]}'")
        document = _score_dataset(dataset, root, predictions, split, count, quiet)
    from image_core.files import write_json

    write_json(out, document)
    if as_json:
        print(json.dumps(document))
        return
    _print_figures(document, out)


def _check_out(out: Path) -> None:
    """Check that the figures can be written, before they are computed."""
    from image_core.files import make_folder, output_errors

    if out.is_dir():
        raise ConfigError(f"--out: expected a file, for example {out}/metrics.json, got the folder '{out}'")
    if out.exists() and not _is_figures(out):
        raise ConfigError(
            f"--out: expected a new file or figures of rvos score, got another file, {out}: choose another name"
        )
    make_folder(out.parent)
    is_new = not out.exists()
    with output_errors(out):
        out.open("ab").close()
        if is_new:  # no empty file remains if scoring fails
            out.unlink()


def _is_figures(path: Path) -> bool:
    """Whether a file was written by this command, or is empty. Any other file is not overwritten."""
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if text else {"failures": []}
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "failures" in document


def _score_masks(folders: list[Path], out: Path, uint8_bins: bool, workers: int, quiet: bool) -> dict[str, Any]:
    if len(folders) != 2:
        raise ConfigError(f"score masks: expected two folders, got {len(folders)}: rvos score masks TRUTH PREDICTIONS")
    from rvos.commands.progress_bar import bar
    from rvos.evaluation.masks import score_folders

    with bar("scoring", quiet, unit="sequences") as progress:
        return score_folders(folders[0], folders[1], workers, uint8_bins, progress)


def _score_dataset(
    dataset: str, root: Path | None, predictions: Path | None, split: str | None, workers: int, quiet: bool
) -> dict[str, Any]:
    from rvos.commands.progress_bar import bar
    from rvos.evaluation.protocols import check_predictions, score_dataset

    opened = open_dataset(dataset, options.check_root(root, dataset), split)
    if predictions is None:
        raise ConfigError(f"score {dataset}: expected --predictions, the folder of the predicted masks, got none")
    check_predictions(opened, predictions)
    with bar(f"scoring {opened.name} {opened.split}", quiet, unit="videos") as progress:
        return score_dataset(opened, predictions, workers, progress).figures


def _print_figures(document: dict[str, Any], out: Path) -> None:
    blocks = document.get("protocols") or {"": document}
    for block in blocks.values():
        print(f"protocol: {block['protocol']}{'' if block['verified'] else ' (not verified)'}")
        for name in VIDEO_FIGURES:
            if block.get(name) is not None:
                print(f"{name}: {block[name]:.4f}")
    for name in ("missing", "misnamed", "failures"):
        if document[name]:
            print(f"{name}: {len(document[name])}")
    log_first(document["misnamed"])
    log_failures(document["failures"])
    print(f"metrics: {out}")
