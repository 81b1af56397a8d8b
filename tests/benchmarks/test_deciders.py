"""A decider that knows the truth and has pictures alone to tell it by: tracks reach the identity oracle."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gain.baselines import Method, tracked
from benchmarks.gain.clip import Clip
from benchmarks.gain.knowing import all_objects
from benchmarks.gain.oracles import true_identity
from benchmarks.gain.systems import ALONE, tracks
from benchmarks.gain.video_deciders import TOLERANCE, decided, report
from benchmarks.harness.scoring import figures
from rvos.synthetic.dataset import SyntheticVideos, VideoSample

VIDEOS = (0, 1)
"""Of validation: a plain one in which objects meet, and one with an occlusion."""


def worth(clip: Clip, method: Method) -> float:
    """J&F over visible frames, the mean over the expressions."""
    given = [figures(clip.sample, e, [a.mask for a in answers])["J&F"] for e, answers in enumerate(method(clip))]
    return float(np.mean([value for value in given if value is not None]))


def seen_small(index: int) -> Clip:
    """A video of validation at half its size, with its first two expressions of stable meaning."""
    sample = SyntheticVideos("val", 0, size=(144, 256), frames=24)[index]
    stable = tuple(e for e in sample.expressions if e.kind == "stable")[:2]
    return all_objects(VideoSample(sample.video_id, sample.frames, sample.rate, stable, sample.tracks))


@pytest.mark.parametrize("index", VIDEOS)
def test_the_truth_model_reaches_the_oracle_by_images_alone(index: int) -> None:
    clip = seen_small(index)
    oracle, ours = worth(clip, true_identity(ALONE)), worth(clip, decided)
    rules = worth(clip, tracked(tracks(both_ways=True), passes=2))
    assert ours >= oracle - TOLERANCE and ours >= rules + 0.2


def row(system: str, figure: float | None, index: int) -> dict[str, object]:
    known = {"video": f"val_{index}", "index": index, "expression": "0", "family": "plain", "kind": "stable"}
    return known | {"system": system, "J&F": figure, "J&F_all_frames": figure or 1.0, "N-acc": None, "T-acc": figure}


def test_the_report_has_the_difference_to_the_oracle() -> None:
    systems = {"frame_by_frame": 0.4, "rules": 0.5, "mllm": 0.75, "true_identity": 0.8}
    rows = [row(name, figure, index) for index in range(3) for name, figure in systems.items()]
    rows += [row(name, None, 3) for name in systems]
    told = report(rows)["stable"]
    assert told["mllm_less_oracle"] == {"mean": -0.05, "interval": [-0.05, -0.05], "pairs": 3}
    assert told["rules"] == {"J&F": 0.5, "J&F_all_frames": 0.625, "N-acc": None, "T-acc": 0.5}
