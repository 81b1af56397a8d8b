"""`rvos demo`: segment a short real clip, drawn shapes, or a video of the user."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options

EXPRESSIONS = ("the man in black", "the vehicle on the left", "a horse")
"""The expressions for the street clip. It contains no horse."""
_STREET_FRAMES = range(30, 137)
"""Two scenes of the clip, 4.3 s: a man in black leaves, and a taxi comes; after a cut there is another man, who is
hidden by traffic for a while. The whole clip of ten seconds would take minutes on two cores."""
_SHAPES_MODEL = "s2rm_tiny"


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The output folder.")] = Path("rvos-demo"),
    video: Annotated[
        str | None,
        typer.Option("--video", metavar="SOURCE", help="A video of your own instead of the clip. Needs --text."),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="EXPRESSION", help="What to segment, in words. May be repeated."),
    ] = None,
    synthetic: Annotated[
        bool,
        typer.Option(
            "--synthetic", help=f"A clip of drawn shapes, and the model {_SHAPES_MODEL}. Nothing is downloaded."
        ),
    ] = False,
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
    """Segment a short example clip, or a video of your own. The example is a street scene, or drawn shapes with
    --synthetic. The street clip (2 MB) and the model's weights are downloaded on first use."""
    options.set_quiet(quiet)
    if video is not None and synthetic:
        raise ConfigError(f"demo: expected --video or --synthetic, got both --video {video} and --synthetic")
    if video is not None and not texts:
        raise ConfigError(f'demo: expected --text with --video {video}, got none: add for example --text "the dog"')
    from rvos.commands.running import check_source, print_report, run_with_progress
    from rvos.run.job import Job

    model_name = model or (_SHAPES_MODEL if synthetic else None)
    config = options.build_config(model_name, propagation, tracker, device, precision, settings)
    if video is not None:
        check_source(video)
    segmenter = options.build_segmenter(config, quiet)
    expressions = EXPRESSIONS
    if synthetic:
        from rvos.synthetic.demo_clip import EXPRESSIONS as SHAPES_EXPRESSIONS
        from rvos.synthetic.demo_clip import write_clip

        clip, expressions = out / "synthetic.mp4", SHAPES_EXPRESSIONS
        write_clip(clip)
        video = str(clip)
    elif video is None:
        clip = out / "street.mp4"
        _write_street_clip(clip, quiet)
        video = str(clip)
    job = Job(video, tuple(texts or expressions), out, overwrite=overwrite)
    # Each combination of clip, expressions and settings has its own folder, so that demos do not conflict.
    digest = hashlib.sha256(json.dumps(job.document(segmenter)).encode()).hexdigest()[:8]
    job = replace(job, out=out / f"{Path(video).stem}-{digest}")
    print_report(run_with_progress(job, segmenter, quiet), as_json)


def _write_street_clip(path: Path, quiet: bool) -> None:
    """Write the scenes of the street clip, unless the file exists: a continued run needs the same bytes. Raises
    `RvosError` if the clip cannot be downloaded or written."""
    if path.is_file():
        return
    from image_core.files import make_folder
    from rvos.commands.fetching import fetch_weights
    from rvos.video.reader import open_video
    from rvos.video.writer import VideoWriter

    full_clip = fetch_weights("demo", quiet)["bikes.mp4"]
    make_folder(path.parent)
    with open_video(full_clip) as video, VideoWriter(path, video.info.size, rate=video.info.rate) as writer:
        frames = list(video.read(_STREET_FRAMES))
        for frame in frames:
            writer.write(frame.image, frame.time_s - frames[0].time_s)
