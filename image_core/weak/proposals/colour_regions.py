"""Proposals from pixels alone: connected regions of one or two colours with an edge all around them.

For synthetic images: objects of one colour, or of a colour and a pattern's second tone, on soft textures. The image
is reduced to the few colours of a palette. Each colour, and each pair of them (a shaded object has two), forms
connected regions. A region is a better proposal the more its outline lies on edges, and the larger it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from image_core.errors import ConfigError
from image_core.weak.proposals.suppression import keep_best

_SHORTEST_OUTLINE = 12
_SHORTEST_SIDE_PX = 4
_SAMPLED_EVERY = 4
"""Pixels, for the palette; it wants as many samples as colours at least."""
_WEAK_PERCENTILE = 20
"""Percentile of the edge strengths along an outline that is taken as its weakest stretch."""


@dataclass(frozen=True)
class RegionConfig:
    """What makes a region a proposal."""

    palettes: tuple[int, ...] = (6, 10)  # numbers of colours; the image is reduced to each in turn
    smallest: float = 0.003  # share of the image that a box must cover
    largest: float = 0.4  # share of the image that a box may cover
    filled: float = 0.25  # share of its box that a region must cover
    solid: float = 0.6  # share of its convex hull that a region must cover
    inside: float = 0.6  # share of its outline that must not lie on the image's border
    sharp: float = 40.0  # colour difference (Lab) from which an edge counts fully
    edge: float = 0.3  # least strength of the outline's weakest stretch, as a share of `sharp`
    overlap: float = 0.7  # IoU above which the worse of two boxes is dropped
    most: int = 20  # boxes kept

    def __post_init__(self) -> None:
        if not self.palettes or min(self.palettes) < 2 or self.most < 1 or self.sharp <= 0:
            raise ConfigError(f"RegionConfig: expected palettes of 2 colours or more and at least one box, got {self}")


class ColourRegions:
    """A `Proposer` for synthetic images; a pure function of the pixels."""

    def __init__(self, config: RegionConfig = RegionConfig()) -> None:
        self.config = config

    def propose(self, image: np.ndarray, sample_id: str = "", expressions: Sequence[str] = ()) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 4) float64 xyxy, the best first; N may be 0. Only the image is read."""
        if image[..., 0].size // _SAMPLED_EVERY < max(self.config.palettes):
            return np.zeros((0, 4))
        lab = cv2.cvtColor(cv2.medianBlur(image, 3).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        edges = edge_strength(lab)
        scored = [
            region
            for colours in self.config.palettes
            for outline in _outlines(_quantise(lab, colours), colours)
            if (region := self._judge(outline, edges)) is not None
        ]
        if not scored:
            return np.zeros((0, 4))
        boxes = np.array([box for box, _ in scored], np.float64)
        kept = keep_best(boxes, np.array([score for _, score in scored]), self.config.overlap, self.config.most)
        return boxes[kept]

    def _judge(self, outline: np.ndarray, edges: np.ndarray) -> tuple[tuple[int, int, int, int], float] | None:
        """(P, 1, 2) outline -> its box and score, or None where it is no object."""
        s = self.config
        height, width = edges.shape
        x, y, w, h = cv2.boundingRect(outline)
        share = w * h / (height * width)
        if len(outline) < _SHORTEST_OUTLINE or min(w, h) < _SHORTEST_SIDE_PX or not s.smallest <= share <= s.largest:
            return None
        # The outline runs through pixel centres: half of its length is missing from the area.
        area = cv2.contourArea(outline) + len(outline) / 2
        solidity = min(area / max(cv2.contourArea(cv2.convexHull(outline)), 1.0), 1.0)
        columns, rows = outline[:, 0].T
        inside = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
        if area < s.filled * w * h or solidity < s.solid or inside.mean() < s.inside:
            return None
        along = np.minimum(edges[rows[inside], columns[inside]] / s.sharp, 1)
        weakest = np.percentile(along, _WEAK_PERCENTILE)
        if weakest < s.edge:
            return None
        return (x, y, x + w, y + h), float(along.mean() + weakest + 0.5 * solidity + 2 * np.sqrt(share))


def edge_strength(lab: np.ndarray) -> np.ndarray:
    """(H, W, 3) Lab -> (H, W): the largest colour difference across two pixels at a pixel or beside it."""
    edges = np.zeros(lab.shape[:2], np.float32)
    edges[:, 1:-1] = np.linalg.norm(lab[:, 2:] - lab[:, :-2], axis=-1)
    edges[1:-1] = np.maximum(edges[1:-1], np.linalg.norm(lab[2:] - lab[:-2], axis=-1))
    return cv2.dilate(edges, np.ones((3, 3), np.uint8))


def _quantise(lab: np.ndarray, colours: int) -> np.ndarray:
    """(H, W, 3) -> (H, W) uint8: the nearest colour of a k-means palette of the image."""
    cv2.setRNGSeed(0)
    sample = np.ascontiguousarray(lab.reshape(-1, 3)[::_SAMPLED_EVERY])
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    labels = np.zeros((len(sample), 1), np.int32)
    _, _, palette = cv2.kmeans(sample, colours, labels, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return ((lab[:, :, None] - palette) ** 2).sum(-1).argmin(-1).astype(np.uint8)


def _outlines(painted: np.ndarray, colours: int) -> Iterator[np.ndarray]:
    """The outer outlines (P, 1, 2) of all connected regions of one or of two colours."""
    masks = [(painted == colour).astype(np.uint8) for colour in range(colours)]
    for i, first in enumerate(masks):
        for second in masks[i:]:
            yield from cv2.findContours(first | second, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
