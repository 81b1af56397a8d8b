"""`rvos export`: a finished run in the format of another tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.export.outputs import OUTPUTS

if TYPE_CHECKING:
    from rvos.run.finished import FinishedRun

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")]
Only = Annotated[
    list[int] | None,
    typer.Option("--only", metavar="N", help="Only expression or object number N, counted from 0. May be repeated."),
]
Moved = Annotated[
    str | None,
    typer.Option("--source", metavar="SOURCE", help="Where the video of the run is now, if it was moved or copied."),
]


def export(
    run: Run,
    *,
    name: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help=f"Format to write: {', '.join(OUTPUTS)} (docs/exports.md)."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="PATH", help="A new file or folder. An existing one is never replaced.")
    ],
    only: Only = None,
    source: Moved = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write a finished run in the format of another tool. No model is needed. The video is needed only for formats that
    contain images."""
    options.be_quiet(quiet)
    if name == "onnx":
        raise ConfigError(
            "--format: expected a format of runs, got onnx, which is one of models: rvos models export MODEL --out FILE"
        )
    from rvos.commands.progress_bar import bar
    from rvos.export.table import known
    from rvos.run.export import check_path, export_run

    (known_name,) = known([name])
    check_path(known_name, out)
    with bar(str(out), quiet) as progress:
        export_run(chosen(run, only, source), known_name, out, progress=progress)
    tell_export(known_name, out, as_json)


def chosen(folder: Path, only: list[int] | None, source: str | None) -> FinishedRun:
    """The run in a folder, with all targets or those that `--only` names, and its video where `--source` says that it
    lies. Raises `RvosError`."""
    from rvos.run.finished import FinishedRun

    run = FinishedRun.read(folder)
    run = run if source is None else run.at(source)
    return run if only is None else run.only(only)


def tell_export(name: str, out: Path, as_json: bool) -> None:
    """What was written, on stdout."""
    if as_json:
        print(json.dumps({"format": name, "out": str(out)}, ensure_ascii=False))
    else:
        print(f"{name.replace('_', ' ')}: {out}")
