"""`rvos segment`: segment one video, or a list of videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_core.entries import path_exists
from image_core.errors import ConfigError
from rvos.commands import options
from rvos.export.outputs import DEFAULT, OUTPUTS


def segment(
    source: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="A video file, a folder of images, the URL of either, or camera:N."),
    ] = None,
    expressions: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXPRESSION...", help='What to segment, in words: "the dog on the left".'),
    ] = None,
    *,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="FRAME=PNG",
            help="Track the objects of a mask instead of using expressions. FRAME is the number of a frame, counted "
            "from 0; PNG holds 0 and 255, or object ids (docs/masks.md). No image model is needed. May be repeated.",
        ),
    ] = None,
    corrections: Annotated[
        list[str] | None,
        typer.Option(
            "--correct",
            metavar="[N:]FRAME=PNG|absent",
            help="Correct an expression: from this frame on (counted from 0) it means the object of this mask, "
            "whatever the model says. absent: its target is not visible on this frame, and every object seen there is "
            "something else. N: the number of the expression, counted from 0 as in masks/N; needed if there are "
            "several. May be repeated.",
        ),
    ] = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The output folder, or its URL (s3://, gs://).")],
    jobs: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="JOBS.csv",
            help="Run many jobs: a CSV file with the columns source and expression. Each row gets its own folder in "
            "DIR: 00000, 00001, ...",
        ),
    ] = None,
    processes: options.Jobs = None,
    ray: options.Ray = None,
    save: Annotated[
        str,
        typer.Option("--save", metavar="NAMES", help=f"Formats to write, separated by commas: {', '.join(OUTPUTS)}."),
    ] = ",".join(DEFAULT),
    only_frames: Annotated[
        str | None,
        typer.Option(
            "--only-frames", metavar="A:B", help="Frames to draw with `--save frames`: from A up to, not including, B."
        ),
    ] = None,
    model: options.Model = None,
    propagation: options.Propagation = None,
    tracker: options.Tracker = None,
    device: options.Device = None,
    precision: options.Precision = None,
    settings: options.Set = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> int:
    """Segment what expressions name in a video, or track given masks. Run the same command again to continue an
    interrupted run."""
    options.set_quiet(quiet)
    config = options.build_config(model, propagation, tracker, device, precision, settings, masks=bool(masks))
    names = options.parse_formats(save)
    frames = options.parse_frames(only_frames, names)
    if masks and (expressions or jobs is not None):
        got = f"--list {jobs}" if jobs is not None else f"the expression '{(expressions or [''])[0]}'"
        raise ConfigError(f"segment: expected --mask or expressions, got both --mask {masks[0]} and {got}")
    if corrections and not (expressions and jobs is None):
        got = f"--list {jobs}" if jobs is not None else "--mask" if masks else "none"
        raise ConfigError(f"--correct: expected SOURCE and the expressions to correct, got {got}")
    if source is None and jobs is None:
        raise ConfigError('segment: expected a SOURCE, got none; for example rvos segment clip.mp4 "the dog" --out DIR')
    if source is not None and expressions and _is_swapped(source, expressions):
        raise ConfigError(f"segment: expected SOURCE before the expressions, got '{source}' first: change their order")
    if source is not None and jobs is not None:
        raise ConfigError(f"segment: expected SOURCE or --list, got both '{source}' and --list {jobs}")
    for name, value in (("--jobs", processes), ("--ray", ray)):
        if value is not None and jobs is None:
            raise ConfigError(f"{name}: expected it together with --list, got {name} {value} without: leave it out")
    from rvos.commands.running import check_source, print_report, run_with_progress
    from rvos.run.job import Job
    from rvos.run.remote import out_folder
    from rvos.watch.corrections import read_corrections
    from rvos.watch.prompts import read_prompts

    if jobs is not None:
        from rvos.commands.lists import run_list

        return run_list(jobs, out, names, frames, overwrite, config, processes, ray, quiet, as_json)
    prompts = read_prompts(masks) if masks else None
    user_corrections = read_corrections(corrections, len(expressions or ())) if corrections else None
    check_source(str(source))
    segmenter = options.build_segmenter(config, quiet, masks=bool(masks))
    with out_folder(out) as folder:
        job = Job(
            str(source), tuple(expressions or ()), folder.local, names, frames, overwrite, prompts, user_corrections
        )
        print_report(run_with_progress(job, segmenter, quiet), as_json, folder.display_path)
    return 0


def _is_swapped(source: str, expressions: list[str]) -> bool:
    """Whether the source does not exist, but one of the expressions is a file or a folder."""
    return not source.startswith("camera:") and not path_exists(source) and any(map(path_exists, expressions))
