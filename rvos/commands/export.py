"""`rvos export`: write a finished run in the format of another tool."""

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
VideoSource = Annotated[
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
    source: VideoSource = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write a finished run in the format of another tool. No model is needed. The video is needed only for formats that
    contain images."""
    options.set_quiet(quiet)
    if name == "onnx":
        raise ConfigError(
            "--format: expected a format for runs, got onnx, which is for models: rvos models export MODEL --out FILE"
        )
    from rvos.commands.progress_bar import bar
    from rvos.export.table import check_names
    from rvos.run.export import check_path, export_run

    (format_name,) = check_names([name])
    check_path(format_name, out)
    with bar(str(out), quiet) as progress:
        export_run(open_run(run, only, source), format_name, out, progress=progress)
    print_output(format_name, out, as_json)


def open_run(folder: Path, only: list[int] | None, source: str | None) -> FinishedRun:
    """Read a finished run. only: positions of the targets to keep, None for all; source: where its video is now, None
    if it was not moved. Raises `RvosError`."""
    from rvos.run.finished import FinishedRun

    run = FinishedRun.read(folder)
    run = run if source is None else run.at(source)
    return run if only is None else run.only(only)


def print_output(name: str, out: Path, as_json: bool) -> None:
    """Print what was written."""
    if as_json:
        print(json.dumps({"format": name, "out": str(out)}, ensure_ascii=False))
    else:
        print(f"{name.replace('_', ' ')}: {out}")
