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
    options.set_quiet(quiet)
    from image_core.training.names import check_named
    from rvos.configuration import bootstrap_config

    arguments = overrides or []
    settings = bootstrap_config(arguments)
    check_named(settings.train)
    from image_core.weak.bootstrap import bootstrap as run  # imports torch, which the checks above do not need

    summary_path = run(settings, command=shlex.join(["rvos", "bootstrap", *arguments]))
    summary = json.loads(summary_path.read_text())
    print(f"labelled images: {summary['labelled']} of {summary['labelled'] + summary['unlabelled']}")
    for row in summary["rounds"]:
        print(_round_line(row))
    print(f"summary: {summary_path}")
    print(f"model: {summary_path.parent / summary['model']}")


def _round_line(row: dict) -> str:
    """One round: the numbers of its pseudo labels, and the figures of its model on the validation split."""
    parts = [f"round {row['round']}:"]
    if "accepted" in row:
        rejected = [f"{count} rejected ({reason})" for reason, count in row["rejected"].items()]
        parts += [", ".join([f"{row['accepted']} accepted", *rejected, f"{row['failed']} failed"]) + ";"]
    return " ".join([*parts, *(f"{name} {value:.4f}" for name, value in row["val"].items())])
