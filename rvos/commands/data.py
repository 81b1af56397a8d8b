"""`rvos data check`: what of a dataset is there, what is missing, what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import DataError
from rvos.commands import options

data = typer.Typer(help="Look at a dataset on disk.", rich_markup_mode=None)


@data.callback()
def _group() -> None:
    """Look at a dataset on disk."""


@data.command()
def check(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="As `rvos evaluate` takes it: ref-youtube-vos, ...")
    ],
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="The dataset, as its download lies on disk.")],
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="The one that has truth by default.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Tell what of a dataset is there, what is missing and what to do; ends with "ready", or with exit code 2."""
    from rvos.data import DATASETS, open_dataset
    from rvos.data.check import check_dataset
    from rvos.frame_size import frame_size

    try:
        opened = open_dataset(dataset, root, split)
    except DataError:
        if not as_json:
            print(sys.modules[DATASETS[dataset.replace("-", "_")]().__module__].__doc__)
        raise
    found = check_dataset(opened, frame_size)
    if as_json:
        print(json.dumps(found.document(), ensure_ascii=False))
    else:
        print("\n".join(found.lines()))
    if found.to_do is not None:
        raise DataError(f"not ready: {found.to_do}")
    if not as_json:
        print("ready" if found.truth_files else "ready to predict, not to score")
