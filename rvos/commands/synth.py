"""`rvos synth`: synthetic data in the layout of a public dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError, UnknownNameError
from rvos.commands import options

KINDS = ("images",)
_COMPOSITIONAL = "test_compositional"


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder that becomes the dataset's root.")],
    kind: Annotated[str, typer.Option("--kind", metavar="NAME", help="images.")] = "images",
    layout: Annotated[str, typer.Option("--layout", metavar="NAME", help="refcoco or grefcoco.")] = "refcoco",
    count: Annotated[int, typer.Option("--count", metavar="N", help="How many pictures.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="No seed reaches the scenes of training.")] = 0,
    split: Annotated[
        str, typer.Option("--split", metavar="NAME", help="train, val, test, testA, testB or test_compositional.")
    ] = "test",
    side_px: Annotated[int, typer.Option("--size", metavar="PX", help="Height and width of the pictures.")] = 320,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace such a dataset that is in OUT.")] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write synthetic data in a public dataset's layout."""
    options.be_quiet(quiet)
    from image_core.synthetic.layouts import write_grefcoco, write_refcoco
    from rvos.export.files import make_folder, output_errors
    from rvos.types import OutputError

    writers = {"refcoco": write_refcoco, "grefcoco": write_grefcoco}
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, list(KINDS))
    if layout not in writers:
        raise UnknownNameError("layout", layout, list(writers))
    if side_px < 32:
        raise ConfigError(f"--size: came {side_px}, wanted 32 px or more")
    index = out / layout / "instances.json"
    if index.exists() and not overwrite:
        raise OutputError(f"{out} holds a {layout} dataset: pass --overwrite to replace it, or choose another OUT")
    compositional = split.replace("-", "_") == _COMPOSITIONAL
    splits = {"test" if compositional else split: count}
    make_folder(out)
    with output_errors(out):
        writers[layout](out, splits, seed, (side_px, side_px), _COMPOSITIONAL if compositional else "test")
    if as_json:
        print(json.dumps({"root": str(out), "layout": layout, "split": split, "images": count, "seed": seed}))
    else:
        print(f"{layout} dataset: {out}")
