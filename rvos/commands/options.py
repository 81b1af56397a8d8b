"""The options that several commands share, and what they mean together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.errors import ConfigError
from image_core.weights import DEFAULT

if TYPE_CHECKING:
    from rvos.system import System

Model = Annotated[str, typer.Option("--model", metavar="NAME|FILE", help="An embedded model's name, or a model file.")]
Propagation = Annotated[
    str,
    typer.Option(
        "--propagation",
        metavar="NAME",
        help="How features reach the frames between key frames: flow, affinity or none.",
    ),
]
Tracker = Annotated[
    str, typer.Option("--tracker", metavar="NAME", help="How masks travel through time: memory or none.")
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:i.")]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="fp32 or bf16.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="May be repeated. video.stream=N: which video stream. video.backend=av|decord. video.prefetch=N: frames "
        "decoded ahead. sampling=all|stride:K|uniform:N: which frames are looked at. key_frames=all|every:K|"
        "adaptive:K: which of them the whole model sees; adaptive: at most K apart, sooner where the picture changes. "
        "decode=every|key: whether the frames between them are decoded. tracker.lookahead=N: answer a frame N frames "
        "late, knowing those. tracker.both_ways=yes|no: watch the video twice, the second time knowing how it goes on.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace another run that is in DIR.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes, only errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

DEFAULT_MODEL = DEFAULT


def system_of(
    model: str, propagation: str, tracker: str, device: str, precision: str, pairs: list[str] | None
) -> System:
    """The system that the options name; nothing is loaded yet. Raises `RvosError` for settings that cannot be."""
    from rvos.settings import parse_settings
    from rvos.system import System

    return System(model, propagation, tracker, device, precision, parse_settings(pairs or ()))


def be_quiet(quiet: bool) -> None:
    """With `--quiet`, only errors are said."""
    if quiet:
        for name in ("rvos", "image_core"):
            logging.getLogger(name).setLevel(logging.ERROR)


def names_of(text: str) -> tuple[str, ...]:
    """`overlay,contact-sheet` -> ("overlay", "contact_sheet"), each once. Raises `ConfigError` when none is left."""
    names = tuple(dict.fromkeys(name.strip().replace("-", "_") for name in text.split(",") if name.strip()))
    if not names:
        raise ConfigError(f"--save: came '{text}', wanted names with commas between, for example overlay,masks")
    return names


def frames_of(text: str | None) -> range | None:
    """`10:20` -> range(10, 20), 0-based and half-open; None stays None. Raises `ConfigError`."""
    if text is None:
        return None
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise ConfigError(f"--only-frames: came '{text}', wanted FIRST:LAST with FIRST < LAST, for example 10:20")
    return range(int(first), int(last))
