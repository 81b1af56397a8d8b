"""The figures of one system's masks on a synthetic video, whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from benchmarks.harness.rows import Row
from rvos.metrics import score_expression
from rvos.synthetic.dataset import VideoSample


def figures(sample: VideoSample, expression: int, masks: Sequence[np.ndarray]) -> Row:
    """The figures, named as in `metrics.json`, over the scored frames, with the counts behind N-acc and T-acc; and
    best_frame, the highest (J + F) / 2 of a frame with a visible target, None if there is no such frame."""
    judged = sample.judged(expression)
    if not judged.any():
        raise ValueError(f"{sample.video_id}: expected a judged frame of expression {expression}, got none")
    shown = [mask for mask, counts in zip(masks, judged, strict=True) if counts]
    scores = score_expression(shown, sample.mask(expression)[judged], sample.present(expression)[judged])
    best = (scores.region + scores.boundary)[scores.visible] / 2
    return {
        **scores.figures(),
        **asdict(scores.presence),
        "best_frame": float(best.max()) if len(best) else None,
    }
