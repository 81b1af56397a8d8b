"""`rvos draw`: a finished run drawn anew, in another style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.export import Moved, Only, Run, chosen, tell_export
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
    source: Moved = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Draw a finished run again in another style. No model runs."""
    options.be_quiet(quiet)
    from rvos.commands.progress_bar import bar
    from rvos.export.style_settings import style_of
    from rvos.export.table import known
    from rvos.run.export import check_path, export_run

    style = style_of(settings or [])
    (drawn,) = known([name or _by_ending(out)])
    if drawn not in DRAWN:
        raise ConfigError(f"--format: expected one of {', '.join(DRAWN)}, got '{drawn}': rvos export writes it")
    frames = options.frames_of(only_frames, [drawn])
    check_path(drawn, out)
    with bar(str(out), quiet) as progress:
        export_run(chosen(run, only, source), drawn, out, style=style, only_frames=frames, progress=progress)
    tell_export(drawn, out, as_json)


def _by_ending(out: Path) -> str:
    """The first format whose files end like that."""
    suffix = out.suffix.lower()
    found = [name for name in DRAWN if OUTPUTS[name].suffix == suffix]
    if not found:
        endings = ", ".join(sorted({OUTPUTS[name].suffix for name in DRAWN} - {""}))
        raise ConfigError(f"--out: expected a folder, or a file that ends in {endings}, got '{out}'")
    return found[0]
