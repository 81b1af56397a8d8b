"""How many real expressions speak of motion, and how often the parser is right about them.

python -m benchmarks.few_masks.motion_coverage [--shared DIR] [--show N]

Reads A2D-Sentences and Ref-YouTube-VOS of DIR/annotations. As in `parser_coverage`, the rules were written while
looking at the expressions at even positions, and those at odd ones were held out. A motion counts as measured alone
if its words are removed from the question to the image model, and as also seen if they stay ("walking").

Of the held-out expressions with a motion that is measured alone a hundred were drawn by --seed, half of each data set,
and judged by eye: whether the motions are those of the target in the expression, and whether the still part
is the rest. The judgements are in motion_judged.json, by the SHA-256 of the text: "" if right, else the error; it
contains no expression. --show N prints N expressions without a judgement. Takes seconds.

The result is motion_coverage.json, beside this file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.few_masks.parser_coverage import read_expressions
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from image_core.language.motion import TimedExpression
from image_core.language.motion_parser import parse_timed

BENCHMARK = Benchmark(__file__, __doc__)
JUDGED = Path(__file__).with_name("motion_judged.json")
SETS = ("ref_youtube_vos", "a2d_sentences")
SAMPLE = 50
"""Number of expressions of a data set that are judged."""


def digest_of(text: str) -> str:
    """The key of an expression among the judgements."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sampled(expressions: Sequence[str], seed: int) -> list[TimedExpression]:
    """A sample of the held-out expressions with a motion that is measured alone."""
    every = (parse_timed(text) for text in expressions[1::2])
    moving = [read for read in every if any(not motion.is_seen for motion in read.motions)]
    # By their digests, so that the sample stays when the parser changes a little.
    return sorted(moving, key=lambda read: digest_of(f"{seed} {read.text}"))[:SAMPLE]


def figures(expressions: Sequence[str]) -> dict[str, Any]:
    """Shares of the expressions with a motion, one that is measured alone, a sequence, a comparison; counts by
    action."""
    read = [parse_timed(text) for text in expressions]
    counts = {
        "motion": sum(bool(one.motions) for one in read),
        "measured_alone": sum(any(not m.is_seen for m in one.motions) for one in read),
        "direction": sum(any(m.direction for m in one.motions) for one in read),
        "in_order": sum(any(m.then for m in one.motions) for one in read),
        "compared": sum(any(m.rank or m.speed for m in one.motions) for one in read),
        "landmark": sum(any(m.landmark for m in one.motions) for one in read),
    }
    actions = Counter(m.action for one in read for m in one.motions)
    return {
        "expressions": len(read),
        "share": {name: round(count / len(read), 4) for name, count in counts.items()},
        "deeds": dict(actions.most_common()),
    }


def judged(texts: dict[str, list[str]], seed: int) -> dict[str, Any]:
    """How many of the sampled expressions were judged, how many of these are right, and counts of errors by kind."""
    judgements = json.loads(JUDGED.read_text()) if JUDGED.is_file() else {}
    document: dict[str, Any] = {}
    for name in SETS:
        verdicts = [judgements[d] for one in sampled(texts[name], seed) if (d := digest_of(one.text)) in judgements]
        document[name] = {
            "judged": len(verdicts),
            "right": sum(not verdict for verdict in verdicts),
            "wrong": dict(Counter(verdict for verdict in verdicts if verdict).most_common()),
        }
    return document


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--shared", metavar="DIR", type=Path, default=SHARED)
    parser.add_argument("--show", metavar="N", type=int, default=0)
    arguments = parser.parse_args()
    every = read_expressions(arguments.shared / "annotations")
    texts = {name: every[name] for name in SETS}
    if arguments.show:
        known = json.loads(JUDGED.read_text()) if JUDGED.is_file() else {}
        new = [one for name in SETS for one in sampled(texts[name], arguments.seed) if digest_of(one.text) not in known]
        for one in new[: arguments.show]:
            print(digest_of(one.text), one.text, "->", one.still, [m.document() for m in one.motions])
        return
    results = {
        half: {name: figures(listed[first::2]) for name, listed in texts.items()}
        for half, first in {"held_out": 1, "looked_at": 0}.items()
    }
    BENCHMARK.write(
        arguments.out, {"seed": arguments.seed, "judged_by_eye": judged(texts, arguments.seed), "results": results}
    )
    for half, by_name in results.items():
        for name, counted in by_name.items():
            print(half, name, counted["expressions"], counted["share"])


if __name__ == "__main__":
    BENCHMARK.start(main)
