"""`rvos segment`: one video, or a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.defaults import PROPAGATION, TRACKER


def segment(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A video file, a folder of pictures, or camera:N.")
    ] = None,
    expressions: Annotated[
        list[str] | None, typer.Argument(metavar="EXPRESSION...", help='What to look for: "the dog on the left".')
    ] = None,
    *,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="FRAME=PNG",
            help="Instead of words: the objects of a mask (0 and 255, or a palette of ids) on that frame, from 0. May "
            "be repeated. No model is needed.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for everything that is found.")],
    jobs: Annotated[
        Path | None,
        typer.Option("--list", metavar="JOBS.csv", help="Many jobs: columns source and expression, a folder a row."),
    ] = None,
    save: Annotated[
        str,
        typer.Option("--save", metavar="NAMES", help="overlay, contact_sheet, masks, palette, frames, compare."),
    ] = "overlay,contact_sheet",
    only_frames: Annotated[
        str | None, typer.Option("--only-frames", metavar="A:B", help="Frames that `--save frames` draws, B left out.")
    ] = None,
    model: options.Model = options.DEFAULT_MODEL,
    propagation: options.Propagation = PROPAGATION,
    tracker: options.Tracker = TRACKER,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    settings: options.Set = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> int:
    """Segment what the expressions name in a video, or follow the objects of masks. The same command continues what was
    interrupted."""
    options.be_quiet(quiet)
    system = options.system_of(model, propagation, tracker, device, precision, settings)
    names, frames = options.names_of(save), options.frames_of(only_frames)
    if masks and (expressions or jobs is not None):
        came = f"--list {jobs}" if jobs is not None else f"the expression '{(expressions or [''])[0]}'"
        raise ConfigError(f"segment: came both --mask {masks[0]} and {came}, wanted one of them")
    if jobs is not None:
        if source is not None:
            raise ConfigError(f"segment: came both SOURCE '{source}' and --list {jobs}, wanted one of them")
        from rvos.commands.joblist import segment_list

        return segment_list(jobs, out, system, names, frames, overwrite=overwrite, quiet=quiet, as_json=as_json)
    if source is None:
        raise ConfigError('segment: came no SOURCE, wanted a video: rvos segment clip.mp4 "the dog" --out DIR')
    from rvos.commands.running import run_watched, tell
    from rvos.run.job import Job
    from rvos.watch.prompts import read_prompts

    job = Job(source, tuple(expressions or ()), out, names, frames, overwrite, read_prompts(masks) if masks else None)
    tell(run_watched(job, system, quiet), as_json)
    return 0
