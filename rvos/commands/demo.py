"""`rvos demo`: a short clip of our own, or the user's, segmented and shown."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for the clip and the results.")] = Path(
        "rvos-demo"
    ),
    video: Annotated[str | None, typer.Option("--video", metavar="SOURCE", help="A video in place of our own.")] = None,
    texts: Annotated[
        list[str] | None, typer.Option("--text", metavar="EXPRESSION", help="What is asked of it; may be repeated.")
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
) -> None:
    """Make a short synthetic clip and segment it; or a clip of yours."""
    options.be_quiet(quiet)
    if video is not None and not texts:
        raise ConfigError(f'demo: expected --text with --video {video}, got none; say what is asked: --text "the dog"')
    from rvos.commands.running import run_watched, tell
    from rvos.run.job import Job
    from rvos.synthetic.demo_clip import EXPRESSIONS, write_clip

    config = options.config_of(model, propagation, tracker, device, precision, settings)
    segmenter = options.segmenter_of(config)
    if video is None:
        clip = out / "synthetic.mp4"
        write_clip(clip)
        video = str(clip)
    job = Job(video, tuple(texts or EXPRESSIONS), out, overwrite=overwrite)
    # Every clip, expression and model has a folder of its own, so that one demo never stands in another's way.
    digest = hashlib.sha256(json.dumps(job.document(segmenter)).encode()).hexdigest()[:8]
    job = replace(job, out=out / f"{Path(video).stem}-{digest}")
    tell(run_watched(job, segmenter, quiet), as_json)
