"""Scores the predictions of a dataset on disk, by the protocols that its adapter declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_core.errors import DataError
from image_core.progress import Progress, no_progress
from rvos.data.base import VideoDataset
from rvos.data.protocol import Figures, IdMapTruth, MaskFolders, Protocol, ResultsFile
from rvos.evaluation.figures import breakdowns, failures, headline, mean_figures, missing, sample_accuracies
from rvos.evaluation.id_maps import folders_of, has_id_maps, id_map_figures
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.naming import misnamed
from rvos.evaluation.processes import parallel_map
from rvos.evaluation.samples import SampleLayout, sample_figures
from rvos.evaluation.scoring import ExpressionRow, MaskScorer, check_truth


def layout_of(protocol: Protocol) -> MaskTree | SampleLayout:
    """The layout of the predictions of single expressions."""
    match protocol.layout:
        case MaskFolders(prefix):
            return MaskTree(prefix)
        case ResultsFile() as file:
            return SampleLayout(file)
        case other:
            raise ValueError(f"protocol {protocol.name}: expected predictions of single expressions, got {other.text}")


@dataclass(frozen=True)
class DatasetScores:
    """rows: one for every expression; figures: those of `metrics.json`, the summary first."""

    rows: list[ExpressionRow]
    figures: dict[str, Any]


def score_dataset(
    dataset: VideoDataset, predictions: Path, workers: int, progress: Progress = no_progress
) -> DatasetScores:
    """Score the files under `predictions`, in the layout of the dataset.

    What is missing or fails counts 0, and is listed under "missing" and "failures". Folders whose file names seem to
    count frames differently are listed under "misnamed". Raises `DataError` for a split without truth.
    """
    check_truth(dataset)
    rules = dataset.rules
    layout = layout_of(rules)
    scoring = MaskScorer(dataset, layout, predictions, rules.missing_is_empty)
    rows = [row for video_rows in parallel_map(scoring, dataset.videos, workers, progress) for row in video_rows]
    by = breakdowns(headline(rows), rules.boundary)
    problems: dict[str, list[Any]] = {"missing": missing(rows), "failures": failures(rows)}
    if isinstance(layout, SampleLayout):
        summary, problems["failures"] = sample_figures(dataset, layout, predictions)
    else:
        summary = dataset.summary(Figures(mean_figures(headline(rows)), sample_accuracies(rows), by))
    block: dict[str, Any] = {
        "protocol": rules.text,
        "verified": rules.verified,
        **summary,
        "expressions_in_all": len(rows),
        "by": by,
        **_other_figures(rows),
    }
    id_truth = dataset.id_truth()
    if id_truth is not None:
        block, problems = _both_protocols(dataset, id_truth, block, problems, predictions, workers)
    figures = {"dataset": dataset.name, "split": dataset.split, **block, "videos": len(dataset.videos)}
    problems["misnamed"] = misnamed(_folders(dataset, predictions))
    return DatasetScores(rows, {**figures, "notes": list(dataset.notes), **problems})


def _folders(dataset: VideoDataset, predictions: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """All folders of predicted masks that a dataset may have, in the form that `misnamed` takes."""
    layout, id_truth = layout_of(dataset.rules), dataset.id_truth()
    groups = [] if id_truth is None else folders_of(id_truth, predictions)
    for video in dataset.videos:
        names = [f"{name}.png" for name in video.frame_names]
        yield from ((group / video.video_id, names, []) for group in groups)
        if isinstance(layout, MaskTree):
            for expression in video.expressions:
                scored = names if expression.scored is None else [names[position] for position in expression.scored]
                yield layout.folder(predictions, video, expression), scored, names


def check_predictions(dataset: VideoDataset, predictions: Path) -> None:
    """Raise `DataError` for a folder in which no expression of the dataset has a prediction."""
    layout, id_truth = layout_of(dataset.rules), dataset.id_truth()
    pairs = ((video, expression) for video in dataset.videos for expression in video.expressions)
    if (id_truth is None or not has_id_maps(id_truth, predictions)) and not any(
        layout.has(predictions, *pair) for pair in pairs
    ):
        raise DataError(
            f"{predictions}: expected predictions of {dataset.name}, split '{dataset.split}', got none at "
            f"{' or '.join(dict.fromkeys(each.layout.text for each in dataset.protocols))}: see docs/datasets.md"
        )


def _other_figures(rows: list[ExpressionRow]) -> dict[str, Any]:
    """Figures of the expressions that are not part of the summary."""
    parts = {
        "motion": [row for row in rows if row.motion and row.has_target],
        "no_target": [row for row in rows if not row.has_target],
    }
    return {name: mean_figures(part) for name, part in parts.items() if part}


def _both_protocols(
    dataset: VideoDataset,
    id_truth: IdMapTruth,
    expression_block: dict[str, Any],
    expression_problems: dict[str, list[Any]],
    predictions: Path,
    workers: int,
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The figures of a dataset that has a protocol of id maps beside that of single expressions, and what is missing or
    failed.

    Each protocol whose predictions exist has its own block. The summary is that of the id maps if they exist, because
    most papers report it.
    """
    rules = dataset.rules
    blocks: dict[str, dict[str, Any]] = {}
    problems: dict[str, list[Any]] = {"missing": [], "failures": []}
    if has_id_maps(id_truth, predictions):
        blocks[id_truth.protocol.name], problems = id_map_figures(id_truth, dataset.videos, predictions, workers)
    layout = layout_of(rules)
    if isinstance(layout, SampleLayout) or layout.top(predictions).is_dir():
        blocks[rules.name] = expression_block
        problems = {name: [*expression_problems[name], *problems[name]] for name in problems}
    main = blocks.get(id_truth.protocol.name) or expression_block
    summary = {name: main[name] for name in ("protocol", "verified", "J&F", "J", "F")}
    return {**summary, "protocols": blocks or {rules.name: expression_block}}, problems
