"""`rvos train`: train an image model."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from rvos.commands import options


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[experiment=NAME] [KEY=VALUE]...", help="An experiment of configs/, and changes to it."
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Train an image model; the same command continues a run that was interrupted."""
    options.be_quiet(quiet)
    from image_core.training.recipe import train as run
    from rvos.configuration import train_config

    words = overrides or []
    print(f"model: {run(train_config(words), command=shlex.join(['rvos', 'train', *words]))}")
