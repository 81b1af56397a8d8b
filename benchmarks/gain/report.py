"""Figures computed from the rows: tables, gains with their intervals, headroom, twins. Fractions, not points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np

from benchmarks.gain.systems import ALWAYS_SHOWN, FRAME_BY_FRAME, KINDS, OURS, SYSTEMS
from benchmarks.harness.rows import Row
from rvos.metrics import Interval, Presence, mean_interval, no_family_worse
from rvos.synthetic.severity import FAMILIES

Value = Callable[[Row], float]
DIGITS = 4


def on_visible(row: Row) -> float:
    """J&F over the frames where the target is visible."""
    return row["J&F"]


def over_frames(row: Row) -> float:
    """The same; for an expression without a target J&F over all frames, which is the share of frames without a mask."""
    return row["J&F_all_frames"] if row["J&F"] is None else row["J&F"]


def has_target(row: Row) -> bool:
    """Whether the target is visible on some frame."""
    return row["J&F"] is not None


class Results:
    """The rows of videos for one kind of expression, by system and expression."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.by_system: dict[str, dict[tuple[str, str], Row]] = {}
        for row in rows:
            self.by_system.setdefault(row["system"], {})[row["video"], row["expression"]] = row

    def __contains__(self, system: str) -> bool:
        return system in self.by_system

    def systems(self, kind: str) -> list[str]:
        """Names of the systems of a kind, in the table's order."""
        return [name for name, system in SYSTEMS.items() if system.kind == kind and name in self]

    def rows(self, system: str, family: str | None = None) -> list[Row]:
        """All rows of a system, or those of one family."""
        return [row for row in self.by_system[system].values() if family in (None, row["family"])]

    def pairs(self, system: str, baseline: str, family: str | None = None) -> list[tuple[Row, Row]]:
        """The rows of two systems on the same expressions."""
        theirs = self.by_system[baseline]
        return [(row, theirs[row["video"], row["expression"]]) for row in self.rows(system, family)]


def summary(results: Results, system: str) -> dict[str, Any]:
    """The figures of one system over all expressions and by family."""
    families = [family for family in FAMILIES if results.rows(system, family)]
    return figures(results, system) | {"families": {family: figures(results, system, family) for family in families}}


def figures(results: Results, system: str, family: str | None = None) -> dict[str, Any]:
    """The figures of one system: J&F, J, F over visible frames, N-acc and T-acc over frames; None without such
    frames."""
    rows = results.rows(system, family)
    seen = [row for row in rows if has_target(row)]
    counts = ("targets", "targets_found", "absences", "absences_found")
    presence: Presence = reduce(add, (Presence(*(row[name] for name in counts)) for row in rows))
    return {
        "J&F": _mean(seen, "J&F"),
        "J&F_interval": _ends(interval(seen, on_visible)) if seen else None,
        "J": _mean(seen, "J"),
        "F": _mean(seen, "F"),
        "N-acc": _rounded(presence.n_acc),
        "T-acc": _rounded(presence.t_acc),
        "J&F_all_frames": _mean(rows, "J&F_all_frames"),
        "stability": _mean(rows, "stability"),
        "expressions": len(rows),
        "expressions_with_target": len(seen),
    }


def interval(rows: Sequence[Row], value: Value) -> Interval:
    """Mean and 95 % interval over videos, resampled within families."""
    return mean_interval(np.array([value(r) for r in rows]), [r["video"] for r in rows], [r["family"] for r in rows])


def gain(results: Results, system: str, baseline: str) -> dict[str, Any]:
    """Paired difference in J&F over visible frames, in all and by family; of the family `absent` over all frames."""
    whole = difference([pair for pair in results.pairs(system, baseline) if has_target(pair[0])], on_visible)
    by_family = {family: results.pairs(system, baseline, family) for family in FAMILIES}
    return whole | {
        "families": {family: difference(pairs, over_frames) for family, pairs in by_family.items() if pairs}
    }


def difference(pairs: Sequence[tuple[Row, Row]], value: Value) -> dict[str, Any]:
    """First minus second: mean and 95 % interval over videos; {} without pairs."""
    if not pairs:
        return {}
    videos, families = [one["video"] for one, _ in pairs], [one["family"] for one, _ in pairs]
    gained = mean_interval(np.array([value(one) - value(other) for one, other in pairs]), videos, families)
    return {"mean": _rounded(gained.mean), "interval": _ends(gained)}


def verdicts(results: Results, system: str, baseline: str) -> list[dict[str, Any]]:
    """Family by family, whether a system is not worse than a baseline, Holm over the families; see `over_frames`."""
    pairs = results.pairs(system, baseline)
    differences = np.array([over_frames(ours) - over_frames(theirs) for ours, theirs in pairs])
    videos, families = [ours["video"] for ours, _ in pairs], [ours["family"] for ours, _ in pairs]
    return [
        {
            "family": v.family,
            "mean": _rounded(v.difference.mean),
            "interval": _ends(v.difference),
            "p_holm": _rounded(v.p_holm),
            "not_worse": v.not_worse,
        }
        for v in no_family_worse(differences, videos, families)
    ]


def constant_share(results: Results, family: str | None = None) -> float | None:
    """Share of the frame-by-frame error of the image model (1 - figure) that its best frame of each expression has too:
    no choice among its masks removes it. The best frame is searched without the presence threshold."""
    pairs = [p for p in results.pairs(FRAME_BY_FRAME, ALWAYS_SHOWN, family) if has_target(p[0])]
    short = sum(1 - on_visible(row) for row, _ in pairs)
    return _rounded(sum(1 - best["best_frame"] for _, best in pairs) / short) if short else None


def headroom(results: Results, oracle: str, family: str | None = None) -> dict[str, Any] | None:
    """The gain of an oracle over the image model frame by frame, and the share of it that each system reaches."""
    pairs = results.pairs(oracle, FRAME_BY_FRAME, family)
    room = _mean_difference(pairs)
    if room is None:
        return None
    systems = [name for kind in ("causal", "offline") for name in results.systems(kind) if name != FRAME_BY_FRAME]
    gains = {name: _mean_difference(results.pairs(name, FRAME_BY_FRAME, family)) for name in systems}
    return {
        "headroom": _rounded(room),
        "share_won": {name: _rounded(won / room) for name, won in gains.items() if won is not None and room > 0},
    }


def _mean_difference(pairs: Sequence[tuple[Row, Row]]) -> float | None:
    differences = [on_visible(ours) - on_visible(theirs) for ours, theirs in pairs if has_target(ours)]
    return float(np.mean(differences)) if differences else None


def twins(rows: Sequence[Row]) -> dict[str, Any]:
    """The loss of each system by the challenge, on the same expressions with and without it, and the share of the image
    model's loss that ours recovers."""
    calm = {(r["index"], r["sentence"], r["system"]): r for r in rows if not r["challenge"] and r["kind"] == "stable"}
    pairs: dict[str, list[tuple[Row, Row]]] = {}
    for row in rows:
        twin = calm.get((row["index"], row["sentence"], row["system"]))
        if row["challenge"] and twin is not None and has_target(row) and has_target(twin):
            pairs.setdefault(row["system"], []).append((twin, row))
    return {family or "all": _costs(pairs, family) for family in (None, *_families(pairs))}


def _families(pairs: dict[str, list[tuple[Row, Row]]]) -> Iterator[str]:
    there = {row["family"] for of_system in pairs.values() for _, row in of_system}
    return (family for family in FAMILIES if family in there)


def _costs(pairs: dict[str, list[tuple[Row, Row]]], family: str | None) -> dict[str, Any]:
    of_family = {name: [p for p in both if family in (None, p[0]["family"])] for name, both in pairs.items()}
    systems = {
        name: {
            "calm": _mean([twin for twin, _ in both], "J&F"),
            "challenge": _mean([row for _, row in both], "J&F"),
            "drop": difference(both, on_visible),
        }
        for name, both in of_family.items()
    }
    drops = {name: _mean_difference(both) for name, both in of_family.items()}
    alone = drops.get(FRAME_BY_FRAME) or 0.0
    won = {n: _rounded(1 - d / alone) for n, d in drops.items() if n != FRAME_BY_FRAME and d is not None and alone > 0}
    return {"systems": systems, "share_won": won}


def costs(rows: Sequence[Row]) -> dict[str, float]:
    """Processor milliseconds per frame and expression: of the image model, and added by each system."""
    spent = {"image_model": float(np.mean([row["image_ms"] for row in rows]))}
    for name in SYSTEMS:
        of_system = [row["cpu_ms"] for row in rows if row["system"] == name]
        if of_system:
            spent[name] = float(np.mean(of_system))
    return {name: round(value, 2) for name, value in spent.items()}


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """The whole document. `stable` is the headline; stale and motion expressions are separate."""
    challenge = [row for row in rows if row["challenge"]]
    of_kind = {kind: Results([r for r in challenge if r["kind"] == kind]) for kind in ("stable", "stale", "motion")}
    stable = of_kind["stable"]
    document: dict[str, Any] = {
        kind: _table(results, summary if kind == "stable" else figures) for kind, results in of_kind.items()
    }
    if FRAME_BY_FRAME in stable:
        document |= _comparisons(stable)
    if any(not row["challenge"] for row in rows):
        document["twins"] = twins(rows)
    return document | {"cpu_ms_per_frame_and_expression": costs(challenge)}


def points(fraction: float | None) -> str:
    """A fraction in points, as printed in tables."""
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def _table(results: Results, of: Callable[[Results, str], dict[str, Any]]) -> dict[str, Any]:
    return {kind: {name: of(results, name) for name in results.systems(kind)} for kind in KINDS}


def _comparisons(stable: Results) -> dict[str, Any]:
    others = [name for kind in KINDS for name in stable.systems(kind) if name != FRAME_BY_FRAME]
    gains = {name: gain(stable, name, FRAME_BY_FRAME) for name in others}
    compared: dict[str, Any] = {"gain_over_frame_by_frame": gains}
    for kind, ours in OURS.items():
        if ours in stable:
            baselines = [name for name in stable.systems(kind) if name not in (ours, FRAME_BY_FRAME)]
            compared[f"{ours}_over_baselines"] = {name: gain(stable, ours, name) for name in baselines}
            compared[f"{ours}_family_verdicts"] = verdicts(stable, ours, FRAME_BY_FRAME)
    if ALWAYS_SHOWN in stable:
        compared["constant_share_of_error"] = _by_family(partial(constant_share, stable))
    compared["headroom"] = {
        name: _by_family(lambda family, oracle=name: headroom(stable, oracle, family))
        for name in stable.systems("oracle")
    }
    return compared


def _by_family(value: Callable[[str | None], Any]) -> dict[str, Any]:
    values = {family or "all": value(family) for family in (None, *FAMILIES)}
    return {name: each for name, each in values.items() if each is not None}


def _mean(rows: Sequence[Row], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return _rounded(float(np.mean(values))) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _ends(interval: Interval) -> list[float]:
    return [round(interval.low, DIGITS), round(interval.high, DIGITS)]
