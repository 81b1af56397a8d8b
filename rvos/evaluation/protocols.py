"""One table: how the predictions of each video dataset lie on disk, by what rules they are scored, and whether those
rules were checked against the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from image_core.errors import DataError
from rvos.data import VideoDataset
from rvos.data.ref_davis17 import RefDavis17
from rvos.evaluation import davis
from rvos.evaluation.figures import breakdowns, failures, headline, mean_figures, missing, sample_accuracies
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.samples import NamesImages, SampleLayout, sample_figures
from rvos.evaluation.scoring import ExpressionRow, MaskScoring, check_truth, over_cores

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Protocol:
    """layout: None where predictions are run lengths (`samples`); text: the rules in one line; verified: the figures
    agree with those of the reference's own script, or its rules are public."""

    layout: MaskTree | None
    text: str
    verified: bool

    @property
    def boundary(self) -> bool:
        """F is among the figures."""
        return self.layout is not None


OVER_EXPRESSIONS = "J and F over all listed frames, mean over expressions"
_SAMPLES = (
    "IoU of the annotated frames: P@K with IoU > K, overall and mean IoU; mAP .50:.95 with one prediction a sample"
)

PROTOCOLS = {
    "ref_youtube_vos": Protocol(
        MaskTree("Annotations"), f"{OVER_EXPRESSIONS} (the server's own script is not public)", verified=False
    ),
    "ref_davis17": Protocol(
        MaskTree("expressions"), "B: J and F of each expression's own mask, mean over expressions", verified=True
    ),
    "mevis": Protocol(
        MaskTree(), f"{OVER_EXPRESSIONS}, against the union of the targets; a missing one is 0", verified=True
    ),
    "long_rvos": Protocol(MaskTree(), f"{OVER_EXPRESSIONS} of all types; tIoU and vIoU beside", verified=True),
    "revos": Protocol(MaskTree(), f"{OVER_EXPRESSIONS}; overall = (referring + reasoning) / 2", verified=False),
    "a2d_sentences": Protocol(None, _SAMPLES, verified=True),
    "jhmdb_sentences": Protocol(None, _SAMPLES, verified=True),
}
DAVIS_A = "A: the expressions of an annotator in one picture, unsupervised task, mean of four annotators"


def layout_of(dataset: VideoDataset) -> MaskTree | SampleLayout:
    """Where the predictions of a dataset are found."""
    return PROTOCOLS[dataset.name].layout or SampleLayout(cast(NamesImages, dataset))


@dataclass(frozen=True)
class Scored:
    """rows: of every expression; figures: of `metrics.json`, the summary first."""

    rows: list[ExpressionRow]
    figures: dict[str, Any]


def score_dataset(
    dataset: VideoDataset, predictions: Path, workers: int, progress: Progress = lambda done, total: None
) -> Scored:
    """Score what lies under `predictions` in the layout of the dataset.

    Whatever is missing or broken counts 0, and is listed under "missing" and "failures". Raises `DataError` for a split
    without truth, and for a folder in which no expression has a prediction.
    """
    check_truth(dataset)
    protocol = PROTOCOLS[dataset.name]
    layout = layout_of(dataset)
    pairs = [(video, expression) for video in dataset.videos for expression in video.expressions]
    rows: list[ExpressionRow] = []
    if any(layout.has(predictions, *pair) for pair in pairs):
        scoring = MaskScoring(dataset, layout, predictions)
        rows = [row for found in over_cores(scoring, dataset.videos, workers, progress) for row in found]
    elif not (isinstance(dataset, RefDavis17) and davis.has_annotators(predictions)):
        wanted = f"{dataset.name}, split '{dataset.split}'"
        raise DataError(f"{predictions}: no prediction of {wanted} there: README tells how they must lie")
    head = headline(rows)
    block = {"protocol": protocol.text, "verified": protocol.verified, **_summary(dataset, rows, head, predictions)}
    more: list[dict[str, str]] = []
    if isinstance(dataset, RefDavis17):
        block, more = _both_protocols(dataset, block if rows else None, predictions, workers)
    figures: dict[str, Any] = {
        "dataset": dataset.name,
        "split": dataset.split,
        **block,
        "videos": len(dataset.videos),
        "expressions_in_all": len(rows),
        "by": breakdowns(head),
        **_apart(rows),
        "notes": list(dataset.notes),
        "missing": missing(rows),
        "failures": [*failures(rows), *more],
    }
    return Scored(rows, figures)


def _summary(
    dataset: VideoDataset, rows: list[ExpressionRow], head: list[ExpressionRow], predictions: Path
) -> dict[str, Any]:
    """The figures that papers report of this dataset, then the rest."""
    figures = mean_figures(head)
    if PROTOCOLS[dataset.name].layout is None:
        published = sample_figures(dataset, cast(NamesImages, dataset), predictions)
        return {**published, **{name: figures[name] for name in ("T-acc_frames", "expressions")}}
    if dataset.name == "mevis":
        # What "Final" of the second version is made of was not verified: it fits the published tables.
        accuracies = sample_accuracies(rows)
        parts = [figures["J&F"], *accuracies.values()]
        final = None if any(part is None for part in parts) else sum(parts) / len(parts)
        return {**figures, **accuracies, "Final": {"value": final, "verified": False}}
    if dataset.name == "revos":
        types = breakdowns(rows).get("type", {})
        found = [types[name]["J&F"] for name in ("referring", "reasoning") if name in types]
        return {**figures, "overall_J&F": sum(found) / 2 if len(found) == 2 else None}
    return figures


def _apart(rows: list[ExpressionRow]) -> dict[str, Any]:
    """Figures of the expressions that are not in the summary."""
    motion = [row for row in rows if row.labels.get("kind") == "motion" and row.has_target]
    absent = [row for row in rows if not row.has_target]
    found = {"motion": motion, "no_target": absent}
    return {name: mean_figures(part) for name, part in found.items() if part}


def _both_protocols(
    dataset: RefDavis17, b: dict[str, Any] | None, predictions: Path, workers: int
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A and B in blocks of their own, as far as their predictions are there, and what broke in A. The summary is A's
    where it is there, which most papers report; whatever is broken down by expression is B's."""
    blocks: dict[str, dict[str, Any]] = {}
    broken: list[dict[str, str]] = []
    if davis.has_annotators(predictions):
        a = davis.protocol_a(dataset, predictions, workers)
        broken = a.pop("failures")
        blocks["A"] = {"protocol": DAVIS_A, "verified": True, **a}
    if b is not None:
        blocks["B"] = b
    first = next(iter(blocks.values()))
    return {**{name: first[name] for name in ("protocol", "verified", "J&F", "J", "F")}, "protocols": blocks}, broken
