"""`rvos train`: train an image model."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[experiment=NAME] [KEY=VALUE]...", help="An experiment from configs/, and changes to its settings."
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Train an image model. Run the same command again to continue an interrupted run."""
    options.be_quiet(quiet)
    from image_core.training.names import check_named
    from rvos.configuration import experiments, train_config

    words = overrides or []
    if not words:  # a full-size network on drawn shapes is what nobody means
        raise ConfigError(f"train: expected experiment=NAME, got nothing; known are {', '.join(experiments())}")
    config = train_config(words)
    check_named(config)
    from image_core.training.recipe import train as run  # here: it brings torch, which no refusal above needs

    print(f"model: {run(config, command=shlex.join(['rvos', 'train', *words]))}")
