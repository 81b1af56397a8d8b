"""What one process does for the gain benchmark: a video in, rows of figures out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from video_clip import Clip, watch
from video_systems import SYSTEMS, System, Thresholds

from image_core.segmenter import ImageSegmenter
from rvos.metrics import region_and_boundary, score_expression
from rvos.synthetic.dataset import SyntheticVideos, VideoSample

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One video and the systems to run on it. challenge: False for its counterfactual twin; thresholds: what the
    systems decide with, by name; tuning asks for none."""

    model: str
    split: str
    seed: int
    index: int
    challenge: bool
    systems: tuple[str, ...]
    thresholds: Mapping[str, Thresholds]


def score(job: Job) -> list[Row]:
    """A row for every expression and system."""
    clip = clip_of(job)
    rows = []
    for name in job.systems:
        start = time.process_time()
        masks = masks_of(clip, SYSTEMS[name], job.thresholds[name])
        cpu_s = time.process_time() - start
        cost = {"cpu_ms": 1000 * cpu_s / (clip.frame_count * clip.expression_count), "image_ms": clip.image_ms}
        rows += [_described(job, clip, e, name) | figures(clip.sample, e, m) | cost for e, m in enumerate(masks)]
    return rows


@torch.inference_mode()
def masks_of(clip: Clip, system: System, thresholds: Thresholds) -> list[list[np.ndarray]]:
    """E lists of T masks (H, W) bool."""
    return [system.decide(answers, thresholds) for answers in system.look(clip)]


def _described(job: Job, clip: Clip, expression: int, system: str) -> Row:
    said = clip.sample.expressions[expression]
    return {
        "video": clip.sample.video_id,
        "index": job.index,
        "challenge": job.challenge,
        "family": said.family,
        "kind": said.kind,
        "expressions": clip.expression_count,
        "expression": said.expression_id,
        "sentence": said.text,
        "system": system,
    }


def figures(sample: VideoSample, expression: int, masks: Sequence[np.ndarray]) -> Row:
    """What `metrics.json` calls them, over the frames that are judged, with the counts behind N-acc and T-acc; and
    best_frame, the highest (J + F) / 2 of a frame with the target in view. None where there is no such frame."""
    judged = sample.judged(expression)
    if not judged.any():
        raise ValueError(f"{sample.video_id}: expression {expression} came without a judged frame, wanted some")
    shown = [mask for mask, counts in zip(masks, judged, strict=True) if counts]
    scores = score_expression(shown, sample.mask(expression)[judged], sample.present(expression)[judged])
    best = (scores.region + scores.boundary)[scores.visible] / 2
    return {
        **scores.figures(),
        **asdict(scores.presence),
        "best_frame": float(best.max()) if len(best) else None,
    }


def tune(job: Job) -> list[Row]:
    """A row for every stable expression and system: J&F over all frames for each thresholds of the system's grid."""
    clip = clip_of(job, "stable")
    rows = []
    for name in job.systems:
        with torch.inference_mode():
            looked = SYSTEMS[name].look(clip)
        for e, answers in enumerate(looked):
            values = _over_grid(SYSTEMS[name], answers, clip.sample.mask(e))
            rows.append(_described(job, clip, e, name) | {"J&F_all_frames": values})
    return rows


def _over_grid(system: System, answers: Sequence[Any], truth: np.ndarray) -> list[float]:
    known: dict[tuple[int, bytes], float] = {}

    def of_frame(t: int, mask: np.ndarray) -> float:
        """Most thresholds make the same mask: it is scored once."""
        key = t, hashlib.sha256(np.packbits(mask).tobytes()).digest()
        if key not in known:
            region, boundary = region_and_boundary(mask[None], truth[t, None])
            known[key] = float(region[0] + boundary[0]) / 2
        return known[key]

    return [
        float(np.mean([of_frame(t, mask) for t, mask in enumerate(system.decide(answers, thresholds))]))
        for thresholds in system.grid
    ]


def clip_of(job: Job, kind: str | None = None) -> Clip:
    """The video drawn and watched; kind: for expressions of this kind alone."""
    sample = SyntheticVideos(job.split, job.seed, challenge=job.challenge)[job.index]
    if kind is not None:
        sample = replace(sample, expressions=tuple(e for e in sample.expressions if e.kind == kind))
    return watch(sample, loaded(job.model))


@cache
def loaded(model: str) -> ImageSegmenter:
    """The image model, once a process, which keeps to one thread from then on."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return ImageSegmenter.load(model, "cpu")
