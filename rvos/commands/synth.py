"""`rvos synth`: synthetic data in the layout of a public dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError, UnknownNameError
from rvos.commands import options
from rvos.commands.datasets import join_names
from rvos.synthetic.layouts import LAYOUTS

IMAGE_LAYOUTS = ("refcoco", "grefcoco")
"""The first one is the default, as in the table of video layouts."""

_COMPOSITIONAL = "test_compositional"
_DEFAULT_PX = {"images": 320, "videos": 288}
_MIN_PX = 32


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write, the root of the new dataset.")],
    kind: Annotated[str, typer.Option("--kind", metavar="NAME", help="images or videos.")] = "images",
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="NAME",
            help=f"Images: {join_names(IMAGE_LAYOUTS)}. Videos: {join_names(LAYOUTS)}. By default the first.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", help="Number of images or videos.")] = 100,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="S", help="Random seed. For every seed, train, val and test have different scenes."
        ),
    ] = 0,
    split: Annotated[
        str,
        typer.Option(
            "--split", metavar="NAME", help="train, val or test. Images also: testA, testB and test_compositional."
        ),
    ] = "test",
    side_px: Annotated[
        int | None,
        typer.Option(
            "--size", metavar="PX", help="Side of the images (320), or height of the videos (288), which are 16:9."
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Frames per video, 24 or more.")] = 36,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing dataset of this layout in OUT.")
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write a synthetic dataset in the layout of a public one."""
    options.set_quiet(quiet)
    kind = kind.replace("-", "_")
    if kind not in _DEFAULT_PX:
        raise UnknownNameError("kind", kind, list(_DEFAULT_PX))
    names = list(IMAGE_LAYOUTS if kind == "images" else LAYOUTS)
    layout = (layout or names[0]).replace("-", "_")
    if layout not in names:
        raise UnknownNameError(f"layout of {kind}", layout, names)
    side_px = _DEFAULT_PX[kind] if side_px is None else side_px
    if side_px < _MIN_PX:
        raise ConfigError(f"--size: expected {_MIN_PX} px or more, got {side_px}")
    split = split.replace("-", "_")
    if kind == "images":
        _write_images(out, layout, split, count, seed, side_px, overwrite)
    else:
        _write_videos(out, layout, split, count, seed, side_px, frames, overwrite)
    if as_json:
        print(json.dumps({"root": str(out), "layout": layout, "split": split, kind: count, "seed": seed}))
    else:
        print(f"{layout} dataset: {out}")


def _write_images(out: Path, layout: str, split: str, count: int, seed: int, side_px: int, overwrite: bool) -> None:
    from image_core.files import make_folder, output_errors
    from image_core.synthetic.layouts import write_grefcoco, write_refcoco

    _check_no_dataset(out, out / layout / "instances.json", layout, overwrite)
    compositional = split == _COMPOSITIONAL
    splits = {"test" if compositional else split: count}
    make_folder(out)
    with output_errors(out):
        write = {"refcoco": write_refcoco, "grefcoco": write_grefcoco}[layout]
        write(out, splits, seed, (side_px, side_px), _COMPOSITIONAL if compositional else "test")


def _write_videos(
    out: Path, layout: str, split: str, count: int, seed: int, side_px: int, frames: int, overwrite: bool
) -> None:
    from rvos.synthetic.splits import check_split

    check_split(split)
    _check_no_dataset(out, out / LAYOUTS[layout].index[split], layout, overwrite)
    # An even width, as video files need; a height of 480 gives the width of DAVIS, 854.
    LAYOUTS[layout].write(out, split, count, seed, (side_px, 2 * round(side_px * 8 / 9)), frames)


def _check_no_dataset(out: Path, index: Path, layout: str, overwrite: bool) -> None:
    """Raise `OutputError` if such a dataset is in OUT already, and may not be replaced."""
    from rvos.types import OutputError

    if index.exists() and not overwrite:
        raise OutputError(
            f"{out}: expected no {layout} dataset, got one: pass --overwrite to replace it, or choose another OUT"
        )
