"""The answer of an image model to one expression on one image: the one type between models and everything that uses
them. It is made of NumPy arrays, so that a model of any framework can return it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from image_core.geometry.masks import bounding_box, resize_masks

MAX_LOG_ODDS = 6.0
"""Log-odds of a pixel in a candidate of likelihood and quality 1; its negative outside all candidates."""
MAX_CANDIDATES = 8
MIN_CELLS = 2
"""Smaller regions of a map are dropped, unless there is none larger."""


@dataclass(frozen=True)
class Candidate:
    """One region that the expression may mean.

    Raises `ValueError` for a mask that is not (h, w) bool, and for numbers outside of [0, 1].
    """

    #: (h, w) bool, the whole image at any resolution.
    mask: np.ndarray
    #: [0, 1], the probability that this is the target, or one of several, given that there is a target.
    likelihood: float = 1.0
    #: [0, 1], the expected IoU of the mask with the object that it shows.
    quality: float = 1.0

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_ or not self.mask.size:
            raise ValueError(
                f"Candidate.mask: expected bool (h, w), got {self.mask.dtype} {self.mask.shape}: "
                "compare probabilities with a threshold (probs > 0.5)"
            )
        _check_unit_interval(self, "likelihood", "quality")

    @cached_property
    def box_xyxy(self) -> tuple[int, int, int, int] | None:
        """[x0, y0, x1, y1) around the mask, in its own pixels; None when it is empty."""
        return bounding_box(self.mask)


@dataclass(frozen=True)
class DenseMap:
    """Log-odds that each cell of an image belongs to the target, given that there is one; the mask is where they are
    above 0.

    Raises `ValueError` for another rank or type, for numbers that are not finite, and for too few cells.
    """

    #: (h, w) float32, at the model's own size, without padding.
    log_odds: np.ndarray
    #: Side of a cell in pixels of the model's input.
    stride: int = 1
    #: (height, width) of the image in pixels of the model's input; None where it is h * stride by w * stride. Where
    #: it does not divide by the stride, the last row or column of cells is partly padding.
    valid_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.log_odds.ndim != 2 or self.log_odds.dtype != np.float32 or not self.log_odds.size:
            raise ValueError(f"DenseMap: expected float32 (h, w), got {self.log_odds.dtype} {self.log_odds.shape}")
        if not np.isfinite(self.log_odds).all():
            raise ValueError("DenseMap: expected finite log-odds, got NaN or infinity")
        if self.valid_px is not None:
            cells = tuple(-(-v // self.stride) for v in self.valid_px)
            if cells != self.log_odds.shape:
                raise ValueError(
                    f"DenseMap: expected {cells} cells of {self.stride} px for {self.valid_px} valid pixels, "
                    f"got {self.log_odds.shape}"
                )

    def at(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) float32: the map at a size (height, width), bilinear.

        Where the last cells are partly padding, all cells are enlarged and the padding is cut off afterwards. This
        keeps the two grids within half a pixel of each other.
        """
        from image_core.geometry.planes import resize_plane  # here: torch is slow to import, and masks need none

        cells = self.log_odds.shape
        valid = self.valid_px or (cells[0] * self.stride, cells[1] * self.stride)
        full = tuple(round(c * self.stride * s / v) for c, s, v in zip(cells, size, valid, strict=True))
        return resize_plane(self.log_odds, (full[0], full[1]))[: size[0], : size[1]]


@dataclass(frozen=True)
class MaskAnswer:
    """The answer to one expression on one image. Made by `of_mask`, `of_map` or from candidates.

    Raises `ValueError` for numbers outside of [0, 1], and for candidates in another order.
    """

    #: The regions that may be the target, the likeliest first; () if there are none.
    candidates: tuple[Candidate, ...]
    #: [0, 1], calibrated probability that the image shows a target of the expression.
    presence: float
    #: [0, 1], confidence in the mask, if there is a target.
    score: float = 1.0
    #: For a dense model: the log-odds of every cell, from which the mask is taken.
    map: DenseMap | None = None

    def __post_init__(self) -> None:
        _check_unit_interval(self, "presence", "score")
        likelihoods = [candidate.likelihood for candidate in self.candidates]
        if likelihoods != sorted(likelihoods, reverse=True):
            raise ValueError(f"MaskAnswer.candidates: expected the likeliest first, got likelihoods {likelihoods}")

    @classmethod
    def of_mask(cls, mask: np.ndarray, presence: float = 1.0, score: float = 1.0) -> MaskAnswer:
        """The answer of a model that returns a mask alone, (h, w) bool at any resolution."""
        candidate = Candidate(mask)
        return cls((candidate,) if candidate.mask.any() else (), presence, score)

    @classmethod
    def of_map(cls, dense: DenseMap, presence: float, score: float) -> MaskAnswer:
        """The answer of a dense model; its candidates are the regions of the map."""
        return cls(candidates_of(dense), presence, score, dense)

    def mask(self, size: tuple[int, int], presence_threshold: float = 0.5) -> np.ndarray:
        """(H, W) bool at a size (height, width): all False where the presence is below the threshold.

        The part of the map above 0; without a map, all candidates with a likelihood of at least one half. Raises
        `ValueError` for a size below 1 px.
        """
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"MaskAnswer.mask: expected a size (height, width) of at least 1 px, got {size}")
        if self.presence < presence_threshold:
            return np.zeros(size, dtype=bool)
        if self.map is not None:
            return self.map.at(size) > 0
        masks = [c.mask for c in self.candidates if c.likelihood >= 0.5]
        return np.logical_or.reduce([np.zeros(size, dtype=bool), *(_resized(mask, size) for mask in masks)])

    def candidates_at(self, size: tuple[int, int], max_count: int = MAX_CANDIDATES) -> tuple[Candidate, ...]:
        """The likeliest candidates, at most `max_count`, with masks at a size (height, width), whatever the presence.
        If there is a map, edges are those of the map at this size."""
        above = None if self.map is None else self.map.at(size) > 0
        return tuple(
            replace(one, mask=_refine_edge(_resized(one.mask, size), above)) for one in self.candidates[:max_count]
        )

    def log_odds(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) float32 at a size (height, width): the log-odds that each pixel belongs to the target, given that
        there is one.

        Those of the map; without a map, those of the best candidate that covers the pixel.
        """
        if self.map is not None:
            return self.map.at(size)
        probs = np.zeros(size, np.float32)
        for candidate in self.candidates:
            expected_iou = candidate.likelihood * candidate.quality
            probs = np.maximum(probs, np.where(_resized(candidate.mask, size), np.float32(expected_iou), 0))
        min_prob = 1 / (1 + np.exp(MAX_LOG_ODDS))
        kept = np.clip(probs, min_prob, 1 - min_prob)
        return np.log(kept / (1 - kept)).astype(np.float32)


def candidates_of(dense: DenseMap) -> tuple[Candidate, ...]:
    """The connected regions of a map above 0, the likeliest first, at most `MAX_CANDIDATES`.

    likelihood: the mean probability of the region's cells; quality: the share of them that stays with log-odds above 1
    (a one-sided form of SAM's stability score, Kirillov et al., ICCV 2023, appendix "stable masks"; a reading).
    """
    above = (dense.log_odds > 0).astype(np.uint8)
    if not above.any():
        return ()
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.flatnonzero(areas >= min(MIN_CELLS, areas.max()))
    largest = kept[np.argsort(-areas[kept], kind="stable")][:MAX_CANDIDATES]
    regions = [labels == label + 1 for label in largest]
    candidates = [_candidate(region, dense.log_odds[region]) for region in regions]
    return tuple(sorted(candidates, key=lambda candidate: -candidate.likelihood))


def _candidate(region: np.ndarray, log_odds: np.ndarray) -> Candidate:
    likelihood = float((1 / (1 + np.exp(-log_odds.astype(np.float64)))).mean())
    return Candidate(region, likelihood, float((log_odds > 1).mean()))


def check_answers(answers: Sequence[MaskAnswer], expressions: Sequence[str], owner: str) -> list[MaskAnswer]:
    """The answers of a model, one an expression. Raises `TypeError` or `ValueError` for anything else."""
    if not isinstance(answers, Sequence) or not all(isinstance(answer, MaskAnswer) for answer in answers):
        kinds = sorted({type(a).__name__ for a in answers}) if isinstance(answers, Sequence) else type(answers).__name__
        raise TypeError(f"{owner}.segment: expected a list of MaskAnswer, got {kinds}")
    if len(answers) != len(expressions):
        raise ValueError(f"{owner}.segment: expected {len(expressions)} answers, one an expression, got {len(answers)}")
    return list(answers)


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return mask if mask.shape == size else resize_masks(mask[None], size)[0]


def _refine_edge(mask: np.ndarray, above: np.ndarray | None) -> np.ndarray:
    """A region of a map, (H, W) bool, with the edge that the map has at this size. above: (H, W) bool, the map above
    0; None where there is no map."""
    if above is None:
        return mask
    fine = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & above
    return fine if fine.any() else mask


def _check_unit_interval(owner: Candidate | MaskAnswer, *names: str) -> None:
    """Make these fields floats of Python, and raise `ValueError` unless they are in [0, 1]: models give numbers of
    their framework, which later code, and JSON, would choke on."""
    for name in names:
        raw = getattr(owner, name)
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if isinstance(raw, str) or not 0 <= value <= 1:
            raise ValueError(f"{type(owner).__name__}.{name}: expected a number from 0 to 1, got {raw!r}")
        object.__setattr__(owner, name, value)
