"""Every setting of bootstrapping, as frozen dataclasses that check their values and report all faults together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from image_core.errors import ConfigError
from image_core.training.config import TrainConfig
from image_core.weak.sparc import SparcConfig
from image_core.weak.validity import AcceptAll, MaskInBox, ProjectionLoss, ValidityFilter

FilterName = Literal["mask_in_box", "projection", "everything"]
GammaSchedule = Literal["linear", "fixed", "cosine"]
Start = Literal["previous", "first"]
Boxes = Literal["sparc", "truth", "none"]

_SEED_OF_ROUND = 1000
"""Added to the seed in each round. Otherwise every round would draw the same images with the same augmentation."""


@dataclass(frozen=True)
class FilterConfig:
    """A filter of pseudo labels."""

    name: FilterName = "mask_in_box"
    #: None is the filter's own.
    threshold: float | None = None
    #: mask_in_box: the whole mask has to be in the box, a threshold of 1.
    strict: bool = False
    #: mask_in_box: least IoU of the mask's own box and the box; None: the filter's own; 0, as published, asks for none.
    box_iou: float | None = None

    def faults(self) -> Iterator[str]:
        """One line for each contradiction."""
        if self.name not in get_args(FilterName):
            yield f"filter.name: expected one of {', '.join(get_args(FilterName))}, got {self.name}"
        if self.name != "mask_in_box" and (self.strict or self.box_iou is not None):
            yield f"filter.strict, filter.box_iou: expected filter.name=mask_in_box with them, got {self.name}"
        if self.strict and self.threshold is not None:
            yield f"filter.threshold: expected null with filter.strict, got {self.threshold}: leave one out"
        if self.name == "everything" and self.threshold is not None:
            yield f"filter.threshold: expected null with filter.name=everything, got {self.threshold}: leave it out"
        most = 2 if self.name == "projection" else 1
        number = type(self.threshold) in (int, float)
        if self.threshold is not None and not (number and 0 <= self.threshold <= most):
            yield f"filter.threshold: expected 0 to {most}, or null for the filter's own, got {self.threshold!r}"
        if self.box_iou is not None and not 0 <= self.box_iou <= 1:
            yield f"filter.box_iou: expected 0 to 1, got {self.box_iou}"

    def build(self) -> ValidityFilter:
        """The filter."""
        if self.name == "everything":
            return AcceptAll()
        if self.name == "projection":
            return ProjectionLoss() if self.threshold is None else ProjectionLoss(self.threshold)
        threshold = MaskInBox.threshold if self.threshold is None else self.threshold
        box_iou = MaskInBox.box_iou if self.box_iou is None else self.box_iou
        return MaskInBox(1.0 if self.strict else threshold, box_iou)


@dataclass(frozen=True)
class BootstrapConfig:
    """Training on few masks in rounds: round 0 on labelled images alone, then `rounds` with pseudo labels.

    The weight of the pseudo labels' loss in round t of T is gamma_max * t / T (linear), gamma_max (fixed) or
    gamma_max * (1 - cos(pi t / T)) / 2 (cosine). SafaRi publishes that it grows; linear to 1 is proposed.
    """

    #: The whole run; its `data.labels` is the share of labelled images.
    train: TrainConfig
    #: Steps of round 0.
    first_steps: int
    #: Steps of each other round.
    round_steps: int
    #: T, without round 0.
    rounds: int = 2
    #: 0: no pseudo labels, the control run on true labels alone for as many steps.
    gamma_max: float = 1.0
    gamma_schedule: GammaSchedule = "linear"
    #: The weights that a round starts from: those of the round before (SafaRi) or of `train.init` (Partial-RES; random
    #: ones without it).
    start: Start = "previous"
    filter: FilterConfig = field(default_factory=FilterConfig)
    #: sparc, none, or truth, which is 100 % box labels.
    boxes: Boxes = "sparc"
    #: As `build_proposer` names them; None: colour_regions, for synthetic data alone.
    proposals: str | None = None
    #: As `build_scorer` names it.
    scorer: str = "openai/clip-vit-base-patch32"
    sparc: SparcConfig = field(default_factory=SparcConfig)
    #: Images with pseudo labels a step; None: as many as labelled ones.
    pseudo_images: int | None = None

    def __post_init__(self) -> None:
        faults = [*self._faults(), *self.filter.faults()]
        if faults:
            raise ConfigError("; ".join(faults))

    def _faults(self) -> Iterator[str]:
        if self.rounds < 1 or min(self.first_steps, self.round_steps) <= self.train.optimiser.warmup_steps:
            yield (
                "rounds, first_steps and round_steps: expected 1 round or more, and more steps than "
                f"optimiser.warmup_steps ({self.train.optimiser.warmup_steps}), "
                f"got {self.rounds}, {self.first_steps} and {self.round_steps}"
            )
        if not self.train.data.labels < 1:
            yield f"labels: expected a share below 1, got {self.train.data.labels}: leave pictures for pseudo labels"
        if not 0 <= self.gamma_max < math.inf:
            yield f"gamma_max: expected a number of 0 or more, got {self.gamma_max}"
        for name, kind in (("gamma_schedule", GammaSchedule), ("start", Start), ("boxes", Boxes)):
            if getattr(self, name) not in get_args(kind):
                yield f"{name}: expected one of {', '.join(get_args(kind))}, got {getattr(self, name)}"
        sparc = self.boxes == "sparc" and self.gamma_max > 0
        if sparc and self.proposals is None and self.train.data.name != "synthetic":
            yield (
                f"proposals: expected a name for data.name={self.train.data.name}, got null: give a detector by hub "
                "name or folder, boxes:FILE, or colour_regions for drawn shapes"
            )
        if self.proposals is not None and not isinstance(self.proposals, str):
            yield f"proposals: expected a name, got {self.proposals!r}"
        if self.boxes == "none" and self.filter.name != "everything":
            yield f"filter.name: expected everything with boxes=none, got {self.filter.name}: take boxes=sparc or truth"
        if self.pseudo_images is not None and (type(self.pseudo_images) is not int or self.pseudo_images < 1):
            yield f"pseudo_images: expected 1 or more, got {self.pseudo_images!r}"

    def gamma(self, round: int) -> float:
        """The weight of the pseudo labels in a round from 1 on."""
        share = round / self.rounds
        grown = {"linear": share, "fixed": 1.0, "cosine": (1 - math.cos(math.pi * share)) / 2}
        return self.gamma_max * grown[self.gamma_schedule]

    def round(self, round: int) -> TrainConfig:
        """The training of a round, from 0 on, in its own folder, with draws of its own."""
        out = self.train.out / f"round_{round}"
        seed = self.train.seed + _SEED_OF_ROUND * round
        if round == 0:
            return replace(self.train, out=out, steps=self.first_steps)
        before = self.train.out / f"round_{round - 1}" / "model.safetensors"
        init = str(before) if self.start == "previous" else self.train.init
        return replace(self.train, out=out, steps=self.round_steps, init=init, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: those of the training, and under "bootstrap" what is added to them."""
        added = {key: value for key, value in asdict(self).items() if key != "train"}
        return self.train.to_dict() | {"bootstrap": added}
