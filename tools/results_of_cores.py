"""The tables of the cores, the networks of the papers: trained alike, in videos, and what they cost at full size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from marked_tables import table
from results_files import gained, number, points, read


def cores() -> str:
    """All cores after the same training from scratch, on test images."""
    return _compared("cores")


def cores_trained_encoders() -> str:
    """The cores with the encoders of the embedded model after the same training from those, on test images."""
    return _compared("cores_trained_encoders")


def cores_at_best_threshold() -> str:
    """The same models at the threshold of the log-odds that suits each best, and with the words of another image."""
    rows = []
    for row in sorted(_of_seed(read("cores_trained_encoders")["rows"], 0), key=lambda row: -_at_best(row)):
        best = row["at_best_threshold"]
        figures = [points(row["mIoU"]), number(best["log_odds"], 1), points(best["mIoU"])]
        rows.append([row["core"], *figures, points(best["mIoU_with_other_words"])])
    return table(("core", "mIoU", "best threshold", "mIoU with it", "with the words of another image"), rows)


def _compared(name: str) -> str:
    header = ("core", "mIoU", "oIoU", "Pr@0.5", "Pr@0.9", "AUC of presence", "N-acc at T-acc .95")
    rows = []
    for row in sorted(_of_seed(read(name)["rows"], 0), key=lambda row: -row["mIoU"]):
        shares = [points(row[key]) for key in ("mIoU", "oIoU", "Pr@0.5", "Pr@0.9")]
        presence = [number(row["AUC"], 3), points(row["N-acc_at_T-acc_0.95"])]
        cost = [number(row["parameters"] / 1e6), number(row["GFLOP"], 2), number(row["cpu_ms"], 0)]
        rows.append([row["core"], *shares, *presence, *cost])
    return table((*header, "parameters, M", "GFLOP", "ms"), rows)


def core_ablations() -> str:
    """Parts of the papers changed, one each, beside the whole core: of several seeds the mean and each one's figure."""
    whole = read("cores_trained_encoders")["rows"]
    changed = read("ablations")["rows"]
    rows = []
    for core in dict.fromkeys(row["core"] for row in whole):
        ours = [row for row in changed if row["core"].startswith(f"{core},")]
        if ours:
            rows.append(_ablated([row for row in whole if row["core"] == core], core, "whole"))
        for name in dict.fromkeys(row["core"] for row in ours):
            rows.append(_ablated([row for row in ours if row["core"] == name], core, name.partition(", ")[2]))
    return table(("core", "what is changed", "mIoU", "at the best threshold", "mIoU on test_compositional", "ms"), rows)


def _ablated(seeds: Sequence[Mapping[str, Any]], core: str, change: str) -> list[str]:
    compositional = [row["test_compositional"]["mIoU"] for row in seeds]
    figures = [[row["mIoU"] for row in seeds], [_at_best(row) for row in seeds], compositional]
    return [core, change, *map(_mean_of, figures), number(fmean(row["cpu_ms"] for row in seeds), 0)]


def _at_best(row: Mapping[str, Any]) -> float:
    return row["at_best_threshold"]["mIoU"]


def _mean_of(values: Sequence[float]) -> str:
    each = f" ({', '.join(map(points, values))})" if len(values) > 1 else ""
    return points(fmean(values)) + each


def _of_seed(rows: Sequence[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["seed"] == seed]


def core_families() -> str:
    """mIoU by family of expression."""
    rows = sorted(read("cores")["rows"], key=lambda row: -row["mIoU"])
    families = [name for name in rows[0]["families"] if name != "absent"]
    return table(
        ("core", *families), ([row["core"], *(points(row["families"][name]) for name in families)] for row in rows)
    )


def core_cost() -> str:
    """Weights at random, full size: parameters, arithmetic and processor seconds beside the form of the release."""
    rows = []
    for name, row in read("core_cost")["models"].items():
        published = row.get("published")
        rows.append(
            [
                name,
                number(row["parameters_m"]),
                number(row["gflop"]),
                "" if published is None else f"{number(published['parameters_m'])}, {number(published['gflop'])}",
                number(row["cpu_s"]["all"], 2),
                "" if published is None else number(row["cpu_s_published_form"]["all"], 2),
                "" if published is None else f"{number(row['ratio'], 2)}{_aim(published)}",
                number(row["peak_mb"], 0),
            ]
        )
    header = ("core", "parameters, M", "GFLOP", "published: both", "processor s", "form of the release, s")
    return table((*header, "ratio (aim)", "peak MB"), rows)


def _aim(published: dict[str, float]) -> str:
    return f" ({number(published['aim'], 2)})" if "aim" in published else ""


def video_cores() -> str:
    """The same models in videos: without time, with the default tracker, and with it on key frames."""
    header = ("core", "frame by frame", "never gated", "tracks", "gain of tracks", "tracks, every 4th decoded")
    rows = []
    for row in read("video_cores")["models"]:
        systems = row["systems"]
        shown = [points(systems[name]["J&F"]) for name in ("frame_by_frame", "always_shown", "tracks")]
        gain = gained(row["gain_over_frame_by_frame"]["tracks"])
        rows.append([row["core"], *shown, gain, points(systems["tracks_key_4"]["J&F"])])
    return table(header, rows)
