"""Surface realisation: generates the text of a meaning, by one of its many phrasings."""

from __future__ import annotations

import re
from random import Random

from image_core.synthetic import phrases
from image_core.synthetic.meanings import (
    OPPOSITES,
    All,
    Beside,
    Between,
    Count,
    Except,
    Extreme,
    Kind,
    Layered,
    Located,
    Meaning,
    Near,
    Nearest,
    OfTwo,
    Ordinal,
    Same,
    Than,
    Union,
    Unlike,
)

_SLOT = re.compile(r"\{(?!head\b)(\w+)\}")
_HEAD = re.compile(r"\{head(?::([^}]*))?\}")
AGREEMENT = (
    {"is": "is", "has": "has", "its": "its", "it": "it"},
    {"is": "are", "has": "have", "its": "their", "it": "them"},
)
"""What singular and plural change in a template, beside its noun."""


def realise(meaning: Meaning, rng: Random, novel: bool = False) -> str:
    """An expression for `meaning`, lower case, without punctuation; `novel` takes a held-out phrasing.

    Equal states of `rng` and mirrored meanings give mirrored expressions.
    """
    match meaning:
        case All(of):
            novel_head = novel and isinstance(of, Kind)
            heads = phrases.NOVEL_PLURAL_HEADS if novel_head else phrases.PLURAL_HEADS + phrases.EVERY_HEADS
            return _Realiser(rng, heads, True, novel).realise(of)
        case Count(of, count):
            novel_head = novel and isinstance(of, Kind)
            heads = (
                phrases.NOVEL_COUNT_HEADS if novel_head else phrases.PAIR_HEADS if count == 2 else phrases.COUNT_HEADS
            )
            return _Realiser(rng, _with_number(heads, count), True, novel).realise(of)
        case Extreme(_, _, count) if count > 1:
            return _Realiser(rng, _with_number(("the {number}",), count), True, novel).realise(meaning)
        case Except():
            return _Realiser(rng, phrases.PLURAL_HEADS, True, novel).realise(meaning)
        case _:
            return _Realiser(rng, phrases.SINGULAR_HEADS, False, novel).realise(meaning)


def plural_of(noun: str) -> str:
    """The plural of a noun of the vocabulary."""
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


class _Realiser:
    """One expression in the making: its article, its number, and whether its phrasing is a held-out one."""

    def __init__(self, rng: Random, heads: tuple[str, ...], several: bool, novel: bool = False) -> None:
        self.rng = rng
        self.article = rng.choice(heads)
        self.of_several = several
        # "Every" speaks of several in the singular.
        self.plural = several and self.article not in phrases.EVERY_HEADS
        self.novel = novel

    def realise(self, meaning: Meaning) -> str:
        """The text of a meaning from which the outermost quantifier has been taken."""
        key, of, slots = self._plan(meaning)
        alone = isinstance(meaning, Kind)
        templates = phrases.PHRASINGS[key].trained
        if self.novel and not (alone and self.of_several):
            templates = phrases.PHRASINGS[key].held_out
        if self.of_several:
            templates = tuple(t for t in templates if "{head" in t or "{plural}" not in t)
        template = self.rng.choice(templates)
        if "{plural}" in template:
            slots["plural"] = self.noun_phrase(of, True)
        verbs = AGREEMENT[self.plural]
        filled = _SLOT.sub(lambda m: slots[m[1]] if m[1] in slots else verbs[m[1]], template)
        return _HEAD.sub(lambda m: self._head(of, m[1] or "", alone), filled)

    def _head(self, kind: Kind, before: str, alone: bool) -> str:
        """Article or quantifier, the word before the adjectives, the noun phrase."""
        words = self.noun_phrase(kind, self.plural, before, clause=alone)
        return f"{self.article} {words}" if self.article else words

    def noun_phrase(self, kind: Kind, plural: bool, before: str = "", clause: bool = False) -> str:
        """Adjectives and noun, with an attribute sometimes behind it; `clause` allows a relative clause there."""
        rng = self.rng
        colour = "" if kind.colour is None else rng.choice(phrases.COLOUR_NAMES.get(kind.colour, (kind.colour,)))
        fill = "" if kind.fill is None else rng.choice(phrases.FILL_ADJECTIVES[kind.fill])
        tail = ""
        draw = rng.random()
        if kind.fill is not None and draw < 0.3:
            fill, tail = "", rng.choice(phrases.FILL_TAILS[kind.fill])
        elif colour and clause and draw > 0.85:
            tail = rng.choice(phrases.COLOUR_TAILS).format(colour, **{"is": "are" if plural else "is"})
            colour = ""
        adjectives = [before, fill, colour] if rng.random() < 0.6 else [before, colour, fill]
        adjectives = [word for word in adjectives if word]
        noun = self._noun(kind, bool(adjectives))
        return " ".join([*adjectives, plural_of(noun) if plural else noun, *([tail] if tail else [])])

    def _noun(self, kind: Kind, described: bool) -> str:
        if kind.shape is not None:
            return self.rng.choice(phrases.SHAPE_NAMES.get(kind.shape, (kind.shape,)))
        return self.rng.choice((*phrases.GENERIC, "one") if described else phrases.GENERIC)

    def _other(self, meaning: Meaning) -> str:
        """Another single object inside the expression, with its article."""
        speaker = _Realiser(self.rng, ("the",), False)
        if not isinstance(meaning, Extreme):
            return speaker.realise(meaning)
        key, of, slots = speaker._plan(meaning)
        # Only the superlative in front of its noun nests without doubt about what belongs to what.
        template = next(t for t in phrases.PHRASINGS[key].trained if t.startswith("{head:"))
        return _HEAD.sub(lambda m: speaker._head(of, m[1], False), _SLOT.sub(lambda m: slots[m[1]], template))

    def _plan(self, meaning: Meaning) -> tuple[str, Kind, dict[str, str]]:
        """(key of the phrasings, the kind the head names, the words for the slots)."""
        match meaning:
            case Kind():
                return self._plan_kind(meaning)
            case Unlike(of, trait):
                return "unlike", of, {"trait": self._trait(trait)}
            case Located(of, vertical, horizontal):
                return self._plan_place(of, vertical, horizontal)
            case Beside(of, side, anchor):
                slots = {"side": side, "opposite": OPPOSITES[side], "anchor": self._other(anchor)}
                return ("beside" if side in ("left", "right") else side), of, slots
            case Near(of, anchor):
                return "near", of, {"anchor": self._other(anchor)}
            case Layered(of, front, anchor):
                return ("front" if front else "behind"), of, {"anchor": self._other(anchor)}
            case Between(of, first, second):
                return "between", of, {"anchor": self._other(first), "second": self._other(second)}
            case Same(of, attribute, anchor):
                word = self.rng.choice(("colour", "color")) if attribute == "colour" else attribute
                return "same", of, {"attribute": word, "anchor": self._other(anchor)}
            case Than(of, size, anchor):
                return "than", of, {**self._sizes(size), "anchor": self._other(anchor)}
            case Nearest(of, anchor, furthest):
                return ("furthest" if furthest else "closest"), of, {"anchor": self._other(anchor)}
            case Extreme(of, key):
                if key in phrases.SIZE_WORDS:
                    return "biggest", of, self._sizes(key)
                return {"top": "topmost", "bottom": "bottommost"}.get(key, "sidemost"), of, {"side": key}
            case OfTwo(of, size):
                return "bigger", of, self._sizes(size)
            case Ordinal(of, key, rank):
                nth = {"nth": self.rng.choice(phrases.ORDINALS[rank])}
                if key in phrases.SIZE_WORDS:
                    return "nth_biggest", of, {**self._sizes(key), **nth}
                return "nth", of, {"side": key, **nth}
            case Union(first, second):
                return "union", Kind(), {"first": self._other(first), "second": self._other(second)}
            case Except(of, minus):
                key = "everything_except" if of == Kind() else "all_except"
                return key, of, {"minus": self._other(minus)}
            case _:
                raise TypeError(f"say: expected a meaning whose plural stands outermost, got {meaning!r}")

    def _plan_kind(self, kind: Kind) -> tuple[str, Kind, dict[str, str]]:
        if not self.novel or self.of_several:
            return "kind", kind, {}
        generic = self.rng.choice(phrases.GENERIC)
        if kind.shape is None:
            fill = "" if kind.fill is None else self.rng.choice(phrases.FILL_ADJECTIVES[kind.fill])
            adjectives = " ".join(word for word in (fill, kind.colour) if word)
            return "kind_without_shape", kind, {"adjectives": adjectives, "generics": plural_of(generic)}
        described = self.noun_phrase(kind, False)
        return "kind", kind, {"generic": generic, "described": described, "a": _indefinite(described)}

    def _plan_place(self, of: Kind, vertical: str | None, horizontal: str | None) -> tuple[str, Kind, dict[str, str]]:
        adjective = "" if vertical is None else self.rng.choice(phrases.VERTICAL_ADJECTIVES[vertical])
        if horizontal is None:
            if vertical is None:
                return "middle", of, {}
            return "vertical", of, {"side": vertical, "adjective": adjective}
        return ("horizontal" if vertical is None else "corner"), of, {"side": horizontal, "adjective": adjective}

    def _sizes(self, key: str) -> dict[str, str]:
        return {slot: self.rng.choice(words) for slot, words in phrases.SIZE_WORDS[key].items()}

    def _trait(self, trait: Kind) -> str:
        if trait.colour is not None:
            return self.rng.choice(phrases.COLOUR_NAMES.get(trait.colour, (trait.colour,)))
        if trait.fill is not None:
            return self.rng.choice(phrases.FILL_ADJECTIVES[trait.fill])
        noun = self._noun(trait, False)
        return plural_of(noun) if self.plural else f"{_indefinite(noun)} {noun}"


def _indefinite(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


def _with_number(heads: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(head.format(number=phrases.NUMBERS[count]) for head in heads)
