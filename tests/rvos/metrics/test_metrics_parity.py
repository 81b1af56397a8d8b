"""Equality with the figures that the authors' own evaluation code gave."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from image_core.geometry.rle import decode_rle
from rvos.metrics.bitmaps import count_pixels, outlines, pack
from rvos.metrics.boundary import tolerance_px
from rvos.metrics.davis import DavisTask, davis_figures, score_sequence
from rvos.metrics.expression import mean_over_expressions, score_expression
from rvos.metrics.frames import region_and_boundary
from rvos.metrics.statistics import Statistics, frame_statistics

pytestmark = pytest.mark.shared


def read(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def close(wanted: Any) -> Any:
    return pytest.approx(wanted, abs=1e-6, nan_ok=True)


def as_list(found: Statistics) -> list[float]:
    return [found.mean, found.recall, found.decay]


def test_parity_metrics_values(shared_dir: Path) -> None:
    folder = shared_dir / "parity/metrics"
    values = json.loads((folder / "values.json").read_text())["frames"]
    assert len(values) == 74 and sum("void" in value for value in values) == 4
    for value in values:
        name = value["file"]
        truth, prediction = read(folder / "gt" / name)[None] > 127, read(folder / "pred" / name)[None] > 127
        assert truth.shape == (1, value["h"], value["w"])
        region, boundary = region_and_boundary(prediction, truth)
        assert [region[0], boundary[0]] == close([value["J"], value["F"]]), name
        assert region_and_boundary(truth, prediction)[1][0] == close(value["F"]), name
        for bound_th, wanted in value["F_bound_th"].items():
            assert region_and_boundary(prediction, truth, None, float(bound_th))[1][0] == close(wanted), (
                name,
                bound_th,
            )
        assert tolerance_px(truth.shape[1:]) == value["bound_pix"]
        pixels = [int(count_pixels(outlines(pack(mask)).words)[0]) for mask in (truth, prediction)]
        assert pixels == [value["n_boundary_gt"], value["n_boundary_pred"]], name
        if value.get("void"):
            region, boundary = region_and_boundary(prediction, truth, read(folder / "void" / name)[None] > 127)
            assert [region[0], boundary[0]] == close([value["J_void"], value["F_void"]]), name


@pytest.mark.parametrize(
    ("task", "annotations"), [("semi-supervised", "Annotations"), ("unsupervised", "Annotations_unsupervised")]
)
def test_parity_davis_mini(shared_dir: Path, task: DavisTask, annotations: str) -> None:
    folder = shared_dir / "parity/metrics/davis_mini"
    values = json.loads((folder / "values.json").read_text())[task]

    def frames(sequence: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for path in sorted((folder / annotations / "480p" / sequence).iterdir()):
            yield read(folder / "results" / sequence / path.name), read(path)

    names = (folder / "ImageSets/2017/val.txt").read_text().split()
    sequences = [score_sequence(name, frames(name), task) for name in names]
    objects = {f"{s.name}_{each.object_id}": each for s in sequences for each in s.objects}
    assert list(objects) == list(values["per_object_frames"])
    for name, found in objects.items():
        wanted = values["per_object_frames"][name]
        assert found.region.tolist() == close(wanted["J"]), name
        assert found.boundary.tolist() == close(wanted["F"]), name
        j, f = found.statistics(uint8_bins=True)
        assert as_list(j) == close(wanted["J_stats"]) and as_list(f) == close(wanted["F_stats"]), name
        assert j.mean == close(values["per_object_mean"]["J"][name])
        assert f.mean == close(values["per_object_mean"]["F"][name])
    assert_figures(davis_figures(sequences, uint8_bins=True), values["global"])
    short = [s for s in sequences if s.name != "long300"]
    assert_figures(davis_figures(short), values["global_without_long300"])
    right = davis_figures(sequences)
    assert right["J-Decay"] is not None and math.isfinite(right["J-Decay"])
    assert right["J"] == close(values["global"]["J-Mean"])


def assert_figures(found: dict[str, float | None], wanted: dict[str, float]) -> None:
    """Ours say None where the reference says NaN, and leave "-Mean" out."""
    assert len(found) == len(wanted) == 7
    for name, value in wanted.items():
        ours = found[name.removesuffix("-Mean")]
        assert (math.nan if ours is None else ours) == close(value), name


def test_parity_davis_mini_statistics_vectors(shared_dir: Path) -> None:
    path = shared_dir / "parity/metrics/davis_mini/values.json"
    vectors = json.loads(path.read_text())["db_statistics_vectors"]
    assert len(vectors) == 15
    for name, vector in vectors.items():
        values = np.array(vector["x"], float)
        assert as_list(frame_statistics(values, uint8_bins=True)) == close(vector["MRD"]), name
        right = frame_statistics(values)
        assert math.isfinite(right.decay) and [right.mean, right.recall] == close(vector["MRD"][:2]), name


def test_parity_mevis_mini(shared_dir: Path) -> None:
    folder = shared_dir / "parity/metrics/mevis_mini"
    videos = json.loads((folder / "meta_expressions.json").read_text())["videos"]
    annotations = json.loads((folder / "mask_dict.json").read_text())
    wanted = json.loads((folder / "per_expression_JF.json").read_text())
    scores: dict[str, tuple[float, float] | None] = {}
    for video, content in videos.items():
        for number, expression in content["expressions"].items():
            predicted = folder / "pred" / video / number
            scores[f"{video}_{number}"] = None
            if predicted.is_dir():
                masks = (read(predicted / f"{frame}.png") > 0 for frame in content["frames"])
                truth = union_of([annotations[str(i)] for i in expression["anno_id"]])
                scores[f"{video}_{number}"] = score_expression(masks, truth).mean_all
    assert {name: found or (0, 0) for name, found in scores.items()} == {k: close(tuple(v)) for k, v in wanted.items()}
    figures = mean_over_expressions(scores)
    printed = json.loads((folder / "printed.json").read_text())
    assert [figures[name] for name in ("J", "F", "J&F")] == close([printed[name] for name in ("J", "F", "J&F")])
    assert figures["missing"] == ["vidmissing_0"]


def union_of(annotations: list[list[dict[str, Any] | None]]) -> Iterator[np.ndarray]:
    """Frame by frame; an absent annotation is empty."""
    size = next(rle["size"] for rle in annotations[0] if rle)
    for frame in zip(*annotations, strict=True):
        yield np.any([np.zeros(size, bool), *(decode_rle(rle) for rle in frame if rle)], axis=0)
