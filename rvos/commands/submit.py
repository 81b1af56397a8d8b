"""`rvos submit`: pack predictions for the evaluation server of a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rvos.commands import options
from rvos.data import open_dataset


def submit(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A video dataset with an evaluation server. An unknown name lists them."
        ),
    ],
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="The folder of the dataset, with the layout of its download.")
    ],
    predictions: Annotated[
        Path, typer.Option("--predictions", metavar="DIR", help="The masks, as `rvos evaluate` writes them.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="ZIP", help="The ZIP file to write, for upload.")],
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="Split to submit. Default: the one that the server scores."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check predictions and pack them for an evaluation server. The check compares them with the dataset's metadata."""
    from rvos.evaluation.submission import pack_submission, server_of

    server = server_of(dataset)
    opened = open_dataset(dataset, root, split or server.split)
    count = pack_submission(opened, predictions, out)
    if as_json:
        figures = {"videos": len(opened.videos), "expressions": sum(len(v.expressions) for v in opened.videos)}
        document = {"submission": str(out), "dataset": opened.name, "split": opened.split, **figures, "files": count}
        print(json.dumps(document | {"bytes": out.stat().st_size, "notes": list(opened.notes)}, ensure_ascii=False))
        return
    for note in opened.notes:
        print(f"note: {note}")
    print(f"submission: {out}")
    print(f"files: {count}")
