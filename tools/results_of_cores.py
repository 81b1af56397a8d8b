"""The table of the cores, the networks of the papers: what they cost at full size."""

from __future__ import annotations

from marked_tables import table
from results_files import number, read


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
                "" if published is None else f"{number(row['ratio'], 2)} ({number(published['aim'], 2)})",
                number(row["peak_mb"], 0),
            ]
        )
    header = ("core", "parameters, M", "GFLOP", "published: both", "processor s", "form of the release, s")
    return table((*header, "ratio (aim)", "peak MB"), rows)
