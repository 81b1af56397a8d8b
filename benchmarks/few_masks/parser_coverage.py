"""How much of real expressions the parser of `image_core/weak` understands.

python -m benchmarks.few_masks.parser_coverage [--shared DIR]

Reads every file of DIR/annotations. The distinct expressions of each file are divided into two halves: the rules were
written with those at even positions, the others were held out. A head noun counts if the parse has one that is not a
placeholder of the file; whether it is the right one is checked only for A2D-Sentences, which has a second, shorter
description of the same actor. Takes seconds.

The result is parser_coverage.json, beside this file.
"""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from image_core.language import words
from image_core.language.expression import Referent
from image_core.language.parser import parse_expression

BENCHMARK = Benchmark(__file__, __doc__)
PLACEHOLDER = "unk"
"""The token for unknown words in the refer samples."""
EXAMPLES = 2
LONGEST_EXAMPLE = 5
"""Examples of a cause, and the words of the longest."""


def read_expressions(folder: Path) -> dict[str, list[str]]:
    """Name of a data set -> its expressions, each once, in the file's order."""
    videos = json.loads((folder / "ref_youtube_vos_valid_test_meta_expressions.json").read_text())["videos"]
    texts = {"ref_youtube_vos": [e["exp"] for video in videos.values() for e in video["expressions"].values()]}
    with (folder / "ref_davis17_val_expressions.csv").open() as file:
        texts["ref_davis17"] = [row["ref_exp"] for row in csv.DictReader(file, delimiter=";")]
    texts["a2d_sentences"] = [query for query, _ in a2d_pairs(folder)]
    samples = json.loads((folder / "jhmdb_sentences_samples_metadata.json").read_text())
    texts["jhmdb_sentences"] = [sample[-1] for sample in samples]
    for path in sorted((folder / "refer_api_samples").glob("*.json")):
        texts[path.stem.replace("sample_expressions", "refer")] = [
            row["sent"] for row in json.loads(path.read_text())["predictions"]
        ]
    return {name: list(dict.fromkeys(listed)) for name, listed in texts.items()}


def a2d_pairs(folder: Path) -> list[tuple[str, str]]:
    """(expression, shorter description of its actor)."""
    with (folder / "a2d_annotation_with_short_query.txt").open() as file:
        return [(row["query"], row["short_query"] or "") for row in csv.DictReader(file)]


def has_head(referent: Referent) -> bool:
    """Whether the parse has a head noun."""
    return referent.noun not in ("", PLACEHOLDER)


def cause(text: str, referent: Referent) -> str:
    """Why the parse has no head noun."""
    spoken = text.lower().replace(".", " ").split()
    if PLACEHOLDER in spoken:
        return "a word out of the file's own vocabulary"
    if not referent.phrase:
        is_pronoun = words.STAND_INS & set(spoken)
        return "the noun is left unsaid: a pronoun" if is_pronoun else "the noun is left unsaid: a place"
    if all(word in words.ADJECTIVES or word == "and" for word in referent.phrase.split()):
        return "the noun is left unsaid: an adjective"
    return "the rules failed"


def figures(expressions: Sequence[str]) -> dict[str, Any]:
    """Shares of the expressions with a head noun, relations, superlatives, negation; counts by kind and by cause."""
    parsed = [(text, parse_expression(text)) for text in expressions]
    relations = [{r.kind for r in referent.relations} for _, referent in parsed]
    counts = {
        "head_noun": sum(has_head(referent) for _, referent in parsed),
        "any_relation": sum(map(bool, relations)),
        "spatial_relation": sum(bool(kinds - {"with"}) for kinds in relations),
        "superlative": sum(bool(referent.superlatives) for _, referent in parsed),
        "negation": sum(bool(referent.excluded) for _, referent in parsed),
        "work_for_the_predicates": sum(referent.is_spatial for _, referent in parsed),
    }
    kinds = Counter(kind for kinds_of_one in relations for kind in kinds_of_one)
    superlatives = Counter(s.kind for _, referent in parsed for s in referent.superlatives)
    causes = Counter(cause(text, referent) for text, referent in parsed if not has_head(referent))
    return {
        "sentences": len(expressions),
        "share": {name: round(count / len(expressions), 4) for name, count in counts.items()},
        "sentences_by_relation": dict(kinds.most_common()),
        "superlatives_by_kind": dict(superlatives.most_common()),
        "without_head_noun": dict(causes.most_common()),
    }


def examples(expressions: Sequence[str]) -> dict[str, list[str]]:
    """A few short expressions without a head noun, by cause."""
    by_cause: dict[str, list[str]] = {}
    for text in expressions:
        referent = parse_expression(text)
        if not has_head(referent) and len(text.split()) <= LONGEST_EXAMPLE:
            listed = by_cause.setdefault(cause(text, referent), [])
            if len(listed) < EXAMPLES:
                listed.append(text)
    return by_cause


def agreement(folder: Path) -> dict[str, float | int]:
    """A2D, held-out half: how often the head noun of an expression is that of the shorter description."""
    pairs = [pair for pair in list(dict.fromkeys(a2d_pairs(folder)))[1::2] if pair[1].strip()]
    same = sum(parse_expression(query).noun == parse_expression(short).noun for query, short in pairs)
    return {"pairs": len(pairs), "same_head_noun": round(same / len(pairs), 4)}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--shared", metavar="DIR", type=Path, default=SHARED)
    arguments = parser.parse_args()
    folder = arguments.shared / "annotations"
    texts = read_expressions(folder)
    halves = {"held_out": 1, "looked_at": 0}
    started = time.process_time()
    results = {
        half: {name: figures(listed[first::2]) for name, listed in texts.items()} for half, first in halves.items()
    }
    for half, first in halves.items():
        results[half]["all"] = figures([s for listed in texts.values() for s in listed[first::2]])
    # Everything is parsed twice: per data set and in total.
    spent = (time.process_time() - started) / 2 / sum(map(len, texts.values()))
    measured = {
        "milliseconds_per_sentence": round(1000 * spent, 3),
        "a2d_held_out_agreement_with_the_short_description": agreement(folder),
        "examples_without_head_noun": examples([s for listed in texts.values() for s in listed[1::2]]),
        "results": results,
    }
    BENCHMARK.write(arguments.out, measured)
    for half, by_name in results.items():
        for name, counted in by_name.items():
            print(half, name, counted["sentences"], counted["share"])


if __name__ == "__main__":
    BENCHMARK.start(main)
