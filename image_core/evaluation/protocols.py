"""The published ways to compare a predicted mask with the true mask of a referring image, as a table of pure rules.

All begin with the output of our models, logits at the image's own size. A paper that compares at the size of its
network has no such logits. Here they are resized to that size, so those rules are rebuilt and not verified; the IoU and
the thresholds themselves agree with the papers' own evaluators (`metrics.py`). Every protocol scores every expression
of a reference; where a paper takes only one, the protocol's text says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from image_core.geometry.masks import nearest, overlap
from image_core.geometry.planes import resize_logits
from image_core.metrics import GrefcocoMetrics, RefcocoMetrics

Plane = Literal["native", "squash_480", "bicubic", "keep_ratio_640"]
"""The size at which two masks are compared: the image's own; squashed to 480 x 480; the image's own, after resizing
to 480 x 480 and back as probabilities; 640 px at the longer side."""

SQUASHED = (480, 480)
LONGER_PX = 640
FEW_PIXELS = 50
"""ReLA's rule for networks without a no-target head: a mask of fewer pixels is no target."""


@dataclass(frozen=True)
class ImageProtocol:
    """One paper's rules."""

    #: The rules in words, for reports.
    text: str
    #: Where masks are compared.
    plane: Plane
    #: Of `metrics.py`; rela is `GrefcocoMetrics`.
    rule: Literal["lavt", "cgformer", "rela"]
    #: When an answer is "no target": never, by the model's presence, or for a mask of fewer than `FEW_PIXELS`.
    absent: Literal["never", "presence", "few_pixels"] = "never"
    #: The true mask is rasterised on the plane, polygon by polygon, and not resized.
    rasterised: bool = False
    #: IoU = I / P, P the predicted pixels, where the true mask has more than one polygon.
    crowd: bool = False
    #: oIoU is among its metrics.
    has_overall: bool = True
    #: The whole computation, from image to metric, agrees with the paper's own code.
    verified: bool = False


_LAVT = "480 x 480, picture squashed, truth by nearest neighbour"
_RELA = "480 x 480, picture squashed, truth drawn there from its polygons"
_SEQTR = (
    "640 px at the longer side (padding cannot change IoU), truth by nearest neighbour, IoU >= X; the paper takes one "
    "sentence of each reference, here all are asked"
)

PROTOCOLS = {
    "lavt": ImageProtocol(f"{_LAVT}, IoU >= X, every mask counts whatever presence says", "squash_480", "lavt"),
    "rela": ImageProtocol(
        f"{_RELA}, IoU >= X; judged absent with a target is IoU 0, rightly absent IoU 1",
        "squash_480",
        "rela",
        absent="presence",
        rasterised=True,
    ),
    "rela_50px": ImageProtocol(
        f"as rela, but absent is a mask of fewer than {FEW_PIXELS} pixels at 480 x 480",
        "squash_480",
        "rela",
        absent="few_pixels",
        rasterised=True,
    ),
    "cgformer": ImageProtocol(
        "probabilities of 480 x 480 back to the picture's size (bicubic), above 0.5, IoU > X, every sentence, as its "
        "test script; its validation during training takes only the last sentence, at 480 x 480",
        "bicubic",
        "cgformer",
    ),
    "seqtr": ImageProtocol(_SEQTR, "keep_ratio_640", "lavt", has_overall=False),
    "seqtr_crowd_iou": ImageProtocol(
        f"{_SEQTR}; IoU = I / P where the truth has more than one polygon (its code's lenient rule)",
        "keep_ratio_640",
        "lavt",
        crowd=True,
        has_overall=False,
    ),
}

NATIVE = (
    "masks at native resolution, IoU >= X; mIoU, oIoU, Pr over expressions with a target, absent = empty mask; "
    "gIoU, cIoU, N-acc, T-acc over all"
)
"""What stands at the top of `metrics.json`, by `ReferringMetrics`."""


def plane_size(size: tuple[int, int], plane: Plane) -> tuple[int, int]:
    """(height, width) of the masks of a plane, of an image of `size`."""
    if plane == "squash_480":
        return SQUASHED
    if plane == "keep_ratio_640":
        scale = LONGER_PX / max(size)
        return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))
    return size


def predicted_mask(logits: np.ndarray, plane: Plane) -> np.ndarray:
    """(H, W) float32 raw logits at the image's own size -> the bool mask on a plane."""
    if plane == "native":
        return logits > 0
    raw = torch.from_numpy(np.ascontiguousarray(logits))
    if plane == "bicubic":
        probs = torch.sigmoid(_resized(raw, SQUASHED))
        back = F.interpolate(probs[None, None], size=tuple(logits.shape), mode="bicubic", align_corners=True)
        return (back[0, 0] > 0.5).numpy()
    return (_resized(raw, plane_size((logits.shape[0], logits.shape[1]), plane)) > 0).numpy()


def true_mask(mask: np.ndarray, plane: Plane) -> np.ndarray:
    """(H, W) bool at the image's own size -> the bool mask on a plane, by nearest neighbour."""
    return nearest(mask, plane_size((mask.shape[0], mask.shape[1]), plane))


def _resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return resize_logits(logits[None], size)[0]


class ProtocolScore:
    """The figures of one protocol, streaming: `add` or `fail` one expression at a time, `compute`."""

    def __init__(self, protocol: ImageProtocol) -> None:
        self.protocol = protocol
        self._metrics = GrefcocoMetrics() if protocol.rule == "rela" else RefcocoMetrics(protocol.rule)

    def add(
        self,
        predicted: np.ndarray,
        truth: np.ndarray,
        presence: float,
        polygons: int = 1,
        rasterised: np.ndarray | None = None,
    ) -> None:
        """predicted: bool mask on the protocol's plane; truth: (H, W) bool, the true mask at the image's own size;
        presence: [0, 1]; polygons: their number in the true mask; rasterised: the true mask rasterised on the plane,
        for protocols that want it; None: it is resized."""
        truth_on_plane = true_mask(truth, self.protocol.plane) if rasterised is None else rasterised
        intersection, union = overlap(predicted, truth_on_plane)
        area = int(np.count_nonzero(predicted))
        if self.protocol.crowd and polygons > 1:
            union = area
        present = presence >= 0.5 if self.protocol.absent == "presence" else area >= FEW_PIXELS
        self.count(intersection, union, has_target=bool(truth.any()), present=present)

    def fail(self, truth: np.ndarray | None, has_target: bool) -> None:
        """An expression that got no answer: IoU 0, wrong about presence. truth: (H, W) bool, None where not known."""
        union = 0 if truth is None else int(np.count_nonzero(true_mask(truth, self.protocol.plane)))
        self.count(0, union, has_target=has_target, present=not has_target)

    def count(self, intersection: int, union: int, *, has_target: bool, present: bool) -> None:
        """One expression by its pixel counts on the plane."""
        if isinstance(self._metrics, GrefcocoMetrics):
            self._metrics.add(intersection, union, has_target=has_target, present=present)
        else:
            self._metrics.add(intersection, union)

    def compute(self) -> dict[str, Any]:
        """The published figures by name, "protocol" (the rules in words) and "verified"."""
        figures = self._metrics.compute()
        if not self.protocol.has_overall:
            figures.pop("oIoU")
        return {"protocol": self.protocol.text, "verified": self.protocol.verified, **figures}
