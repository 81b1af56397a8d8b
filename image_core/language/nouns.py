"""What a noun may mean in the classes of picture models: COCO's, for a detector, and ImageNet's, for a classifier.

The table beside this file was made from WordNet 3.0 by tools/make_noun_table.py; its head holds WordNet's licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from image_core.language.plurals import singular_of


@dataclass(frozen=True)
class NounMeaning:
    """The classes that a noun may mean: those of its kind, narrower ones and wider ones."""

    #: Names of COCO's 80 classes.
    coco: frozenset[str] = frozenset()
    #: Ids of ImageNet's 1,000 classes ("n02084071"); none for people, of whom ImageNet has three odd kinds.
    synsets: frozenset[str] = frozenset()

    @property
    def is_person(self) -> bool:
        """Whether the noun means people, and nothing else."""
        return self.coco == {"person"} and not self.synsets

    @property
    def has_classes(self) -> bool:
        """Whether any class fits."""
        return bool(self.coco or self.synsets)


UNKNOWN = NounMeaning()


def meaning_of(noun: str) -> NounMeaning:
    """The meaning of a noun in singular or plural, of one word or several; `UNKNOWN` where the table has none.

    Case, hyphens and spaces do not matter: "surf-board" is "surfboard". Colours and forms of verbs are no nouns.
    """
    words = " ".join(noun.lower().replace("-", " ").replace("_", " ").split())
    table = _table()
    spellings = dict.fromkeys([words, singular_of(words), words.replace(" ", ""), singular_of(words.replace(" ", ""))])
    return next((table[spelling] for spelling in spellings if spelling in table), UNKNOWN)


@cache
def _table() -> dict[str, NounMeaning]:
    """Noun -> meaning. Nouns of one meaning share it."""
    text = files("image_core.language").joinpath("nouns.tsv").read_text(encoding="utf-8")
    table: dict[str, NounMeaning] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            coco, synsets, nouns = (frozenset(part.split(",")) - {""} for part in line.split("\t"))
            table |= dict.fromkeys(nouns, NounMeaning(coco, synsets))
    return table
