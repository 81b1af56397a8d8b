"""Figures of video segmentation: J and F as the DAVIS evaluation computes them, and what is built on them.

Fractions in [0, 1] under their published names; numpy and scipy, and pycocotools for mAP alone.
"""

from __future__ import annotations

from rvos.metrics.bootstrap import FamilyVerdict, Interval, mean_interval, no_family_worse
from rvos.metrics.boundary import BOUND_TH, tolerance_px
from rvos.metrics.davis import DavisTask, ObjectScores, SequenceScores, davis_figures, score_sequence
from rvos.metrics.expression import ExpressionScores, mean_over_expressions, score_expression
from rvos.metrics.frames import region_and_boundary
from rvos.metrics.presence import Presence, temporal_iou, volume_iou
from rvos.metrics.statistics import Statistics, frame_statistics

__all__ = [
    "BOUND_TH",
    "DavisTask",
    "ExpressionScores",
    "FamilyVerdict",
    "Interval",
    "ObjectScores",
    "Presence",
    "SequenceScores",
    "Statistics",
    "davis_figures",
    "frame_statistics",
    "mean_interval",
    "mean_over_expressions",
    "no_family_worse",
    "region_and_boundary",
    "score_expression",
    "score_sequence",
    "temporal_iou",
    "tolerance_px",
    "volume_iou",
]
