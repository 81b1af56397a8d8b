"""How much of real expressions the parser of `image_core/weak` understands.

    python benchmarks/parser_coverage.py [--shared DIR]

Reads every file of SHARED/annotations and writes benchmarks/parser_coverage.json. Each file's different sentences are
cut in two: the rules were written while looking at those at even positions, the others were held out. A head noun is
found where the parse names one that is no placeholder of the file itself; that it is the right one is checked only for
A2D-Sentences, whose file gives a shorter description of the same actor that somebody wrote without the rest.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine

from image_core.weak.language import words
from image_core.weak.language.expression import Referent
from image_core.weak.language.parser import parse_expression

HERE = Path(__file__).parent
PLACEHOLDER = "unk"
"""What a decoder of the refer samples wrote for words out of its vocabulary."""
EXAMPLES = 2
LONGEST_EXAMPLE = 5
"""Examples of a cause, and the words of the longest."""


def read_sentences(folder: Path) -> dict[str, list[str]]:
    """Name of a data set -> its sentences, each once, in the file's order."""
    videos = json.loads((folder / "ref_youtube_vos_valid_test_meta_expressions.json").read_text())["videos"]
    found = {"ref_youtube_vos": [e["exp"] for video in videos.values() for e in video["expressions"].values()]}
    with (folder / "ref_davis17_val_expressions.csv").open() as file:
        found["ref_davis17"] = [row["ref_exp"] for row in csv.DictReader(file, delimiter=";")]
    found["a2d_sentences"] = [query for query, _ in a2d_pairs(folder)]
    samples = json.loads((folder / "jhmdb_sentences_samples_metadata.json").read_text())
    found["jhmdb_sentences"] = [sample[-1] for sample in samples]
    for path in sorted((folder / "refer_api_samples").glob("*.json")):
        found[path.stem.replace("sample_expressions", "refer")] = [
            row["sent"] for row in json.loads(path.read_text())["predictions"]
        ]
    return {name: list(dict.fromkeys(sentences)) for name, sentences in found.items()}


def a2d_pairs(folder: Path) -> list[tuple[str, str]]:
    """(sentence, shorter description of its actor)."""
    with (folder / "a2d_annotation_with_short_query.txt").open() as file:
        return [(row["query"], row["short_query"] or "") for row in csv.DictReader(file)]


def has_head(referent: Referent) -> bool:
    """Whether a head noun was found."""
    return referent.noun not in ("", PLACEHOLDER)


def cause(sentence: str, referent: Referent) -> str:
    """Why no head noun was found."""
    said = sentence.lower().replace(".", " ").split()
    if PLACEHOLDER in said:
        return "a word out of the file's own vocabulary"
    if not referent.phrase:
        return (
            "the noun is left unsaid: a pronoun" if words.STAND_INS & set(said) else "the noun is left unsaid: a place"
        )
    if all(word in words.ADJECTIVES or word == "and" for word in referent.phrase.split()):
        return "the noun is left unsaid: an adjective"
    return "the rules failed"


def figures(sentences: Sequence[str]) -> dict[str, Any]:
    """Shares of the sentences that have a head noun, relations, superlatives, negation; counts by kind and by cause."""
    parsed = [(sentence, parse_expression(sentence)) for sentence in sentences]
    relations = [{r.kind for r in referent.relations} for _, referent in parsed]
    counts = {
        "head_noun": sum(has_head(referent) for _, referent in parsed),
        "any_relation": sum(map(bool, relations)),
        "spatial_relation": sum(bool(kinds - {"with"}) for kinds in relations),
        "superlative": sum(bool(referent.superlatives) for _, referent in parsed),
        "negation": sum(bool(referent.excluded) for _, referent in parsed),
        "work_for_the_predicates": sum(referent.is_spatial for _, referent in parsed),
    }
    kinds = Counter(kind for found in relations for kind in found)
    superlatives = Counter(s.kind for _, referent in parsed for s in referent.superlatives)
    causes = Counter(cause(sentence, referent) for sentence, referent in parsed if not has_head(referent))
    return {
        "sentences": len(sentences),
        "share": {name: round(count / len(sentences), 4) for name, count in counts.items()},
        "sentences_by_relation": dict(kinds.most_common()),
        "superlatives_by_kind": dict(superlatives.most_common()),
        "without_head_noun": dict(causes.most_common()),
    }


def examples(sentences: Sequence[str]) -> dict[str, list[str]]:
    """A few short sentences without a head noun, by cause."""
    found: dict[str, list[str]] = {}
    for sentence in sentences:
        referent = parse_expression(sentence)
        if not has_head(referent) and len(sentence.split()) <= LONGEST_EXAMPLE:
            listed = found.setdefault(cause(sentence, referent), [])
            if len(listed) < EXAMPLES:
                listed.append(sentence)
    return found


def agreement(folder: Path) -> dict[str, float | int]:
    """A2D, held-out half: how often the head noun of a sentence is that of the shorter description."""
    pairs = [pair for pair in list(dict.fromkeys(a2d_pairs(folder)))[1::2] if pair[1].strip()]
    same = sum(parse_expression(query).noun == parse_expression(short).noun for query, short in pairs)
    return {"pairs": len(pairs), "same_head_noun": round(same / len(pairs), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RVOS_SHARED", HERE.parents[1] / "shared")))
    folder = parser.parse_args().shared / "annotations"
    sentences = read_sentences(folder)
    halves = {"held_out": 1, "looked_at": 0}
    started = time.process_time()
    results = {
        half: {name: figures(listed[first::2]) for name, listed in sentences.items()} for half, first in halves.items()
    }
    for half, first in halves.items():
        results[half]["all"] = figures([s for listed in sentences.values() for s in listed[first::2]])
    # Everything is parsed twice: by data set and in all.
    spent = (time.process_time() - started) / 2 / sum(map(len, sentences.values()))
    document = {
        "command": "python benchmarks/parser_coverage.py",
        "machine": describe_machine(),
        "milliseconds_per_sentence": round(1000 * spent, 3),
        "a2d_held_out_agreement_with_the_short_description": agreement(folder),
        "examples_without_head_noun": examples([s for listed in sentences.values() for s in listed[1::2]]),
        "results": results,
    }
    (HERE / "parser_coverage.json").write_text(json.dumps(document, indent=1) + "\n")
    for half, by_name in results.items():
        for name, found in by_name.items():
            print(half, name, found["sentences"], found["share"])


if __name__ == "__main__":
    main()
