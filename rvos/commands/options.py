"""The options that several commands share, and what they mean together."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.errors import ConfigError, DataError, UnknownNameError
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
SplitBy = Annotated[
    str | None,
    typer.Option(
        "--split-by", metavar="NAME", help="Of picture datasets: who made the splits (refcocog: umd or google)."
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Processes that score; by default one a core.")
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


def workers_of(count: int | None) -> int:
    """How many processes; one a core for None. Raises `ConfigError` for fewer than one."""
    from rvos.system import core_count

    if count is None:
        return core_count()
    if count < 1:
        raise ConfigError(f"--workers: came {count}, wanted 1 or more")
    return count


def shard_of(text: str) -> tuple[int, int]:
    """`2/8` -> (2, 8). Raises `ConfigError` for another form."""
    first, _, last = text.partition("/")
    if not (first.isdecimal() and last.isdecimal()):
        raise ConfigError(f"--shard: came '{text}', wanted I/N, for example 1/4")
    return int(first), int(last)


def check_dataset(name: str, others: list[str]) -> None:
    """Raise `UnknownNameError` for a name that is neither a video dataset's nor one of `others`."""
    from image_core.data.table import canonical_name
    from rvos.data import DATASETS

    known = [*DATASETS, *others]
    if canonical_name(name) not in known:
        raise UnknownNameError("dataset", name, [each.replace("_", "-") for each in known])


def root_of(root: Path | None, dataset: str) -> Path:
    """The folder that `--root` names. Raises `ConfigError` where it names none, `DataError` where there is none."""
    if root is None:
        raise ConfigError(f"{dataset}: came no --root, wanted the folder that the dataset lies in")
    if not root.is_dir():
        raise DataError(f"--root {root}: not a folder: wanted the one that {dataset} lies in")
    return root


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
