"""`rvos app`: the web page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options

if TYPE_CHECKING:
    from rvos.app.workspace import Choices, Settings
    from rvos.segmenter import VideoSegmenter

_LOG = logging.getLogger(__name__)
_SHAPES_MODEL = "s2rm_tiny"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def app(
    *,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen on. With the default only this machine can connect."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", help="Port to listen on.")] = 7860,
    root_path: Annotated[
        str,
        typer.Option(
            "--root-path", metavar="PATH", help="Path under which a reverse proxy serves the page, such as /rvos."
        ),
    ] = "",
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model that visitors may choose, as in `rvos segment`. May be repeated; the first one is selected "
            f"at the start. Default: photo, {_SHAPES_MODEL}.",
        ),
    ] = None,
    trackers: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker",
            metavar="NAME",
            help="A tracker that visitors may choose. May be repeated. Default: tracks, none.",
        ),
    ] = None,
    examples: Annotated[
        list[Path] | None,
        typer.Option("--example", metavar="VIDEO", help="A video that every visitor may choose. May be repeated."),
    ] = None,
    device: options.Device = None,
    megabytes: Annotated[int, typer.Option("--most-megabytes", metavar="N", help="Largest file, in megabytes.")] = 200,
    seconds: Annotated[float, typer.Option("--most-seconds", metavar="S", help="Longest video, in seconds.")] = 60.0,
    frames: Annotated[int, typer.Option("--most-frames", metavar="N", help="Longest video, in frames.")] = 1800,
    megapixels: Annotated[
        float, typer.Option("--most-megapixels", metavar="N", help="Largest frame, in megapixels.")
    ] = 2.1,
    visits: Annotated[int, typer.Option("--most-visits", metavar="N", help="Most visitors at one time.")] = 40,
    at_once: Annotated[
        int, typer.Option("--at-once", metavar="N", help="Videos processed at the same time; others wait.")
    ] = 2,
    kept_minutes: Annotated[
        float,
        typer.Option(
            "--keep",
            metavar="MINUTES",
            help="Delete the files of a visitor this long after the page was last open.",
        ),
    ] = 60.0,
    quiet: options.Quiet = False,
) -> None:
    """Start a web page to try rvos on. Upload a video, say what to look for, correct the result, download the masks.
    Needs the extra `app`."""
    options.set_quiet(quiet)
    if find_spec("gradio") is None:
        raise ConfigError('app: expected the extra app, got an installation without it: pip install "rvos[app]"')
    if not 0 < port < 65536:
        raise ConfigError(f"--port: expected 1 to 65535, got {port}")
    from rvos.app.limits import Limits
    from rvos.app.serving import create_app, serve
    from rvos.app.temporary_folder import temporary_folder
    from rvos.app.workspace import Workspace

    limits = Limits(
        megabytes=megabytes,
        seconds=seconds,
        frames=frames,
        megapixels=megapixels,
        visits=visits,
        at_once=at_once,
        kept_minutes=kept_minutes,
    )
    with temporary_folder() as folder:
        choices = _choices(models, trackers, examples, folder)
        workspace = Workspace(folder / "visits", choices, _segmenter_builder(device, quiet), limits)
        workspace.segmenter(choices.default_settings).system.load()
        if host not in _LOOPBACK:
            _LOG.warning(
                "%s: everybody who can reach this address can use the page: put it behind a proxy (docs/app.md)", host
            )
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        try:
            web_app = create_app(workspace, folder / "uploads", root_path, partial(_LOG.info, "rvos app: %s", url))
            serve(web_app, workspace, host, port)
        finally:
            workspace.close()


def _choices(
    models: list[str] | None, trackers: list[str] | None, examples: list[Path] | None, folder: Path
) -> Choices:
    """What visitors may choose from. Raises `ConfigError` for an example that is not a file."""
    from rvos.app.workspace import Choices, Example
    from rvos.synthetic.demo_clip import EXPRESSIONS, write_clip

    names = tuple(dict.fromkeys(models or ("photo", _SHAPES_MODEL)))
    example_videos: list[Example] = []
    for path in examples or ():
        if not path.is_file():
            raise ConfigError(f"--example: expected a video file, got {path}, which is not a file")
        example_videos.append(Example(path.stem, path))
    if _SHAPES_MODEL in names:
        shapes = folder / "shapes.mp4"
        write_clip(shapes)
        example_videos.append(Example("drawn shapes", shapes, EXPRESSIONS, _SHAPES_MODEL))
    return Choices(names, tuple(dict.fromkeys(trackers or ("tracks", "none"))), examples=tuple(example_videos))


def _segmenter_builder(device: str | None, quiet: bool) -> Callable[[Settings], VideoSegmenter]:
    """A function that builds the segmenter of some settings. Segmenters with the same model share it."""
    from rvos.image_model import ImageModelHandle
    from rvos.segmenter import VideoSegmenter

    handles: dict[str, ImageModelHandle] = {}

    def build(settings: Settings) -> VideoSegmenter:
        config = options.build_config(
            settings.model, None, settings.tracker, device, None, [f"key_frames={settings.key_frames}"]
        )
        if settings.model not in handles:
            segmenter = options.build_segmenter(config, quiet)
            handles[settings.model] = segmenter.system.model
            return segmenter
        return VideoSegmenter(handles[settings.model], tracker=settings.tracker, key_frames=settings.key_frames)

    return build
