"""Every setting of a training run, as frozen dataclasses that check their values; no configuration library is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from image_core.device_names import PrecisionOrAuto
from image_core.errors import ConfigError
from image_core.folder import RunKind
from image_core.models.description import ModelConfig
from image_core.preprocessing import Preprocessing

Decay = Literal["cosine", "poly", "steps", "constant"]


@dataclass(frozen=True)
class DataConfig:
    """What is trained on."""

    #: `synthetic`, or a dataset of `image_core.data` under `root`.
    name: str = "synthetic"
    #: The folder of that dataset.
    root: str | None = None
    #: Who made its splits (refcoco: unc).
    split_by: str | None = None
    #: E of a training sample.
    expressions_per_image: int = 4
    #: Flips, colours, crops.
    augment: bool = True
    #: Images of the synthetic training split; None: unlimited.
    images: int | None = None
    #: Share of the training images whose masks are used, in (0, 1].
    labels: float = 1.0


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW, which is Adam where nothing is decayed."""

    #: The highest learning rate.
    lr: float = 5e-5
    #: The learning rate of encoders is lr * encoder_factor.
    encoder_factor: float = 1.0
    #: The learning rate of scalar gates between modalities is lr * gate_factor: AdamW moves a number by about lr a
    #: step, so that at 5e-5 a gate that starts shut (b = -4) stays shut.
    gate_factor: float = 1.0
    #: Of matrices and kernels.
    weight_decay: float = 0.01
    #: Decay norms, biases and other vectors as well.
    decay_vectors: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    #: Added to the denominator of an update.
    eps: float = 1e-8
    #: Use the largest second moment so far in place of the current one.
    amsgrad: bool = False
    #: Parts that are not trained, by the start of their parameters' names: `text.embeddings`. Batch norms in them still
    #: update their statistics.
    frozen: tuple[str, ...] = ()
    #: Largest gradient norm; 0: off.
    clip: float = 1.0
    #: Steps over which the rate rises, linearly.
    warmup_steps: int = 0
    #: How the rate falls after the warm-up, down to lr * final_factor.
    decay: Decay = "poly"
    #: The exponent of `poly`.
    power: float = 0.9
    #: For `steps`: rising shares of the run, after each of which the rate is divided by ten.
    drops: tuple[float, ...] = ()
    final_factor: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """A whole run."""

    model: ModelConfig
    preprocessing: Preprocessing
    #: The folder of the run.
    out: Path
    #: Model file, or embedded model's name, whose weights the run starts from.
    init: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    #: Optimiser steps.
    steps: int = 1000
    #: Images a step, over all processes.
    batch_images: int = 16
    #: (share of the run, size_px), rising: images have that size from that share on (progressive resizing). Empty:
    #: the size of `preprocessing` throughout.
    sizes: tuple[tuple[float, int], ...] = ()
    #: Decay of the averaged weights; 0: off.
    ema: float = 0.999
    #: auto: bf16 where the device computes in it, else fp32. Another machine may then round differently.
    precision: PrecisionOrAuto = "fp32"
    device: str = "auto"
    seed: int = 0
    #: Loading processes for each training process.
    workers: int = 1
    #: Steps from one line of the log to the next.
    log_every: int = 50
    #: Steps from one saved state to the next.
    save_every: int = 500
    #: Steps from one validation to the next.
    eval_every: int = 2000
    #: Images of the validation split that it takes.
    eval_images: int = 200

    def __post_init__(self) -> None:
        faults = [
            *self._faults_of_counts(),
            *self._faults_of_sizes(),
            *self._faults_of_parts(),
            *self._faults_of_data(),
        ]
        if faults:
            raise ConfigError("; ".join(faults))

    def _faults_of_counts(self) -> Iterator[str]:
        if min(self.steps, self.batch_images, self.log_every, self.save_every, self.eval_every, self.eval_images) < 1:
            yield "steps, batch_images, log_every, save_every, eval_every, eval_images: expected at least 1, got less"
        if min(self.workers, self.seed) < 0:
            yield f"workers and seed: expected 0 or more, got {self.workers} and {self.seed}"
        if not 0 <= self.ema < 1:
            yield f"ema: expected 0 (off) to below 1, got {self.ema}"
        if self.precision not in get_args(PrecisionOrAuto):
            yield f"precision: expected one of {', '.join(get_args(PrecisionOrAuto))}, got {self.precision}"

    def _faults_of_sizes(self) -> Iterator[str]:
        pairs = self.sizes if isinstance(self.sizes, Sequence) else [self.sizes]
        if any(not isinstance(pair, Sequence) or len(pair) != 2 for pair in pairs):
            yield f"sizes: expected pairs [share of the run, pixels], got {self.sizes!r}"
            return
        shares, sides = [share for share, _ in self.sizes], [px for _, px in self.sizes]
        if shares and (shares != sorted(set(shares)) or shares[0] != 0 or shares[-1] >= 1):
            yield f"sizes: expected shares that rise from 0 to below 1, got {shares}"
        multiple = self.preprocessing.multiple
        if any(px < multiple or px % multiple for px in sides):
            yield f"sizes: expected pixels in multiples of {multiple}, got {sides}"

    def _faults_of_parts(self) -> Iterator[str]:
        o = self.optimiser
        if o.decay not in get_args(Decay):
            yield f"optimiser.decay: expected one of {', '.join(get_args(Decay))}, got {o.decay}"
        if min(o.lr, o.eps) <= 0 or min(o.encoder_factor, o.gate_factor, o.weight_decay, o.clip, o.final_factor) < 0:
            yield "optimiser: expected lr and eps above 0, and the factors, weight_decay and clip from 0, got less"
        if list(o.drops) != sorted(set(o.drops)) or any(not 0 < share < 1 for share in o.drops):
            yield f"optimiser.drops: expected shares of the run that rise between 0 and 1, got {o.drops}"
        if (o.decay == "steps") != bool(o.drops):
            yield f"optimiser.drops: expected shares with decay=steps, and none without, got {o.drops} with {o.decay}"
        if len(o.betas) != 2 or not all(0 <= beta < 1 for beta in o.betas):
            yield f"optimiser.betas: expected two numbers from 0 to below 1, got {o.betas}"
        if not 0 <= o.warmup_steps < self.steps:
            yield f"optimiser.warmup_steps: expected 0 to less than steps ({self.steps}), got {o.warmup_steps}"

    def _faults_of_data(self) -> Iterator[str]:
        data = self.data
        if data.expressions_per_image < 1:
            yield f"data.expressions_per_image: expected 1 or more, got {data.expressions_per_image}"
        if data.name != "synthetic" and data.root is None:
            yield f"data.root: expected a folder for data.name={data.name}, got null: give data.root=FOLDER"
        if data.images is not None and (type(data.images) is not int or data.images < 1):
            yield f"data.images: expected 1 or more, got {data.images!r}"
        if data.images is not None and data.name != "synthetic":
            yield f"data.images: expected data.name=synthetic with it, got {data.name}: leave it out"
        if not 0 < data.labels <= 1:
            yield f"data.labels: expected a share above 0 and up to 1, got {data.labels}"
        elif data.labels < 1 and data.name == "synthetic" and data.images is None:
            yield (
                f"data.labels: expected 1 for endless synthetic pictures, got {data.labels}: "
                "say how many there are, data.images=NUMBER"
            )

    def size_px(self, step: int) -> int:
        """The image size of a step, in pixels."""
        size = self.preprocessing.size_px
        for share, px in self.sizes:
            if step >= share * self.steps:
                size = px
        return size

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the run's `settings.json`."""
        return asdict(self) | {"out": str(self.out), "preprocessing": self.preprocessing.to_dict()}


TRAINING = RunKind(
    "rvos training",
    ignored_keys=frozenset({"out", "device", "workers", "log_every", "save_every", "eval_every", "eval_images"}),
    lock_timeout_s=10,  # the loading processes of a killed run notice within 5 s that it is gone
    overwrite_advice="remove it",
    other_folder_advice="take another out=",
)
"""The folder of a training. Paths, and how often something is written, may differ when a run is continued: they do not
change what is learned."""
