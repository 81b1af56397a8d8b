"""`rvos data check`: check a dataset on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.data.table import SPLITS_BY, canonical_name, is_image_dataset
from image_core.errors import ConfigError, DataError
from image_core.progress import Progress
from rvos.commands import options
from rvos.commands.datasets import join_names
from rvos.commands.progress_bar import bar
from rvos.data import DATASETS, open_dataset

if TYPE_CHECKING:
    from image_core.data.check import ImageDatasetReport
    from rvos.data.check import Inventory

data = typer.Typer(help="Check a dataset on disk.", rich_markup_mode=None)


@data.callback()
def _group() -> None:
    """Check a dataset on disk."""


@data.command()
def check(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"{join_names([*DATASETS, *SPLITS_BY])}.")],
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="The folder of the dataset, with the layout of its download.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="NAME",
            help="Split to check. Default: the one that has ground truth; of image datasets all.",
        ),
    ] = None,
    split_by: options.SplitBy = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Check a dataset on disk: report what is there, what is missing and what to do. Exit code 2 if not ready."""
    options.check_dataset(dataset, list(SPLITS_BY))
    take_inventory, layout_tree = (
        (_image_inventory, _image_tree) if is_image_dataset(dataset) else (_video_inventory, _video_tree)
    )
    try:
        with bar(f"{dataset}", quiet) as progress:
            inventory = take_inventory(dataset, root, split, split_by, progress)
    except DataError:
        if not as_json:
            print(layout_tree(dataset))
        raise
    if as_json:
        print(json.dumps(inventory.document(), ensure_ascii=False))
    else:
        print("\n".join(inventory.lines()))
    if inventory.to_do is not None:
        raise DataError(f"not ready: {inventory.to_do}")
    if not as_json:
        print(inventory.verdict)


def _image_inventory(
    name: str, root: Path, split: str | None, split_by: str | None, progress: Progress
) -> ImageDatasetReport:
    from image_core.data.check import check_images

    return check_images(canonical_name(name), root, split, split_by, progress)


def _image_tree(name: str) -> str:
    from image_core.data.table import layout_of

    return layout_of(canonical_name(name)).tree


def _video_inventory(name: str, root: Path, split: str | None, split_by: str | None, progress: Progress) -> Inventory:
    from rvos.data.check import check_dataset
    from rvos.data.frame_size import frame_size

    if split_by is not None:
        raise ConfigError(f"--split-by: {name} has one set of splits, got '{split_by}': leave it out")
    return check_dataset(open_dataset(name, root, split), frame_size, progress)


def _video_tree(name: str) -> str:
    return DATASETS.find(name).tree()
