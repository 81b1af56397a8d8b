"""The work of one process: computes the rows of figures of one video."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from benchmarks.gain.clip import Clip, FrameAnswer, record
from benchmarks.gain.systems import SYSTEMS, System, Thresholds
from benchmarks.harness.processes import one_thread
from benchmarks.harness.rows import Row
from benchmarks.harness.scoring import figures
from image_core.segmenter import ImageSegmenter
from rvos.metrics import region_and_boundary
from rvos.synthetic.dataset import SyntheticVideos


@dataclass(frozen=True)
class Job:
    """One video and the systems to run on it."""

    model: str
    split: str
    seed: int
    index: int
    challenge: bool  # False for its twin without the challenge
    systems: tuple[str, ...]
    thresholds: Mapping[str, Thresholds]  # by system; tuning needs none


def score(job: Job) -> list[Row]:
    """A row for every expression and system."""
    clip = clip_of(job)
    rows = []
    for name in job.systems:
        start = time.process_time()
        masks = masks_of(clip, SYSTEMS[name], job.thresholds[name])
        cpu_s = time.process_time() - start
        cost = {"cpu_ms": 1000 * cpu_s / (clip.frame_count * clip.expression_count), "image_ms": clip.image_ms}
        rows += [described(job, clip, e, name) | figures(clip.sample, e, m) | cost for e, m in enumerate(masks)]
    return rows


@torch.inference_mode()
def masks_of(clip: Clip, system: System, thresholds: Thresholds) -> list[list[np.ndarray]]:
    """E lists of T masks (H, W) bool."""
    return [system.decide(answers, thresholds) for answers in system.method(clip)]


def described(job: Job, clip: Clip, expression: int, system: str) -> Row:
    """The fields of a row that identify it."""
    target_expression = clip.sample.expressions[expression]
    return {
        "video": clip.sample.video_id,
        "index": job.index,
        "challenge": job.challenge,
        "family": target_expression.family,
        "kind": target_expression.kind,
        "expressions": clip.expression_count,
        "expression": target_expression.expression_id,
        "sentence": target_expression.text,
        "system": system,
    }


def tune(job: Job) -> list[Row]:
    """A row per stable expression and system: for each threshold of the system's grid J&F over all frames, and the
    numbers of frames with and without a target on which a mask is shown."""
    clip = clip_of(job, "stable")
    rows = []
    for name in job.systems:
        with torch.inference_mode():
            answered = SYSTEMS[name].method(clip)
        for e, answers in enumerate(answered):
            rows.append(described(job, clip, e, name) | _over_grid(SYSTEMS[name], answers, clip.sample.mask(e)))
    return rows


def _over_grid(system: System, answers: Sequence[FrameAnswer], truth: np.ndarray) -> Row:
    known: dict[tuple[int, bytes], float] = {}

    def of_frame(t: int, mask: np.ndarray) -> float:
        """Scores a mask once, since most thresholds give the same."""
        key = t, hashlib.sha256(np.packbits(mask).tobytes()).digest()
        if key not in known:
            region, boundary = region_and_boundary(mask[None], truth[t, None])
            known[key] = float(region[0] + boundary[0]) / 2
        return known[key]

    is_visible = truth.any((1, 2))
    figures: Row = {"frames_there": int(is_visible.sum()), "frames_away": int((~is_visible).sum())}
    figures |= {"J&F_all_frames": [], "shown_there": [], "shown_away": []}
    for thresholds in system.grid:
        masks = system.decide(answers, thresholds)
        shown = np.array([mask.any() for mask in masks])
        figures["J&F_all_frames"].append(float(np.mean([of_frame(t, mask) for t, mask in enumerate(masks)])))
        figures["shown_there"].append(int(shown[is_visible].sum()))
        figures["shown_away"].append(int(shown[~is_visible].sum()))
    return figures


def clip_of(job: Job, kind: str | None = None) -> Clip:
    """The rendered video with the answers of the image model. kind: of expressions; None for all kinds."""
    sample = SyntheticVideos(job.split, job.seed, challenge=job.challenge)[job.index]
    if kind is not None:
        sample = replace(sample, expressions=tuple(e for e in sample.expressions if e.kind == kind))
    return record(sample, loaded(job.model))


@cache
def loaded(model: str) -> ImageSegmenter:
    """The image model, loaded once per process, which is limited to one thread."""
    one_thread()
    return ImageSegmenter.load(model, "cpu")
