"""The files of the benchmarks' results, and the formats of figures in tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from marked_tables import ROOT

BENCHMARKS = ROOT / "benchmarks"

SOURCES: dict[str, str] = {
    # Name of a result in tables -> its file under benchmarks/. The script that writes it is in the same folder.
    "embedded_model": "accuracy/embedded_model.json",
    "mask_prompts": "accuracy/mask_prompts.json",
    "masker_inputs": "accuracy/masker_inputs.json",
    "photo_clips": "accuracy/real_video.json",
    "photo_by_hand": "accuracy/photo_by_hand.json",
    "photo_presence": "accuracy/photo_presence.json",
    "real_tracks": "gain/real_video.json",
    "real_presence": "gain/real_presence.json",
    "real_faults": "gain/real_faults.json",
    "video_gain": "gain/video_gain.json",
    "motion_words": "gain/motion_words.json",
    "video_ablations": "gain/video_ablations.json",
    "few_masks": "few_masks/few_masks.json",
    "few_masks_cells": "few_masks/few_masks_cells.json",
    "all_masks": "few_masks/all_masks.json",
    "attention_pictures": "few_masks/attention_pictures.json",
    "sparc_boxes": "few_masks/sparc_boxes.json",
    "parser_coverage": "few_masks/parser_coverage.json",
    "motion_coverage": "few_masks/motion_coverage.json",
    "start_up": "speed/start_up.json",
    "segment_speed": "speed/segment_speed.json",
    "propagation_speed": "speed/propagation_speed.json",
    "many_expressions": "speed/many_expressions.json",
    "expressions_by_mode": "speed/expressions_by_mode.json",
    "kernels": "speed/kernels.json",
    "chunk_counts": "speed/chunk_counts.json",
    "tracking_cost": "speed/tracking_cost.json",
    "list_speed": "speed/list_speed.json",
    "memory_flat": "speed/memory_flat.json",
    "score_speed": "speed/score_speed.json",
    "metric_speed": "speed/metric_speed.json",
    "training_speed": "speed/training_speed.json",
    "synthetic_speed": "speed/synthetic_speed.json",
    "sequence_decoder": "speed/sequence_decoder.json",
    "photo_speed": "speed/photo_speed.json",
    "core_cost": "speed/core_cost.json",
    "cores": "accuracy/cores.json",
    "cores_trained_encoders": "accuracy/cores_trained_encoders.json",
    "ablations": "accuracy/ablations.json",
    "video_cores": "gain/video_cores.json",
}


def read(name: str) -> dict[str, Any]:
    """The document of one result. Raises `OSError` or `ValueError` if there is none."""
    return json.loads((BENCHMARKS / SOURCES[name]).read_text(encoding="utf-8"))


def number(value: float, digits: int = 1) -> str:
    """1234.56 -> 1,234.6."""
    return f"{value:z,.{digits}f}"


def points(fraction: float | None) -> str:
    """0.5022 -> 50.2, in points; nothing for None."""
    return "" if fraction is None else number(100 * fraction)


def gained(difference: Mapping[str, Any]) -> str:
    """A difference in points with its sign and its 95 % interval."""
    low, high = difference["interval"]
    return f"{100 * difference['mean']:+.1f} [{points(low)}, {points(high)}]"
