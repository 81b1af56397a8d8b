"""Whether an expression has one target or several, how many, and the expression that asks for all of a kind."""

from __future__ import annotations

import re

from image_core.language import words
from image_core.language.parser import parse_expression
from image_core.language.plurals import is_plural, plural_of
from image_core.language.tokens import respelled

NUMBERS = {"both": 2, "two": 2, "2": 2, "three": 3, "3": 3, "four": 4, "4": 4, "five": 5, "5": 5, "six": 6, "6": 6}
ALL = frozenset(["all", "every", "each", "several", "many", "multiple", "various"])
GROUPS = frozenset(
    ["everyone", "everybody", "crowd", "team", "family", "audience", "cattle", "luggage", "pair", "couple", "group"]
)
"""Nouns of several, in the singular."""
_ONE_OF = re.compile(
    r"\b(?:one|either|any|first|second|third|last|\w{2,}er|\w+est|\w+most) of (?:the|these|those|all)\b"
)
"""One of them: "the smaller of the two"."""
_AGREEING = {"is": "are", "was": "were", "has": "have"}
_ARTICLE = re.compile(r"^(?:the|a|an|one|another) ")


def number_of(text: str, noun: str | None = None) -> tuple[bool, int | None]:
    """Whether there are several targets, and their number where it is given; by the words up to the head noun."""
    tokens = respelled(text).split()
    is_whole = noun is None
    noun = _head_noun(text) if noun is None else noun
    before = tokens[: tokens.index(noun)] if noun in tokens else tokens[:3]
    if _ONE_OF.search(text):
        return False, None
    count = next((NUMBERS[word] for word in before if word in NUMBERS), None)
    several = count is not None or bool(ALL.intersection(before)) or noun in GROUPS or is_plural(noun)
    # "A man and a dog", but not "a black and white dog".
    joined = is_whole and noun in tokens and tokens[tokens.index(noun) + 1 :][:1] == ["and"]
    return several or joined, count


def expression_for_all(text: str) -> str:
    """The expression for all of what it may mean: "the red cars" for "the red car"."""
    several, count = number_of(text)
    tokens, noun = text.split(), _head_noun(text)
    if count is not None:
        # "the two": the ones.
        tokens = [word for word in tokens if word not in NUMBERS] if noun else ["the", "ones"]
    elif not several and noun in tokens:
        tokens[tokens.index(noun)] = plural_of(noun)
    if not tokens:
        return text
    tokens = [_AGREEING.get(word, word) for word in tokens]
    bare = _ARTICLE.sub("", " ".join(tokens))
    return f"the {bare}" if tokens[0] in words.ARTICLES | {"one", "another"} else bare


def _head_noun(text: str) -> str:
    """The head noun; what stands for one, where that is all there is."""
    noun = parse_expression(text).noun
    stand_ins = ("one", "ones", "thing", "things")
    return noun or next((word for word in respelled(text).split() if word in stand_ins), "")
