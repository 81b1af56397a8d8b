"""The options that several commands share, and what they mean together."""

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
        help="photo (for photographs and real video; brought at first use), an embedded model's name "
        f"({', '.join(embedded_models())}: drawn shapes), hub:NAME (of the Hugging Face hub), a model file, or "
        f"module:factory (a function of yours that returns a model); by default {DEFAULT_MODEL}.",
    ),
]
Propagation = Annotated[
    str | None,
    typer.Option(
        "--propagation",
        metavar="NAME",
        help="How features reach the frames between key frames: "
        f"{', '.join(PROPAGATORS)}; by default {DEFAULT_PROPAGATION}.",
    ),
]
Tracker = Annotated[
    str | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help=f"How masks travel through time: {', '.join(TRACKERS)}, or hub:NAME, a network of the Hugging Face hub "
        f"that carries them ({', '.join(HUB_TRACKERS)}, OWNER/NAME or a folder), also with --mask; by default "
        f"{DEFAULT_TRACKER}.",
    ),
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:i; by default auto.")
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", metavar="NAME", help="fp32, or bf16 where the device computes in it; by default fp32."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="May be repeated. video.stream=N: which video stream; by default the one marked as default, "
        "else the largest. video.damage=stop|skip: what is done where data is damaged. video.rate=X: pictures a second "
        "of a folder, by default 25. video.backend=av|decord. video.prefetch=N: frames decoded ahead. "
        "sampling=all|stride:K|uniform:N: which frames are watched. "
        "key_frames=auto|all|every:K|adaptive:K: which of them the whole model sees; adaptive: at most K apart, sooner "
        "where the picture changes; auto: every:4 of a slow model, such as photo. "
        "decode=auto|every|key: whether the frames between them are decoded. chunk=N: frames that are read together, "
        "for a GPU; results come when the last of them was read. tracker.KEY=VALUE, propagation.KEY=VALUE: "
        "any number of these parts, such as tracker.lookahead=N (answer each frame N frames later, with those in mind) "
        "or tracker.both_ways=true (watch the video twice, the second time knowing how it goes on). "
        "With --mask: object_tracker.KEY=VALUE, any number of what follows the objects of masks; masker=photo, "
        "hub:OWNER/NAME or hub:FOLDER, a network that draws them anew now and then; refining.KEY=VALUE, when it does.",
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
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", metavar="N", help="Processes that share the rows of --list; by default one a core, or 1 with a GPU."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Share the rows of --list over a cluster of Ray (extra `ray`): HOST:PORT, auto or local; --jobs is then "
        "the number of processes in all, by default one a GPU, or one a core.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace another run that is in DIR.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes, only errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def config_of(
    model: str | None,
    propagation: str | None,
    tracker: str | None,
    device: str | None,
    precision: str | None,
    settings: list[str] | None,
    *,
    masks: bool = False,
) -> SystemConfig:
    """The system that the options describe; what is not given has its default.

    masks: it is to follow the objects of masks, and not what expressions name. Raises `RvosError`, all in one line,
    also for settings that mean nothing there.
    """
    config = _described(model, propagation, tracker, device, precision, settings)
    if masks:
        config.check_masks()
    else:
        config.check_words()
    return config


def _described(
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
        from rvos.system import config_of

        return config_of(texts)
    from rvos.configuration import system_config

    return system_config(settings or (), propagation=propagation, tracker=tracker, **texts)


def segmenter_of(config: SystemConfig, quiet: bool, *, masks: bool = False) -> VideoSegmenter:
    """The described system, for all that a command does; its model is loaded when it is first needed, and packaged
    weights are brought then. masks: it follows the objects of masks."""
    from image_core.mask_model import PACKAGED
    from rvos.commands.fetching import weights_at_hand
    from rvos.commands.machine import leave_one_thread_to_blas, share_cores
    from rvos.segmenter import VideoSegmenter

    leave_one_thread_to_blas()
    if not masks or config.masks_need_a_network:
        packaged = PACKAGED.get(config.model)
        share_cores(all_for_the_network=packaged is not None and packaged.is_slow)
    return VideoSegmenter.of(config, partial(weights_at_hand, quiet=quiet))


def segmenter_of_share(config: SystemConfig, quiet: bool, processes: int) -> VideoSegmenter:
    """`segmenter_of` in one of so many processes that work side by side."""
    from rvos.commands.machine import take_share

    be_quiet(quiet)
    segmenter = segmenter_of(config, quiet)
    take_share(processes)
    return segmenter


def is_cuda(device: str) -> bool:
    """Whether a GPU computes where this device is chosen. It brings torch; raises `ConfigError` as it is not there."""
    from image_core.device import resolve_device

    return resolve_device(device).type == "cuda"


def workers_of(count: int | None) -> int:
    """How many processes; one a core for None. Raises `ConfigError` for fewer than one."""
    from rvos.commands.machine import core_count

    if count is None:
        return core_count()
    if count < 1:
        raise ConfigError(f"--workers: expected 1 or more, got {count}")
    return count


def shard_of(text: str) -> tuple[int, int]:
    """`2/8` -> (2, 8). Raises `ConfigError` for another form."""
    first, _, last = text.partition("/")
    if not all(re.fullmatch("[0-9]{1,9}", part) for part in (first, last)):
        raise ConfigError(f"--shard: expected I/N, for example 1/4, got '{text}'")
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
        raise ConfigError(f"{dataset}: expected --root, the folder that the dataset lies in, got none")
    if not root.is_dir():
        raise DataError(f"--root: expected the folder that {dataset} lies in, got {root}, which is no folder")
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
        raise ConfigError(f"--save: expected names with commas between, for example overlay,masks, got '{text}'")
    return names


def frames_of(text: str | None, formats: Sequence[str]) -> range | None:
    """`10:20` -> range(10, 20), 0-based and half-open; None stays None. Raises `ConfigError`, also where none of the
    formats would heed it."""
    if text is None:
        return None
    if "frames" not in formats:
        got = ", ".join(formats)
        raise ConfigError(f"--only-frames: expected the format frames, which it is for, got {got}: leave it out")
    first, _, last = text.partition(":")
    if not all(re.fullmatch("[0-9]{1,9}", part) for part in (first, last)) or int(first) >= int(last):
        raise ConfigError(f"--only-frames: expected FIRST:LAST with FIRST < LAST, for example 10:20, got '{text}'")
    return range(int(first), int(last))
