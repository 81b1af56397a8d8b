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
    options.set_quiet(quiet)
    from image_core.training.names import check_named
    from rvos.configuration import experiments, train_config

    arguments = overrides or []
    if not arguments:  # the default, a full-size network on drawn shapes, is never useful
        raise ConfigError(f"train: expected experiment=NAME, got nothing: choose one of {', '.join(experiments())}")
    config = train_config(arguments)
    check_named(config)
    from image_core.training.recipe import train as run  # imports torch, which the checks above do not need

    print(f"model: {run(config, command=shlex.join(['rvos', 'train', *arguments]))}")
