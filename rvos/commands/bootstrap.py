"""`rvos bootstrap`: train an image model on few masks, in rounds of pseudo labels."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import typer

from rvos.commands import options


def bootstrap(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[experiment=NAME] [labels=SHARE] [KEY=VALUE]...",
            help="An experiment from configs/, the share of images with masks, and changes to its settings.",
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Train an image model from few masks. It works in rounds of pseudo labels. Run the same command again to continue
    an interrupted run."""
    options.be_quiet(quiet)
    from image_core.training.names import check_named
    from rvos.configuration import bootstrap_config

    words = overrides or []
    settings = bootstrap_config(words)
    check_named(settings.train)
    from image_core.weak.bootstrap import bootstrap as run  # here: it brings torch, which no refusal above needs

    summary = run(settings, command=shlex.join(["rvos", "bootstrap", *words]))
    told = json.loads(summary.read_text())
    print(f"labelled pictures: {told['labelled']} of {told['labelled'] + told['unlabelled']}")
    for row in told["rounds"]:
        print(_line(row))
    print(f"summary: {summary}")
    print(f"model: {summary.parent / told['model']}")


def _line(row: dict) -> str:
    """A round: its pseudo labels, and how well its model does on the validation split."""
    parts = [f"round {row['round']}:"]
    if "accepted" in row:
        rejected = [f"{count} rejected ({reason})" for reason, count in row["rejected"].items()]
        parts += [", ".join([f"{row['accepted']} accepted", *rejected, f"{row['failed']} failed"]) + ";"]
    return " ".join([*parts, *(f"{name} {value:.4f}" for name, value in row["val"].items())])
