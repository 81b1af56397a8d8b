"""The arms of the comparison: the changes of each, and which of them share round 0."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

STEPS = {"safari": (0, 1500, 500, 2), "partial_res": (900, 800, 800, 1)}
"""Model -> steps on boxes alone, of round 0 and of each later round, and how many of these: 2,500 together. Partial-RES
has its own stages: boxes of all images, masks, masks and pseudo masks, both of the latter from the first."""

COMMON = (
    "data=refcoco",
    "data.expressions_per_image=4",
    "data.augment=true",
    "data.images=null",
    "bootstrap.proposals=colour_regions",
    "bootstrap.scorer=runs/image_text_pair/pair.safetensors",
    "ema=0.99",
    "workers=0",
    "eval_every=100000",
    "eval_images=100",
    "save_every=250",
)

LABELS_ALONE = ("bootstrap.gamma_max=0",)
UNFILTERED = ("bootstrap.boxes=none", "bootstrap.filter.name=everything")
FULL = ()


@dataclass(frozen=True)
class Arm:
    """One training."""

    name: str
    method: str  # "labels" alone, "unfiltered" pseudo labels, the "full" method, or "partial_res"
    share: float  # of the masks
    seed: int = 0
    ablation: str = ""  # the part that is removed from the full method
    changes: tuple[str, ...] = ()  # overrides
    begins_as: str | None = None  # the arm whose round 0 is the same
    model: str = "safari"  # or "partial_res"

    @property
    def overrides(self) -> list[str]:
        """The overrides of `rvos bootstrap`, without output folder and initial weights."""
        _, first, later, rounds = STEPS[self.model]
        return [
            f"experiment=synthetic_{self.model}_tiny",
            # With all masks there is nothing to label; that arm gets its share when it is trained.
            f"labels={min(self.share, 0.5)}",
            f"seed={self.seed}",
            *COMMON,
            f"bootstrap.first_steps={first}",
            f"bootstrap.round_steps={later}",
            f"bootstrap.rounds={rounds}",
            *self.changes,
        ]

    def describe(self) -> dict[str, Any]:
        """For the JSON."""
        return asdict(self)


def _three(percent: int, seed: int) -> list[Arm]:
    """Labels alone, unfiltered and full, on one share and seed."""
    tag = f"{percent}_s{seed}"
    share, first = percent / 100, f"labels_{tag}"
    return [
        Arm(first, "labels", share, seed, changes=LABELS_ALONE),
        Arm(f"full_{tag}", "full", share, seed, changes=FULL, begins_as=first),
        Arm(f"unfiltered_{tag}", "unfiltered", share, seed, changes=UNFILTERED, begins_as=first),
    ]


def _partial_res(percent: int) -> list[Arm]:
    return [
        Arm(f"partial_res_{percent}_s0", "partial_res", percent / 100, model="partial_res")
    ]  # fmt: skip


def _without(name: str, *changes: str, begins_as: str | None = None) -> Arm:
    return Arm(f"full_10_s0_{name}", "full", 0.1, ablation=name, changes=changes, begins_as=begins_as)


ARMS: list[Arm] = [
    *_three(10, 0),
    *_partial_res(10),
    Arm("labels_100_s0", "labels", 1.0, changes=LABELS_ALONE),
    *_three(30, 0),
    *_partial_res(30),
    _without("gates", "model.config.gate=none"),
    _without("consistency", "model.config.amcr_weight=0"),
    _without("growing_gamma", "bootstrap.gamma_schedule=fixed", begins_as="labels_10_s0"),
    *_three(10, 1),
    *_three(10, 2),
]
"""The most informative first, for interim reports. The arm without the filter is `unfiltered`."""
