"""`rvos demo`: a short real clip, drawn shapes, or the user's own video, segmented and shown."""

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
"""What is asked of the street. Of the last one there is none."""
_STREET = range(30, 137)
"""Two scenes of the clip, 4.3 s: a man in black leaves, and a taxi comes; after a cut another man, whom traffic hides
for a while. All ten seconds would take a machine with two cores minutes."""
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
    options.be_quiet(quiet)
    if video is not None and synthetic:
        raise ConfigError(f"demo: expected --video or --synthetic, got both --video {video} and --synthetic")
    if video is not None and not texts:
        raise ConfigError(f'demo: expected --text with --video {video}, got none; say what is asked: --text "the dog"')
    from rvos.commands.running import check_source, run_watched, tell
    from rvos.run.job import Job

    named = model or (_SHAPES_MODEL if synthetic else None)
    config = options.build_config(named, propagation, tracker, device, precision, settings)
    if video is not None:
        check_source(video)
    segmenter = options.segmenter_of(config, quiet)
    expressions = EXPRESSIONS
    if synthetic:
        from rvos.synthetic.demo_clip import EXPRESSIONS as OF_SHAPES
        from rvos.synthetic.demo_clip import write_clip

        clip, expressions = out / "synthetic.mp4", OF_SHAPES
        write_clip(clip)
        video = str(clip)
    elif video is None:
        clip = out / "street.mp4"
        _write_street(clip, quiet)
        video = str(clip)
    job = Job(video, tuple(texts or expressions), out, overwrite=overwrite)
    # Every clip, expression and model has a folder of its own, so that one demo never stands in another's way.
    digest = hashlib.sha256(json.dumps(job.document(segmenter)).encode()).hexdigest()[:8]
    job = replace(job, out=out / f"{Path(video).stem}-{digest}")
    tell(run_watched(job, segmenter, quiet), as_json)


def _write_street(path: Path, quiet: bool) -> None:
    """The scenes of the street as a clip of their own, unless it is there: a run that is continued must find the same
    bytes. Raises `RvosError` where the clip cannot be brought or written."""
    if path.is_file():
        return
    from image_core.files import make_folder
    from rvos.commands.fetching import weights_at_hand
    from rvos.video.reader import open_video
    from rvos.video.writer import VideoWriter

    whole = weights_at_hand("demo", quiet)["bikes.mp4"]
    make_folder(path.parent)
    with open_video(whole) as video, VideoWriter(path, video.info.size, rate=video.info.rate) as writer:
        frames = list(video.read(_STREET))
        for frame in frames:
            writer.write(frame.image, frame.time_s - frames[0].time_s)
