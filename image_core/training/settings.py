"""Every setting of a training run, as frozen dataclasses: checked at birth, no configuration library below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from image_core.device import Precision
from image_core.errors import ConfigError
from image_core.models.table import ModelSpec
from image_core.preprocessing import Preprocessing


@dataclass(frozen=True)
class DataSpec:
    """What is trained on. name: `synthetic`, or a dataset of `image_core.data` under `root`; `split_by`: who made its
    splits (refcoco: unc); expressions_per_image: E of a training sample; augment: flips, colours, crops."""

    name: str = "synthetic"
    root: str | None = None
    split_by: str | None = None
    expressions_per_image: int = 4
    augment: bool = True


@dataclass(frozen=True)
class OptimiserSpec:
    """AdamW. Encoders learn at `lr * encoder_factor`; norms, biases and other vectors are not decayed. `decay` goes to
    `final_factor * lr` after a linear warm-up; poly uses `power`. clip: largest gradient norm, 0 = off."""

    lr: float = 5e-5
    encoder_factor: float = 1.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    warmup_steps: int = 0
    decay: Literal["cosine", "poly", "constant"] = "poly"
    power: float = 0.9
    final_factor: float = 0.0


@dataclass(frozen=True)
class TrainSettings:
    """A whole run. steps: optimiser steps; batch_images: pictures a step, over all processes;
    sizes: (share of the run, size_px) pairs in rising order: from that share on, pictures have that size (progressive
    resizing; empty = the size of `preprocessing` throughout); ema: decay of the averaged weights, 0 = off;
    workers: loading processes a training process; *_every: steps; eval_images: pictures of the validation split."""

    model: ModelSpec
    preprocessing: Preprocessing
    out: Path
    data: DataSpec = field(default_factory=DataSpec)
    optimiser: OptimiserSpec = field(default_factory=OptimiserSpec)
    steps: int = 1000
    batch_images: int = 16
    sizes: tuple[tuple[float, int], ...] = ()
    ema: float = 0.999
    precision: Precision = "fp32"
    device: str = "auto"
    seed: int = 0
    workers: int = 1
    log_every: int = 50
    save_every: int = 500
    eval_every: int = 2000
    eval_images: int = 200

    def __post_init__(self) -> None:
        faults = []
        if min(self.steps, self.batch_images, self.log_every, self.save_every, self.eval_every, self.eval_images) < 1:
            faults.append("steps, batch_images, log_every, save_every, eval_every and eval_images must be at least 1")
        if self.workers < 0:
            faults.append(f"workers is {self.workers}, wanted 0 or more")
        if not 0 <= self.ema < 1:
            faults.append(f"ema is {self.ema}, wanted 0 (off) to below 1")
        shares = [share for share, _ in self.sizes]
        if shares != sorted(shares) or (shares and shares[0] != 0):
            faults.append(f"sizes begin at shares {shares}, wanted them rising from 0")
        if any(px % self.preprocessing.multiple for _, px in self.sizes):
            faults.append(
                f"sizes are {[px for _, px in self.sizes]} px, wanted multiples of {self.preprocessing.multiple}"
            )
        if self.optimiser.warmup_steps >= self.steps:
            faults.append(f"warmup_steps is {self.optimiser.warmup_steps}, wanted less than steps ({self.steps})")
        if self.data.name != "synthetic" and self.data.root is None:
            faults.append(f"data.name is {self.data.name}, which needs data.root=FOLDER")
        if faults:
            raise ConfigError("; ".join(faults))

    def size_px(self, step: int) -> int:
        """The picture size of a step, in pixels."""
        size = self.preprocessing.size_px
        for share, px in self.sizes:
            if step >= share * self.steps:
                size = px
        return size

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the run's `settings.json`."""
        return asdict(self) | {"out": str(self.out), "preprocessing": self.preprocessing.to_dict()}


def resumable_with(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The settings in which two runs differ and that change what is learned (where and how often do not)."""
    free = {"out", "device", "workers", "log_every", "save_every", "eval_every", "eval_images"}
    return sorted(key for key in old.keys() | new.keys() if key not in free and old.get(key) != new.get(key))
