"""A referring expression as tokens: places, superlatives and relations are found as phrases, all else is single words.

Only what the words themselves decide is decided here; what depends on the rest of the expression is left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from image_core.language import words

TokenKind = Literal["word", "place", "relation", "with", "not", "and", "break"]


@dataclass(frozen=True)
class Token:
    """A phrase of the expression."""

    kind: TokenKind
    text: str
    kinds: tuple[str, ...] = ()  # of the superlatives (a place) or the one relation
    rank: int = 1  # 2: second from there
    part: bool = False  # the place is a part of what follows ("left half of the ...")


def tokenise(expression: str) -> list[Token]:
    """The tokens of an expression in any spelling; an empty list for one without words."""
    text = respelled(expression)
    tokens: list[Token] = []
    while text:
        token, length = _first(text, not tokens)
        tokens.append(token)
        text = text[length:].lstrip()
    return tokens


def respelled(expression: str) -> str:
    """Lower case, known misspellings put right, apostrophes back, ordinals beside their side."""
    text = expression.lower().replace("\u2019", "'").replace("w/o", "without ").replace("w/", "with ")
    text = re.sub(r"([,.;])", r" \1 ", re.sub(r"[^\w\s',.;-]", " ", text))
    text = " ".join(words.SPELLINGS.get(word, word) for word in text.split())
    # Some files have "dog s mouth" for "dog's mouth", and "it's head" for "its head".
    text = re.sub(r"(\w) '?s\b", r"\1's", text)
    text = re.sub(r"\bit's (?!\w+ing\b|on\b|in\b)", "its ", text)
    text = _EMPHASIS.sub("", text)
    # "second man from the left" -> "second from left man"
    return _SPLIT_ORDINAL.sub(r"\1 from \3\2", text).strip(" .,;")


def _any(phrases: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))


_SIDE = _any(words.SIDES)
_ORDINAL = _any(words.ORDINALS)
_VIEWER = rf"{words.PICTURE}|us|me|you|viewer"
_OF_PICTURE = rf"(?: (?:of|in|on|to) (?:the |this |our )?(?:{words.PICTURE})\b)"
_EMPHASIS = re.compile(
    r"(?<!the )(?<!on )(?<!to )\b(?:right|just|directly|immediately) "
    r"(?=(?:next|behind|in front|above|below|beside|by|near)\b)"
)
_SPLIT_ORDINAL = re.compile(rf"\b({_ORDINAL})((?: \w+){{1,3}}?) from (?:the )?(?:far )?({_SIDE})\b")

_ORDINAL_PLACE = re.compile(
    rf"(?:the )?(?P<nth>{_ORDINAL})(?: one)? (?:from|to|on|in)(?: the)?(?: far)? (?P<side>{_SIDE})\b"
    rf"(?: side)?{_OF_PICTURE}?"
)
_COMPOUND_RELATION = re.compile(
    r"(?P<words>in front of|in back of|at the back of|in the back of|at the front of|on top of"
    rf"|in the middle of(?=(?: \w+){1, 4} and ))(?! (?:the |this )?(?:{words.PICTURE})\b)"
)
_MOST = re.compile(
    rf"(?:the )?(?:(?P<nth>{_ORDINAL}) )?(?:very )?(?P<most>{_any(words.MOST)})(?![\w'-])(?!(?<=thest) (?:{_SIDE})\b)"
    # "closest to the door" is a relation; "closest to us", "tallest of the two", "biggest of all" are not.
    rf"(?! (?:to|from|of|than) (?!(?:the |all |two |this )*(?:{_VIEWER}|\w+s|two|all)\b))"
    rf"(?: (?:to|from|of) (?:the )?(?:{_VIEWER})\b)?(?: away)?"
)
_PLACE = re.compile(
    r"(?:(?:all the way |off |over |way |furthest |farthest |closest |nearest |up )*"
    r"(?P<preposition>on|in|at|to|toward|towards|near|by|from|along) )?"
    r"(?P<the>(?:the|our|your|my|very|far|furthest|farthest|most|extreme|all the way) )*"
    rf"(?P<first>{_SIDE})(?:(?: and| or)? (?P<second>{_SIDE}))?(?![\w'-]| than)"
    r"(?: (?:hand(?= side)|most(?= |$)))?"
    r"(?: (?P<part>sides?|half|part|portion|section|piece|corner|edge|end|area|region|bit)(?= |$))?"
    rf"{_OF_PICTURE}?"
)
_RELATION = re.compile(rf"(?:to |on |at )?(?:the )?(?P<words>{_any(words.RELATIONS)})(?![\w'-])")
_BARE_RELATION = re.compile(rf" (?:{_any(words.RELATIONS)})(?![\w'-])")
_WORD = re.compile(r"[,.;]|[^\s,.;]+")

_SizedToken = tuple[Token, int]
"""A token and how many characters it takes."""


def _first(text: str, opens: bool) -> _SizedToken:
    """The first known phrase that the text begins with, else a word; opens: nothing came before."""
    for pattern, build in _PATTERNS:
        match = pattern.match(text)
        if match and (opens or pattern is not _PLACE or not _describes_a_noun(match)):
            return build(match)
    word = _WORD.findall(text)[0]
    return Token(_kind_of(word), word), len(word)


def _describes_a_noun(match: re.Match[str]) -> bool:
    """Whether the side belongs to a noun behind a preposition: "in the left hand", "on the top shelf"."""
    rest = match.string[match.end() :]
    following = re.match(r" ([a-z-]+)", rest)
    if following is None or match["part"] or not (match["preposition"] and match["the"]):
        return False
    word = following[1]
    described = word in words.VERBS | words.ADJECTIVES | words.CLOTHES | words.DETERMINERS
    described = described or word.endswith(("ing", "ed", "ly")) or _kind_of(word) != "word"
    return not described and not _BARE_RELATION.match(rest)


def _kind_of(word: str) -> TokenKind:
    if word in ("and", "than"):
        return "and" if word == "and" else "relation"
    if word in words.NEGATIONS:
        return "not"
    if word in words.WITHOUT_PREDICATE:
        return "with"
    return "break" if word in words.BREAKS else "word"


def _ordinal_place(match: re.Match[str]) -> _SizedToken:
    return Token("place", match[0], (words.SIDES[match["side"]],), words.ORDINALS[match["nth"]]), match.end()


def _place(match: re.Match[str]) -> _SizedToken:
    kinds = tuple(dict.fromkeys(words.SIDES[match[name]] for name in ("first", "second") if match[name]))
    of = re.match(r" of (?=\w)", match.string[match.end() :])
    if not of:
        return Token("place", match[0], kinds), match.end()
    relation = match[0] + " of"
    if match["preposition"] in ("near", "by", "along"):
        # "near the rear end of the dog"
        return Token("relation", relation, ("near",)), match.end() + of.end()
    if match["part"] not in (None, "side", "sides"):
        return Token("place", match[0], kinds, part=True), match.end()
    # "left of the car", "on the left side of the car"; the middle of the car is in it.
    kind = "inside" if kinds[-1] == "middle" else kinds[-1]
    return Token("relation", relation, (kind,)), match.end() + of.end()


def _most(match: re.Match[str]) -> _SizedToken:
    return Token("place", match[0], (words.MOST[match["most"]],), words.ORDINALS.get(match["nth"], 1)), match.end()


def _relation(match: re.Match[str]) -> _SizedToken:
    return Token("relation", match[0], (words.RELATIONS[match["words"]],)), match.end()


_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _SizedToken]], ...] = (
    (_ORDINAL_PLACE, _ordinal_place),
    (_COMPOUND_RELATION, _relation),
    (_MOST, _most),
    (_PLACE, _place),
    (_RELATION, _relation),
)
