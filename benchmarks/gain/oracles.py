"""Upper bounds: methods that use the truth for one part of the task."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.gain.baselines import Method, best_key_frame
from benchmarks.gain.clip import Clip, FrameAnswer

LEAST_COVERED = 0.5
LEAST_SHARED = 0.3


def true_propagation(frame_by_frame: Method) -> Method:
    """Perfect tracking from the image model's best key frame: the objects that its mask covers there, with their true
    masks on all frames. Presence is that of the key frame, since the decision on presence is the model's."""

    def method(clip: Clip) -> list[list[FrameAnswer]]:
        return [_propagated(clip, answers, e) for e, answers in enumerate(frame_by_frame(clip))]

    return method


def _propagated(clip: Clip, answers: list[FrameAnswer], expression: int) -> list[FrameAnswer]:
    tracks = clip.sample.tracks
    key = best_key_frame(clip, answers, expression)
    if key is None:
        return [FrameAnswer(np.zeros(track.shape, dtype=bool), 0.0) for track in tracks]
    meant = covered_objects(key.mask, tracks[key.index])
    return [FrameAnswer(np.isin(track, meant), key.presence) for track in tracks]


def covered_objects(mask: np.ndarray, track: np.ndarray) -> list[int]:
    """Ids of the objects of `track` (H, W) of whose visible pixels a mask (H, W) bool covers at least half."""
    sizes = np.bincount(track.ravel(), minlength=1)
    covered = np.bincount(track[mask], minlength=len(sizes))
    return [i for i in range(1, len(sizes)) if sizes[i] and covered[i] >= LEAST_COVERED * sizes[i]]


def true_identity(frame_by_frame: Method) -> Method:
    """Perfect choice among the regions of every mask of the image model, whatever its presence: those that lie on the
    target, none on frames without it."""

    def method(clip: Clip) -> list[list[FrameAnswer]]:
        return [
            [
                FrameAnswer(regions_on(answer.mask, target), 1.0)
                for answer, target in zip(answers, clip.sample.mask(e), strict=True)
            ]
            for e, answers in enumerate(frame_by_frame(clip))
        ]

    return method


def regions_on(mask: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(H, W) bool: the connected regions of a mask that share with the target at least `LEAST_SHARED` of the smaller of
    the two. A region that holds target and method-alike in one is kept; one that merely grazes the target is not."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(labels.ravel(), minlength=count)
    shared = np.bincount(labels[target], minlength=count)
    smaller = np.minimum(sizes, np.count_nonzero(target))
    kept = [i for i in range(1, count) if shared[i] and shared[i] >= LEAST_SHARED * smaller[i]]
    return np.isin(labels, kept)
