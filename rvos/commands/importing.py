"""`rvos import`: turn masks from another tool into a finished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rvos.commands import options
from rvos.imports.table import READERS


def import_masks(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder with the masks.")],
    *,
    name: Annotated[
        str, typer.Option("--format", metavar="NAME", help=f"Format of PATH: {', '.join(READERS)} (docs/exports.md).")
    ],
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="SOURCE", help="The video that the masks belong to: a file or a folder of images."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for the new run.")],
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Turn masks from another tool into a finished run. It can be drawn and exported like any other."""
    options.set_quiet(quiet)
    from rvos.commands.progress_bar import bar
    from rvos.run.importing import import_run

    with bar(str(path), quiet) as progress:
        import_run(path, name, source, out, overwrite=overwrite, progress=progress)
    print(json.dumps({"out": str(out)}, ensure_ascii=False) if as_json else f"run: {out}")
