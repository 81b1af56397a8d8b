"""`rvos export`: a finished run in the format of another tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rvos.commands import options
from rvos.export.outputs import OUTPUTS

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished `rvos segment`.")]


def export(
    run: Run,
    *,
    name: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help=f"What to write: {', '.join(OUTPUTS)} (docs/exports.md)."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="PATH", help="The new file or folder; what is there is never replaced.")
    ],
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write a finished run in the format of another tool. No model is needed, and the video only where the format has
    pictures."""
    options.be_quiet(quiet)
    from rvos.commands.progress_bar import bar
    from rvos.export.table import known
    from rvos.run.export import check_path, export_run
    from rvos.run.finished import FinishedRun

    (known_name,) = known([name])
    check_path(known_name, out)
    with bar(str(out), quiet) as progress:
        export_run(FinishedRun.read(run), known_name, out, progress=progress)
    tell_export(known_name, out, as_json)


def tell_export(name: str, out: Path, as_json: bool) -> None:
    """What was written, on stdout."""
    if as_json:
        print(json.dumps({"format": name, "out": str(out)}, ensure_ascii=False))
    else:
        print(f"{name.replace('_', ' ')}: {out}")
