"""`rvos draw`: draw a finished run again in another style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.export import Only, Run, VideoSource, open_run, print_output
from rvos.export.outputs import DRAWN, OUTPUTS


def draw(
    run: Run,
    *,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="PATH", help="A new file or folder. An existing one is never replaced."),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help=f"What to draw: {', '.join(DRAWN)}. By default the ending of PATH decides: .mp4 is overlay, "
            ".png contact_sheet, .html report, a name without ending frames.",
        ),
    ] = None,
    only_frames: Annotated[
        str | None,
        typer.Option(
            "--only-frames", metavar="A:B", help="Frames to draw with `frames`: from A up to, not including, B."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting of the style. May be repeated. colours=#rrggbb,...: one colour per expression, in "
            "order. fill_alpha=0..1: opacity of the masks. outline=X: line width as a multiple of the usual one, 0 for "
            "no outline. dim=0..1: how much to darken everything outside the masks. legend, labels (names beside the "
            "masks), boxes, ids (of the tracks): true or false. docs/cli.md names the others.",
        ),
    ] = None,
    only: Only = None,
    source: VideoSource = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Draw a finished run again in another style. No model runs."""
    options.set_quiet(quiet)
    from rvos.commands.progress_bar import bar
    from rvos.export.style_settings import style_of
    from rvos.export.table import check_names
    from rvos.run.export import check_path, export_run

    style = style_of(settings or [])
    (format_name,) = check_names([name or _format_by_suffix(out)])
    if format_name not in DRAWN:
        raise ConfigError(f"--format: expected one of {', '.join(DRAWN)}, got '{format_name}': rvos export writes it")
    frames = options.parse_frames(only_frames, [format_name])
    check_path(format_name, out)
    with bar(str(out), quiet) as progress:
        export_run(open_run(run, only, source), format_name, out, style=style, only_frames=frames, progress=progress)
    print_output(format_name, out, as_json)


def _format_by_suffix(out: Path) -> str:
    """The first format whose file has the suffix of `out`. Raises `ConfigError` if there is none."""
    suffix = out.suffix.lower()
    names = [name for name in DRAWN if OUTPUTS[name].suffix == suffix]
    if not names:
        suffixes = ", ".join(sorted({OUTPUTS[name].suffix for name in DRAWN} - {""}))
        raise ConfigError(f"--out: expected a folder, or a file that ends in {suffixes}, got '{out}'")
    return names[0]
