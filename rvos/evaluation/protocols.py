"""One table: how the predictions of each video dataset lie on disk, by what rules they are scored, and whether those
rules were checked against the reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from image_core.errors import DataError
from image_core.progress import Progress, no_progress
from rvos.data import VideoDataset
from rvos.data.mevis import Mevis
from rvos.data.ref_davis17 import RefDavis17
from rvos.evaluation import davis
from rvos.evaluation.figures import breakdowns, failures, headline, mean_figures, missing, sample_accuracies
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.samples import NamesImages, SampleLayout, sample_figures
from rvos.evaluation.scoring import ExpressionRow, MaskScoring, check_truth, over_cores


@dataclass(frozen=True)
class Protocol:
    """layout: None where predictions are run lengths (`samples`); text: the rules in one line; verified: the figures
    agree with those of the reference's own script, or its rules are public; missing_is_empty: see `MaskScoring`."""

    layout: MaskTree | None
    text: str
    verified: bool
    missing_is_empty: bool = False

    @property
    def boundary(self) -> bool:
        """F is among the figures."""
        return self.layout is not None


_OVER = "J and F over all listed frames, mean over expressions"
_SAMPLES = (
    "IoU of the annotated frames: P@K with IoU > K, overall and mean IoU; mAP .50:.95 with one prediction a sample"
)
_UNION = f"{_OVER}, against the union of the targets; a missing one is 0"

PROTOCOLS = {
    "ref_youtube_vos": Protocol(
        MaskTree("Annotations"), f"{_OVER} (the server's own script is not public)", verified=False
    ),
    "ref_davis17": Protocol(
        MaskTree("expressions"), "B: J and F of each expression's own mask, mean over expressions", verified=True
    ),
    "mevis": Protocol(MaskTree(), _UNION, verified=True),
    "mevis_v1": Protocol(MaskTree(), _UNION, verified=True),
    "long_rvos": Protocol(
        MaskTree(), f"{_OVER} of all types; tIoU and vIoU beside", verified=True, missing_is_empty=True
    ),
    "revos": Protocol(MaskTree(), f"{_OVER}; overall = (referring + reasoning) / 2", verified=False),
    "a2d_sentences": Protocol(None, _SAMPLES, verified=True),
    "jhmdb_sentences": Protocol(None, _SAMPLES, verified=True),
}
MEVIS_V2 = Protocol(
    MaskTree(), f"{_UNION}; sentences without target left to N-acc, which the server may do otherwise", verified=False
)
DAVIS_A = "A: the expressions of an annotator in one picture, unsupervised task, mean of four annotators"


def protocol_of(dataset: VideoDataset) -> Protocol:
    """The rules for this dataset, by its version where it has several."""
    return MEVIS_V2 if isinstance(dataset, Mevis) and dataset.version == 2 else PROTOCOLS[dataset.name]


def layout_of(dataset: VideoDataset) -> MaskTree | SampleLayout:
    """Where the predictions of a dataset are found."""
    return protocol_of(dataset).layout or SampleLayout(cast(NamesImages, dataset))


@dataclass(frozen=True)
class Scored:
    """rows: of every expression; figures: of `metrics.json`, the summary first."""

    rows: list[ExpressionRow]
    figures: dict[str, Any]


def score_dataset(dataset: VideoDataset, predictions: Path, workers: int, progress: Progress = no_progress) -> Scored:
    """Score what lies under `predictions` in the layout of the dataset.

    Whatever is missing or broken counts 0, and is listed under "missing" and "failures". Raises `DataError` for a split
    without truth.
    """
    check_truth(dataset)
    protocol = protocol_of(dataset)
    scoring = MaskScoring(dataset, layout_of(dataset), predictions, protocol.missing_is_empty)
    rows = [row for found in over_cores(scoring, dataset.videos, workers, progress) for row in found]
    head = headline(rows)
    lost: dict[str, list[Any]] = {"missing": missing(rows), "failures": failures(rows)}
    if protocol.layout is None:
        summary, lost["failures"] = sample_figures(dataset, cast(NamesImages, dataset), predictions)
    else:
        summary = _summary(dataset, rows, head)
    block: dict[str, Any] = {
        "protocol": protocol.text,
        "verified": protocol.verified,
        **summary,
        "expressions_in_all": len(rows),
        "by": breakdowns(head, protocol.boundary),
        **_apart(rows),
    }
    if isinstance(dataset, RefDavis17):
        block = _both_protocols(dataset, block, lost, predictions, workers)
    figures = {"dataset": dataset.name, "split": dataset.split, **block, "videos": len(dataset.videos)}
    return Scored(rows, {**figures, "notes": list(dataset.notes), **lost})


def check_predictions(dataset: VideoDataset, predictions: Path) -> None:
    """Raise `DataError` for a folder in which no expression of the dataset has a prediction."""
    layout = layout_of(dataset)
    pairs = ((video, expression) for video in dataset.videos for expression in video.expressions)
    annotated = isinstance(dataset, RefDavis17) and davis.has_annotators(predictions)
    if not annotated and not any(layout.has(predictions, *pair) for pair in pairs):
        wanted = f"{dataset.name}, split '{dataset.split}'"
        raise DataError(f"{predictions}: no prediction of {wanted} there: docs/datasets.md tells how they must lie")


def _summary(dataset: VideoDataset, rows: list[ExpressionRow], head: list[ExpressionRow]) -> dict[str, Any]:
    """The figures that papers report of this dataset, then the rest."""
    figures = mean_figures(head)
    if isinstance(dataset, Mevis) and dataset.version == 2:
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
    found = {
        "motion": [row for row in rows if row.motion and row.has_target],
        "no_target": [row for row in rows if not row.has_target],
    }
    return {name: mean_figures(part) for name, part in found.items() if part}


def _both_protocols(
    dataset: RefDavis17, b: dict[str, Any], lost: dict[str, list[Any]], predictions: Path, workers: int
) -> dict[str, Any]:
    """A and B in blocks of their own, as far as their predictions are there; the summary is A's where it is there,
    which most papers report. `lost` is left with what was looked for."""
    blocks: dict[str, dict[str, Any]] = {}
    more: dict[str, list[Any]] = {"missing": [], "failures": []}
    if davis.has_annotators(predictions):
        a = davis.protocol_a(dataset, predictions, workers)
        more = {name: a.pop(name) for name in more}
        blocks["A"] = {"protocol": DAVIS_A, "verified": True, **a}
    if layout_root(dataset, predictions).is_dir():
        blocks["B"] = b
        more = {name: [*lost[name], *more[name]] for name in more}
    lost.update(more)
    first = blocks.get("A") or b
    return {
        **{name: first[name] for name in ("protocol", "verified", "J&F", "J", "F")},
        "protocols": blocks or {"B": b},
    }


def layout_root(dataset: RefDavis17, predictions: Path) -> Path:
    """The folder of protocol B's masks."""
    layout = PROTOCOLS[dataset.name].layout
    return predictions if layout is None else predictions / layout.prefix
