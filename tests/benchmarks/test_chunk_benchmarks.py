"""The benchmarks of chunks, in a small form: what is counted is counted, and the script for a GPU runs on a CPU."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.harness.clips import demo_frames
from benchmarks.speed import chunk_counts, chunk_speed
from image_core.segmenter import ImageSegmenter


def test_kernels_waits_and_uploads_are_counted() -> None:
    with chunk_counts.counting() as counted:
        a = torch.tensor([1.0, 2.0])
        b = (a[:1] + 1).view(1)
        assert b.item() == 2 and a.sum().tolist() == 3
    assert counted["kernels"] == 2 and counted["waits"] == 2 and counted["uploads"] == 1


def test_a_chunk_spares_kernels_and_waits(colour_segmenter: ImageSegmenter) -> None:
    frames = demo_frames(10, (48, 80))
    expressions = ("the red thing", "the green thing")
    one, ten = (chunk_counts.counts(colour_segmenter, frames, expressions, "every:5, flow", chunk) for chunk in (1, 10))
    assert one["waits"] >= 1 and ten["waits"] <= 0.2
    assert all(ten[what] < one[what] / 2 for what in ("kernels", "waits"))


def test_the_script_for_a_gpu_runs_on_a_cpu(
    tmp_path: Path, colour_segmenter: ImageSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_speed, "image_model", lambda *_: colour_segmenter)
    monkeypatch.setattr(chunk_speed, "SIZE", (48, 80))
    arms = chunk_speed.arms_of((4, 1), 6, ("fp32",))
    rows = list(chunk_speed.measure("colours", torch.device("cpu"), tmp_path, arms, seed=0, until=math.inf))
    assert [(row["expressions"], row["tracker"], row["chunk"]) for row in rows] == [
        *((count, "none", chunk) for count in (1, 5) for chunk in (1, 4)),
        *((1, "tracks", chunk) for chunk in (1, 4)),
    ]
    assert all(row["frames_per_s"] > 0 and row["least_iou"] >= 0.999 for row in rows)
    late = list(chunk_speed.measure("colours", torch.device("cpu"), tmp_path, arms, seed=0, until=0))
    assert len(late) == len(arms) and all(row["left_out"] for row in late)
    assert chunk_speed.agreement([np.zeros((1, 2, 2), bool)], [np.zeros((1, 2, 2), bool)])["least_iou"] == 1
