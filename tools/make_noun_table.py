"""Writes image_core/language/nouns.tsv from WordNet 3.0: which classes of COCO and of ImageNet a noun may mean.

    apt-get install wordnet-base
    python tools/make_noun_table.py /usr/share/wordnet

A noun means the first of its senses that is a thing, an animal or a person, and that leads to a class: the sense is the
class, lies below it (puppy, dog), or above it (animal, dog). Senses of a person lead to COCO's `person` alone. What
this misses is in `nouns_by_hand.py`.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import timm
from nouns_by_hand import BY_HAND, COCO_SENSES, TOO_WIDE

from image_core.language import words

TARGET = Path(__file__).resolve().parents[1] / "image_core/language/nouns.tsv"
ANIMALS = "05"
THINGS = {"03", "05", "06", "13", "17", "18", "20", "27"}
"""WordNet's files of top-level nouns, animals, artifacts, food, natural objects, persons, plants, substances."""
BODY = "08"
SIGNS = "10"
"""Its file of communication, which has traffic lights and street signs."""
MOST_WORDS = 3
MOST_SENSES = 3
"""Number of senses among which a person counts: not in later ones, as of "trick"."""

Meaning = tuple[frozenset[str], frozenset[str]]
"""(classes of COCO, ids of ImageNet)."""


@dataclass(frozen=True)
class Synset:
    """One sense of WordNet: its file, its lemmas, and the offsets right above it."""

    file: str
    lemmas: tuple[str, ...]
    above: tuple[int, ...]
    is_name: bool


class WordNet:
    """data.noun and index.noun, read."""

    def __init__(self, folder: Path) -> None:
        self.licence: list[str] = []
        self.synsets: dict[int, Synset] = {}
        self.senses: dict[str, list[int]] = {}
        self.below: dict[int, list[int]] = defaultdict(list)
        for line in (folder / "data.noun").read_text().splitlines():
            if line.startswith("  "):
                self.licence.append(line[2:].partition(" ")[2].strip())
            else:
                self._add(line.partition("|")[0].split())
        for line in (folder / "index.noun").read_text().splitlines():
            if not line.startswith("  "):
                fields = line.split()
                self.senses[fields[0]] = [int(offset) for offset in fields[6 + int(fields[3]) :]]
        verbs = (folder / "index.verb").read_text().splitlines()
        self.verbs = {line.split()[0] for line in verbs if not line.startswith("  ")}

    def _add(self, fields: list[str]) -> None:
        count = int(fields[3], 16)
        links = fields[5 + 2 * count :]
        above = [(kind, int(offset)) for kind, offset in pairwise(links) if kind in ("@", "@i")]
        offset = int(fields[0])
        lemmas = tuple(fields[4 + 2 * i] for i in range(count))
        offsets = tuple(o for _, o in above)
        self.synsets[offset] = Synset(fields[1], lemmas, offsets, any(kind == "@i" for kind, _ in above))
        for upper in offsets:
            self.below[upper].append(offset)

    def sense(self, name: str) -> int:
        """`lemma#number` -> its offset."""
        lemma, _, number = name.partition("#")
        return self.senses[lemma][int(number) - 1]

    def all_above(self, offset: int) -> Iterator[int]:
        """The sense itself and all above it, the nearest first."""
        ahead, seen = [offset], set()
        while ahead:
            here = ahead.pop(0)
            if here not in seen:
                seen.add(here)
                yield here
                ahead += self.synsets[here].above

    @cache  # noqa: B019  (one object a run)
    def all_below(self, offset: int) -> frozenset[int]:
        """The sense itself and all below it."""
        return frozenset({offset}.union(*(self.all_below(lower) for lower in self.below.get(offset, ()))))


class Meanings:
    """What senses and nouns mean in classes."""

    def __init__(self, wordnet: WordNet, imagenet: list[str]) -> None:
        self.wordnet = wordnet
        self.imagenet = {int(name[1:]): name for name in imagenet}
        self.coco: dict[int, str] = {
            wordnet.sense(sense): name for name, senses in COCO_SENSES.items() for sense in senses.split()
        }
        self.person = wordnet.sense("person#1")
        self.too_wide = {wordnet.sense(name) for name in TOO_WIDE.split()}

    def is_person(self, offset: int) -> bool:
        """Whether a sense is one of a person."""
        return self.person in self.wordnet.all_above(offset)

    def of_sense(self, offset: int) -> Meaning:
        """The classes of one sense; none where it leads to none."""
        if offset in self.too_wide:
            return frozenset(), frozenset()
        if self.is_person(offset):
            return frozenset({"person"}), frozenset()
        above = [here for here in self.wordnet.all_above(offset) if here not in self.too_wide]
        below = self.wordnet.all_below(offset)
        coco = frozenset(self.coco[here] for here in [*above, *below] if here in self.coco)
        return coco - {"person"}, self._imagenet(above)

    def _imagenet(self, above: list[int]) -> frozenset[str]:
        """Ids below the nearest of these senses that is a class, or has one below it and is a class of COCO."""
        for step, here in enumerate(above):
            ids = frozenset(self.imagenet[o] for o in self.wordnet.all_below(here) if o in self.imagenet)
            if ids and (step == 0 or here in self.coco or here in self.imagenet):
                return ids
        return frozenset()

    def of_noun(self, lemma: str) -> Meaning | None:
        """The classes of the first sense that counts; None where none does.

        A person counts before any thing alone, among the first senses, and never where the word names an animal as
        well ("whale").
        """
        first, animal = True, any(self.wordnet.synsets[o].file == ANIMALS for o in self.wordnet.senses[lemma])
        common = any(lemma in self.wordnet.synsets[o].lemmas for o in self.wordnet.senses[lemma])
        for number, offset in enumerate(self.wordnet.senses[lemma], 1):
            synset = self.wordnet.synsets[offset]
            # "Crane" is a writer, "seal" no soldier; "Siamese cat" has no other sense.
            named = synset.is_name or (common and lemma not in synset.lemmas)
            if synset.file == BODY:
                return None
            if named or synset.file not in THINGS | {SIGNS}:
                continue
            if synset.file == SIGNS and not self.of_sense(offset)[0]:
                continue
            meaning = self.of_sense(offset)
            if any(meaning) and (not self.is_person(offset) or (first and not animal and number <= MOST_SENSES)):
                return meaning
            first = False
        return None


def is_verb_or_quality(noun: str, verbs: set[str]) -> bool:
    """Whether a noun of WordNet is better known as the form of a verb, or as a colour or the like."""
    if noun in words.ADJECTIVES:
        return noun not in words.AMBIGUOUS_NOUNS
    if not noun.endswith("ing") or noun in words.ING_NOUNS or len(noun) < 5:
        return False
    stem = noun[:-3]
    return bool({stem, stem + "e", stem[:-1]} & verbs)


def table_of(wordnet: WordNet, meanings: Meanings) -> dict[str, Meaning]:
    """Noun -> what it means."""
    table: dict[str, Meaning] = {}
    for lemma in wordnet.senses:
        noun = lemma.replace("_", " ").replace("-", " ")
        plain = re.fullmatch(r"[a-z][a-z ']*", noun) and noun.count(" ") < MOST_WORDS
        if not plain or is_verb_or_quality(noun, wordnet.verbs):
            continue
        meaning = meanings.of_noun(lemma)
        if meaning is not None:
            table.setdefault(noun, meaning)
    for name, senses in COCO_SENSES.items():
        parts = [meanings.of_sense(wordnet.sense(sense)) for sense in senses.split()]
        table[name] = joined([(frozenset({name}), ids) for _, ids in parts])
    for nouns, senses in BY_HAND.items():
        parts = [meanings.of_sense(wordnet.sense(sense)) for sense in senses.split() if sense != "="]
        for noun in nouns.split(" "):
            table[noun.replace("\u00a0", " ")] = joined(parts)
    return {noun: meaning for noun, meaning in table.items() if any(meaning)}


def joined(meanings: list[Meaning]) -> Meaning:
    """All classes of several meanings."""
    return frozenset().union(*(coco for coco, _ in meanings)), frozenset().union(*(ids for _, ids in meanings))


def written(table: dict[str, Meaning], licence: list[str]) -> str:
    """The file: one meaning a line, with all nouns of it."""
    nouns: dict[Meaning, list[str]] = defaultdict(list)
    for noun, meaning in table.items():
        nouns[meaning].append(noun)
    rows = ["\t".join([",".join(sorted(m[0])), ",".join(sorted(m[1])), ",".join(sorted(nouns[m]))]) for m in nouns]
    head = [
        "Nouns and the classes that they may mean: COCO's names, ImageNet's ids, the nouns, tab between them.",
        "Written by tools/make_noun_table.py from WordNet 3.0, with a list of our own; not to be edited.",
        "George A. Miller (1995). WordNet: A Lexical Database for English. Communications of the ACM 38, 39-41.",
        "",
        *licence,
    ]
    return "\n".join([*(f"# {line}".rstrip() for line in head), *sorted(rows)]) + "\n"


def main(folder: Path) -> None:
    """Makes the table anew."""
    wordnet = WordNet(folder)
    ids = (Path(timm.__file__).parent / "data/_info/imagenet_synsets.txt").read_text().split()
    table = table_of(wordnet, Meanings(wordnet, ids))
    TARGET.write_text(written(table, wordnet.licence), encoding="utf-8")
    print(f"{TARGET.name}: {len(table)} nouns, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet"))
