"""`rvos data check`: what of a dataset is there, what is missing, what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.errors import ConfigError, DataError
from rvos.commands import options

if TYPE_CHECKING:
    from image_core.data.check import PictureInventory
    from rvos.data.check import Inventory

data = typer.Typer(help="Look at a dataset on disk.", rich_markup_mode=None)


@data.callback()
def _group() -> None:
    """Look at a dataset on disk."""


@data.command()
def check(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="As `rvos evaluate` takes it: ref-youtube-vos, refcoco, ...")
    ],
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="The dataset, as its download lies on disk.")],
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="By default the one that has truth; of picture datasets all."),
    ] = None,
    split_by: options.SplitBy = None,
    as_json: options.Json = False,
) -> None:
    """Tell what of a dataset is there, what is missing and what to do; ends with "ready", or with exit code 2."""
    from image_core.data.table import SPLITS_BY, is_picture_dataset

    options.check_dataset(dataset, list(SPLITS_BY))
    look, layout = (_pictures, _picture_layout) if is_picture_dataset(dataset) else (_videos, _video_layout)
    try:
        found = look(dataset, root, split, split_by)
    except DataError:
        if not as_json:
            print(layout(dataset))
        raise
    if as_json:
        print(json.dumps(found.document(), ensure_ascii=False))
    else:
        print("\n".join(found.lines()))
    if found.to_do is not None:
        raise DataError(f"not ready: {found.to_do}")
    if not as_json:
        print(found.verdict)


def _pictures(name: str, root: Path, split: str | None, split_by: str | None) -> PictureInventory:
    from image_core.data.check import check_pictures
    from image_core.data.table import canonical_name

    return check_pictures(canonical_name(name), root, split, split_by)


def _picture_layout(name: str) -> str:
    from image_core.data.table import canonical_name, layout_of

    return layout_of(canonical_name(name))


def _videos(name: str, root: Path, split: str | None, split_by: str | None) -> Inventory:
    from rvos.data import open_dataset
    from rvos.data.check import check_dataset
    from rvos.data.frame_size import frame_size

    if split_by is not None:
        raise ConfigError(f"--split-by: came '{split_by}', but {name} has one set of splits: leave it out")
    return check_dataset(open_dataset(name, root, split), frame_size)


def _video_layout(name: str) -> str:
    from rvos.data import DATASETS

    return sys.modules[DATASETS[name.replace("-", "_")]().__module__].__doc__ or ""
