"""Which track a region of this frame belongs to: the one that lay there, one that was lost and looks like it, or none
so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np

from image_core.ranges import Count, Range, Share, check_ranges
from rvos.tracking.appearance import work_flow, work_size
from rvos.tracking.track import BeliefModel, Status, Track, apart, appearance_of
from rvos.view.frame_view import View
from rvos.view.motion import warp


@dataclass(frozen=True)
class LinkingConfig:
    """The numbers by which regions become tracks."""

    #: Pixels at work size; smaller parts of a map are crumbs.
    least_px: Count = 12
    #: The largest regions of a map that are linked.
    most_regions: Count = 6
    #: Share of the smaller of region and track, for one to be the other.
    least_shared: Share = 0.3
    #: Distance of two appearances below which a lost track may be what came.
    same_appearance: Annotated[float, Range(0)] = 0.25
    #: Share of a new frame in the appearance of a track.
    appearance_rate: Share = 0.1
    #: Tracks of one expression that are kept, with a place or without.
    most_tracks: Count = 12

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class TrackRegion:
    """Where a track lies on this frame."""

    track: Track
    #: (h, w) bool at work size.
    region: np.ndarray


def parts_of(probs: np.ndarray, threshold: float, config: LinkingConfig) -> list[np.ndarray]:
    """The connected parts above a threshold, (h, w) bool each, the largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((probs > threshold).astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [i for i in np.argsort(-areas, kind="stable") if areas[i] >= config.least_px]
    return [labels == i + 1 for i in order[: config.most_regions]] if count > 1 else []


def moved(view: View, labels: np.ndarray) -> np.ndarray:
    """Track ids (h, w) of the frame before, carried to this one; nothing was anywhere across a cut."""
    if view.cut or not labels.any():
        return np.zeros((work_size(view)), labels.dtype)
    carried = np.zeros_like(labels)
    flow = view.once(work_flow)
    for i in np.unique(labels[labels > 0]):
        carried[warp((labels == i).astype(np.float32), flow) > 0.5] = i
    return carried


def link(
    view: View,
    regions: Sequence[np.ndarray],
    labels: np.ndarray,
    tracks: Sequence[Track],
    next_id: int,
    belief: BeliefModel,
    config: LinkingConfig,
) -> tuple[list[TrackRegion], list[Track]]:
    """Regions with their tracks, in order, and the tracks that have no place on this frame.

    labels: (h, w) ids, where tracks lay, carried here; next_id: that of the first new track. The evidence of a place
    goes with its pixels: a region that comes of a split, or of a merger, has its part of it.
    """
    known = {track.id: belief.fade(track) for track in tracks}
    counts = [np.bincount(labels[region], minlength=1 + max(known, default=0)) for region in regions]
    owner = _owners(regions, counts, labels, known, config.least_shared)
    placed: list[TrackRegion] = []
    for index, region in enumerate(regions):
        appearance = appearance_of(view, region)
        track = known.get(owner.get(index, 0))
        if track is None:
            free = [t for i, t in known.items() if i not in owner.values()]
            track = _nearest(appearance, free, config.same_appearance)
            if track is None:
                support, weight = _inherited(region, counts[index], known)
                track = Track(next_id, appearance, support, weight)
                next_id += 1
            owner[index] = track.id
        else:
            support, weight = _inherited(region, counts[index], known)
            track = replace(track, support=support, weight=weight)
        appearance = (1 - config.appearance_rate) * track.appearance + config.appearance_rate * appearance
        placed.append(TrackRegion(replace(track, appearance=appearance.astype(np.float32), away=0), region))
    lost = [
        replace(track, status=Status.ABSENT, away=track.away + 1)
        for i, track in known.items()
        if i not in owner.values()
    ]
    return placed, sorted(lost, key=lambda t: (t.away, t.id))[: max(0, config.most_tracks - len(placed))]


def _nearest(appearance: np.ndarray, lost: Sequence[Track], within: float) -> Track | None:
    """The track without a place that looks most like it; None where none does."""
    nearest = min(lost, key=lambda track: apart(track.appearance, appearance), default=None)
    return nearest if nearest is not None and apart(nearest.appearance, appearance) < within else None


def _owners(
    regions: Sequence[np.ndarray],
    counts: Sequence[np.ndarray],
    labels: np.ndarray,
    known: dict[int, Track],
    least_shared: float,
) -> dict[int, int]:
    """Position of a region -> id of the track that lay there; the pairs that share most come first, then
    older tracks."""
    sizes = np.bincount(labels.ravel(), minlength=1 + max(known, default=0))
    shared = [
        (-int(count[i]), i, index)
        for index, (region, count) in enumerate(zip(regions, counts, strict=True))
        for i in known
        if count[i] and count[i] >= least_shared * min(np.count_nonzero(region), sizes[i])
    ]
    owner: dict[int, int] = {}
    for _, i, index in sorted(shared):
        if index not in owner and i not in owner.values():
            owner[index] = i
    return owner


def _inherited(region: np.ndarray, counts: np.ndarray, known: dict[int, Track]) -> tuple[float, float]:
    """The evidence of the pixels of a region: support and weight, averaged over them."""
    area = np.count_nonzero(region)
    shares = {i: counts[i] / area for i in known if counts[i]}
    return (
        float(sum(share * known[i].support for i, share in shares.items())),
        float(sum(share * known[i].weight for i, share in shares.items())),
    )
