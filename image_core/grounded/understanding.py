"""How `Grounded` understands an expression: which words it has evidence for, and which words have no effect.

The parser of SpARC says what the expression refers to; the table of nouns, the colours and the spatial predicates say
which of that can be decided from an image. Only that is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from image_core.grounded.colours import COLOURS, TONES
from image_core.language import words
from image_core.language.expression import Referent, Relation, Superlative
from image_core.language.nouns import UNKNOWN, NounMeaning, meaning_of
from image_core.language.number import ALL, NUMBERS, number_of
from image_core.language.parser import parse_expression
from image_core.language.plurals import singular_of
from image_core.language.tokens import respelled, tokenise


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


ANYTHING = _set("thing things object objects item items something anything one ones")
SIZES = {
    **dict.fromkeys(_set("big large huge tall adult giant"), "bigger"),
    **dict.fromkeys(_set("small little tiny baby short"), "smaller"),
}
"""Adjectives before a noun that compare it with others of its kind."""
_COLLECTIVE = (
    (re.compile(r"\bpair of (?=(?:\w+ )*(?:pants|trousers|jeans|shorts|scissors|(?:sun)?glasses|goggles|skis)\b)"), ""),
    (re.compile(r"\b(?:pair|couple) of "), "two "),
    (re.compile(r"\b(?:group|herd|flock|bunch|pack|crowd|lot|lots|school|row) of "), "all "),
)
DETAILS = _set(
    "hat hats cap helmet belt hair beard tie bowtie scarf shoe shoes boots boot sock socks glove gloves glasses"
    " sunglasses goggles bag backpack purse collar mane tail ear ears nose stripe stripes spot spots patch patches"
    " handles handle wheel wheels headband necklace ribbon mask"
)
"""What is worn or had and fills little of a thing."""
_SMALL = words.ARTICLES | words.RELATIVES | _set("this these those and is are being of with it in on at")
"""Words that are not reported when they have no effect."""
_TOUCHING = _set(
    "with has have having on by riding rides ridden ride holding holds held hold carrying carries carried driving"
    " drives driven pushing pushes pushed pulling pulls pulled leading leads led petting hugging kissing feeding eating"
    " using playing kicking throwing catching hitting swinging sitting leaning lying touching wearing washing grabbing"
)
"""Words of relations without a predicate, which say that the landmark is close."""


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase of an expression, as conditions on a box."""

    #: The noun as written, with the word before it if both are one noun ("cell phone"); "" for any object.
    noun: str
    #: All words about the object itself ("girl in blue dress twirling"), for open-vocabulary networks.
    phrase: str = ""
    meaning: NounMeaning = UNKNOWN
    #: Names of `COLOURS` and `TONES`, each to be seen on it: its own, those of clothes and the like, and those of a hat
    #: or another of `DETAILS`.
    colours: tuple[str, ...] = ()
    worn: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def is_anything(self) -> bool:
        """Whether no noun narrows it."""
        return not self.noun

    @property
    def key(self) -> str:
        """The phrase of a `Referent` that stands for the thing."""
        return " ".join([*self.all_colours, self.noun or "thing"])

    @property
    def all_colours(self) -> tuple[str, ...]:
        """Every colour that the expression names for it."""
        return *self.colours, *self.worn, *self.details

    @property
    def names(self) -> frozenset[str]:
        """Detector labels that fit the noun."""
        return self.meaning.coco | {self.noun, singular_of(self.noun), self.phrase}


@dataclass(frozen=True)
class Understanding:
    """One expression, as noun phrases, relations and words without effect."""

    expression: str
    #: For the predicates; the phrase of each referent is the key of its thing. It has only what can be answered.
    referent: Referent
    #: What the phrases ask for; the first is the target.
    things: tuple[NounPhrase, ...]
    #: Further targets ("the dog and the cat"), each by itself.
    also: tuple[NounPhrase, ...] = ()
    #: Whether there are several targets of a kind, and how many if the expression says so.
    several: bool = False
    count: int | None = None
    #: Whether a superlative says that nothing lies beyond ("the leftmost", not "on the left").
    is_strict: bool = False
    #: Words without effect, in their order.
    without_effect: tuple[str, ...] = ()

    @property
    def thing(self) -> NounPhrase:
        """The target."""
        return self.things[0]

    @property
    def phrases(self) -> tuple[str, ...]:
        """The phrases for open-vocabulary networks, each once."""
        return tuple(dict.fromkeys(thing.phrase for thing in (*self.things, *self.also)))

    @property
    def asks_for_classes(self) -> bool:
        """Whether ImageNet has a class for any of its nouns: of people it has none."""
        return any(thing.meaning.synsets for thing in (*self.things, *self.also))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return self.thing.is_anything and not self.expression.strip()

    def thing_of(self, phrase: str) -> NounPhrase:
        """That of a phrase of the referent."""
        return next(thing for thing in self.things if thing.key == phrase)

    def unknown_nouns(self) -> list[str]:
        """Nouns of targets that no class fits."""
        return [t.noun for t in (self.thing, *self.also) if not (t.is_anything or t.meaning.has_classes)]

    def document(self) -> dict[str, Any]:
        """As JSON values, for a result."""
        return {
            "noun": self.thing.noun,
            "classes": sorted(self.thing.meaning.coco),
            "synsets": len(self.thing.meaning.synsets),
            "also": [thing.noun for thing in self.also],
            "attributes": list(self.thing.all_colours),
            "places": [_format_superlative(superlative) for superlative in self.referent.superlatives],
            "relations": [
                " ".join([r.kind, " and ".join(landmark.phrase for landmark in r.landmarks)])
                for r in self.referent.relations
            ],
            "excluded": [other.phrase for other in self.referent.excluded],
            "several": self.count or self.several,
            "without_effect": list(self.without_effect),
        }


def understand(expression: str, any_noun: bool = False) -> Understanding:
    """The understanding of an expression in any spelling. Never fails.

    any_noun: whether every noun can be found in an image, as by an open-vocabulary detector, and not only
    those of the noun table.
    """
    text = expression.lower()
    for pattern, replacement in _COLLECTIVE:
        text = pattern.sub(replacement, text)
    parsed = parse_expression(text)
    reader = _Reader(any_noun)
    referent = reader.referent(parsed)
    also = tuple(reader.thing(landmark)[0] for landmark in reader.joined(parsed))
    several, count = number_of(text, parsed.noun)
    things = tuple(reader.things.values())
    effective = _effective_words(text, parsed, referent, reader, also, several)
    ineffective = tuple(w for w in dict.fromkeys(_content_words(text)) if w not in effective)
    return Understanding(expression, referent, things, also, several, count, _is_strict(text), ineffective)


class _Reader:
    """Makes a referent of what can be answered, and collects its things in the order of their occurrence."""

    def __init__(self, any_noun: bool) -> None:
        self.any_noun = any_noun
        self.things: dict[str, NounPhrase] = {}

    def referent(self, parsed: Referent) -> Referent:
        """The same with phrases that are keys, without relations and exclusions that nothing answers."""
        thing, sizes = self.thing(parsed)
        self.things.setdefault(thing.key, thing)
        stated = {superlative.kind for superlative in parsed.superlatives}
        sizes = () if stated & {"bigger", "smaller"} else sizes
        relations = [answered for r in parsed.relations if (answered := self._relation(r)) is not None]
        excluded = [self.referent(other) for other in parsed.excluded if self.is_detectable(other)]
        kept = tuple(o for o in excluded if o.phrase != thing.key or o.is_spatial)
        return Referent(thing.noun, thing.key, (*parsed.superlatives, *sizes), tuple(relations), kept)

    def _relation(self, relation: Relation) -> Relation | None:
        """A relation that a predicate answers; what somebody holds, rides or has with him is near."""
        if not all(self.is_detectable(landmark) for landmark in relation.landmarks):
            return None
        if relation.kind == "with":
            if not self.is_beside(relation):
                return None
            relation = replace(relation, kind="near")
        return replace(relation, landmarks=tuple(self.referent(landmark) for landmark in relation.landmarks))

    def thing(self, parsed: Referent) -> tuple[NounPhrase, tuple[Superlative, ...]]:
        """What a referent asks of a box by itself, and its superlatives of size."""
        phrase = parsed.phrase.split()
        own = Counter(phrase) - Counter(w for r in parsed.relations if self.is_beside(r) for w in _landmark_words(r))
        noun = "" if parsed.noun in ANYTHING else _longest_noun(phrase, parsed.noun)
        before = phrase[: phrase.index(parsed.noun)] if parsed.noun in phrase else phrase
        sizes = tuple(Superlative(SIZES[w]) for w in before if w in SIZES and w not in noun.split())
        colours = [w for w in own if w in COLOURS and w not in noun.split()]
        # "dark blue": a blue; "dark car": how bright it is.
        behind = dict(pairwise(phrase))
        tones = [w for w in before if w in TONES and behind.get(w) not in COLOURS]
        meaning = meaning_of(noun) if noun else UNKNOWN
        described = tuple(dict.fromkeys([*(c for c in colours if c in before), *tones]))
        others = [c for c in dict.fromkeys(colours) if c not in before]
        small = tuple(c for c in others if _described_word(phrase, c) in DETAILS)
        worn = tuple(c for c in others if c not in small)
        return NounPhrase(noun, parsed.phrase or "object", meaning, described, worn, small), sizes[:1]

    def is_detectable(self, parsed: Referent) -> bool:
        """Whether a landmark, or something excluded, can be found in an image."""
        if not parsed.noun:
            return parsed.is_spatial
        return self.any_noun or meaning_of(_longest_noun(parsed.phrase.split(), parsed.noun)).has_classes

    def is_beside(self, relation: Relation) -> bool:
        """Whether a relation without a predicate has a landmark close by that a detector finds: "riding a horse"."""
        if relation.kind != "with" or relation.words not in _TOUCHING:
            return False
        nouns = [_longest_noun(landmark.phrase.split(), landmark.noun) for landmark in relation.landmarks]
        return all(noun not in words.CLOTHES and (self.any_noun or bool(meaning_of(noun).coco)) for noun in nouns)

    def joined(self, parsed: Referent) -> list[Referent]:
        """Things that stand beside the noun by an "and" right behind it: "the dog and the cat"."""
        return [
            landmark
            for relation in parsed.relations
            for landmark in relation.landmarks
            if (relation.kind, relation.words) == ("with", "and")
            and f"{parsed.noun} and {landmark.phrase}" in parsed.phrase
            and landmark.noun not in words.CLOTHES
            and self.is_detectable(landmark)
        ]

    def has_known_noun(self, thing: NounPhrase) -> bool:
        """Whether something answers the noun of a thing."""
        return self.any_noun or thing.is_anything or thing.meaning.has_classes


def _described_word(phrase: list[str], colour: str) -> str:
    """The word that a colour describes: the first behind it that is no adjective itself; "" at the end."""
    behind = phrase[phrase.index(colour) + 1 :]
    return next((word for word in behind if word not in words.ADJECTIVES and word != "and"), "")


def _longest_noun(phrase: list[str], noun: str) -> str:
    """The noun, with the word before it where the table has both as one: "cell phone", "hot dog"."""
    at = phrase.index(noun) if noun in phrase else 0
    if not at or phrase[at - 1] in COLOURS:
        return noun
    both = f"{phrase[at - 1]} {noun}"
    return both if meaning_of(both).has_classes else noun


def _landmark_words(relation: Relation) -> list[str]:
    return [word for landmark in relation.landmarks for word in landmark.phrase.split()]


def _is_strict(text: str) -> bool:
    return not words.MOST.keys().isdisjoint(respelled(text).split())


def _effective_words(
    text: str, parsed: Referent, referent: Referent, reader: _Reader, also: tuple[NounPhrase, ...], several: bool
) -> set[str]:
    """The words that have an effect."""
    known_phrases = [thing for thing in (*reader.things.values(), *also) if reader.has_known_noun(thing)]
    effective = {word for thing in known_phrases for word in (*thing.noun.split(), *thing.all_colours)} | ANYTHING
    effective |= {
        word for token in tokenise(text) if token.kind in ("place", "relation") for word in token.text.split()
    }
    effective |= {word for r in parsed.relations if reader.is_beside(r) for word in r.words.split()}
    if referent.superlatives:
        effective |= SIZES.keys()
    if several:
        effective |= NUMBERS.keys() | ALL
    if referent.excluded:
        effective |= words.NEGATIONS
    dropped = [r for r in parsed.relations if not all(reader.is_detectable(landmark) for landmark in r.landmarks)]
    lost = {word for r in dropped for word in (*r.words.split(), *_landmark_words(r))}
    return effective - (lost - {word for thing in known_phrases for word in (*thing.noun.split(), *thing.all_colours)})


def _content_words(text: str) -> list[str]:
    """The words of an expression without articles and the like."""
    return [word for word in re.findall(r"[\w'-]+", respelled(text)) if word not in _SMALL]


def _format_superlative(superlative: Superlative) -> str:
    return superlative.kind if superlative.rank == 1 else f"{superlative.kind} {superlative.rank}"
