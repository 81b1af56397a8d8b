"""The regions of an answer on a frame, which are assigned to tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from image_core.answer import Candidate
from image_core.geometry.masks import resize_masks
from image_core.ranges import Count, Share, check_ranges
from rvos.tracking.carrying.appearance import pixel_features, work_size
from rvos.tracking.carrying.object_tracker import at_work_size
from rvos.tracking.maps.steadying import SteadyMap
from rvos.view.frame_view import View


@dataclass(frozen=True)
class RegionsConfig:
    """The numbers by which an answer becomes regions."""

    #: Most regions of an answer: the likeliest candidates, or the largest connected components of a map.
    most: Count = 8
    #: Least area of a region in pixels at work size. If all candidates are smaller, the likeliest is kept.
    least_px: Count = 12
    #: Overlap (IoU) from which on two candidates show the same object; only the likelier is kept.
    same: Share = 0.7
    #: Probability above which a pixel of a map belongs to a region.
    candidate: Share = 0.4

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Region:
    """One candidate of an answer, or one connected component of its map."""

    #: (H, W) bool at frame size, as the model drew it; None for a region of a map, whose mask is made from `soft`.
    mask: np.ndarray | None
    #: (h, w) float32 in [0, 1] at work size: the share of each pixel inside the mask; of a map, its probabilities.
    soft: np.ndarray
    #: [0, 1], the probability that this is meant, if the target is present.
    likelihood: float
    #: [0, 1], the quality of the mask.
    quality: float
    #: (C,) float32, mean pixel features.
    appearance: np.ndarray

    @property
    def core(self) -> np.ndarray:
        """(h, w) bool at work size: `soft` above 0.5."""
        return self.soft > 0.5


def appearance_of(view: View, soft: np.ndarray) -> np.ndarray:
    """(C,) float32: the mean pixel features inside a mask. soft: (h, w) in [0, 1] at work size; above 0.5 is inside."""
    features = view.once(pixel_features)
    height, width = features.shape[:2]
    small = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
    inside = small > min(0.5, float(small.max()) * 0.99)
    return features[inside].mean(0) if inside.any() else features.mean((0, 1))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; 0 for two empty ones."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 0.0


def region_of_mask(view: View, mask: np.ndarray) -> Region:
    """The region of a mask that the user gave, (H, W) bool of the frame, not empty: likelihood and quality are 1."""
    soft = at_work_size(view, mask)
    return Region(mask, soft, 1.0, 1.0, appearance_of(view, soft))


def regions_of_candidates(view: View, candidates: Sequence[Candidate], config: RegionsConfig) -> list[Region]:
    """The candidates of an answer, the likeliest first. One that shows the same object as a likelier one is left
    out."""
    kept: list[Region] = []
    height, width = work_size(view)
    for candidate in candidates[: config.most]:
        soft = cv2.resize(candidate.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        if not candidate.mask.any() or any(overlap(soft > 0.5, other.core) >= config.same for other in kept):
            continue
        mask = candidate.mask
        mask = mask if mask.shape == view.frame.size else resize_masks(mask[None], view.frame.size)[0]
        kept.append(Region(mask, soft, candidate.likelihood, candidate.quality, appearance_of(view, soft)))
    large = [region for region in kept if np.count_nonzero(region.core) >= config.least_px]
    return large or kept[:1]


def regions_of_map(view: View, steady: SteadyMap, config: RegionsConfig) -> list[Region]:
    """The connected components of a map above `candidate`, the likeliest first."""
    above = (steady.probs > config.candidate).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [i for i in np.argsort(-areas, kind="stable")[: config.most] if areas[i] >= config.least_px]
    parts = [labels == i + 1 for i in order] if count > 1 else []
    regions = [_of_part(view, part, steady) for part in parts]
    return sorted(regions, key=lambda region: -region.likelihood)


def _of_part(view: View, part: np.ndarray, steady: SteadyMap) -> Region:
    soft = np.where(part, steady.probs, 0).astype(np.float32)
    likelihood = float(steady.answered[part].mean())
    return Region(None, soft, likelihood, 1.0, appearance_of(view, part.astype(np.float32)))
