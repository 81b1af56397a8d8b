"""The words of expressions: what can be asked, which words change with a mirror, and which speak of place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from image_core.errors import RvosError


def text_fault(text: object) -> str | None:
    """Why a value cannot be an expression: no text, a lone surrogate, no letter or digit; None where it can."""
    if not isinstance(text, str):
        return f"is no text, but {type(text).__name__}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"holds half a character ({text!a}), which no encoding has"
    return None if words_of(text) else f"is blank ({text!r})"


def check_expressions(expressions: Sequence[str]) -> None:
    """Raises `RvosError` unless there is at least one expression and each is a text with a letter or a digit."""
    if isinstance(expressions, str):
        raise RvosError(f"expressions: expected a list of texts, got one string ({expressions!r}): put it in [ ]")
    if not isinstance(expressions, Sequence):
        got = type(expressions).__name__
        raise RvosError(f"expressions: expected a list of texts, got {got}: give a list, such as ['the red circle']")
    if not expressions:
        raise RvosError('no expression: expected at least one, such as "the red circle"')
    for i, text in enumerate(expressions):
        if fault := text_fault(text):
            raise RvosError(f'expression {i + 1} {fault}: expected words, such as "the red circle"')


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_TOKEN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?|\d+[A-Za-z]*")

_SIDE = re.compile(
    r"(?:top|bottom|upper|lower|far|back|front|mid|middle|centre|center)?"
    r"(?P<side>left|right)"
    r"(?:most|hand|handed|hander|side|ward|wards|ish|er|est|s)?",
    re.IGNORECASE,
)
_OTHER_SIDE = {"left": "right", "right": "left"}

# Words with "left" or "right" inside that have nothing to do with a side.
_UNRELATED = re.compile(r"(?:bright|fright|upright|alright|outright|wright|playwright|cleft)[a-z]*", re.IGNORECASE)

# "right" and "left" that are no side: "right behind", "right-angled", "the one left over", "left the room".
_NOT_A_SIDE = re.compile(
    r"\bright[\s-]+(?:behind|next|now|in\s+front|in\s+the|by|beside|before|after|there|here|above|below|under|underneath"
    r"|beneath|on|up|down|at|against|near|through|into|over|angle[ds]?|triangles?|(?:side|way)[\s-]+up|away|off|across"
    r"|between)\b"
    r"|\ball\s+right\b"
    r"|\bleft[\s-]+(?:behind|over|overs|alone|out|the|a|an|his|her|its|their|some|open)\b"
    r"|\b(?:has|have|had|just|what'?s|only)\s+left\b"
    r"|\bones?\s+left\b(?!\s+(?:of|to)\b)"
    r"|\b(?:driver|passenger)'?s?\s+side\b",
    re.IGNORECASE,
)

# Words whose mirror image is not known, or whose truth a mirror breaks: turning, compass, written text, misspelt sides.
_CHIRAL = _words(
    """
    clockwise counterclockwise anticlockwise clock clocks oclock o'clock lefty righty lefties spiral swirl
    east west eastern western northeast northwest southeast southwest starboard
    text word words letter letters number numbers numbered numeral digit digits says say said saying reads reading
    written writing spelled spelling labeled labelled label logo license licence jersey
    mirrored reversed backward backwards flipped
    lft lef leff letf lefft leftt lefr ledt rgt rght rigth rihgt righ rigt rigjt riight rightt righht rite
    rt lt lhs rhs lh rh
    """
)

# One-letter tokens of ordinary English (a dog, I, the s of "dog s", the t of "t shirt"); others are written letters.
_PLAIN_LETTERS = frozenset("aist")
_ORDINAL = re.compile(r"\d*(?:1st|2nd|3rd|\dth)", re.IGNORECASE)
_QUOTED = re.compile("[\"“”«»]|(?<!\\w)['‘][^'’]+['’](?!\\w)")

_PLACE = _words(
    """
    top topmost bottom bottommost upper uppermost lower lowermost lowest highest higher high low middle center centre
    central corner edge side sides end ends row column line far farther farthest further furthest near nearer nearest
    close closer closest front foreground back background behind before beside besides next adjacent between among amid
    amongst above below over under underneath beneath beyond across against around outside inside within by at on onto
    off touching facing opposite north south east west up down
    first second third fourth fifth sixth seventh eighth ninth tenth last other another rest everything except only
    number half quarter part cut cropped visible partially partly hide hides hiding hidden
    cover covers covering covered block blocks blocking blocked overlap overlaps overlapping occluded occluding
    big bigger biggest large larger largest small smaller smallest tiny tinier tiniest little huge giant tall taller
    tallest short shorter shortest long longer longest wide wider widest narrow size sized same medium most least more
    fewer less than many few two three four five six seven eight nine ten pair group
    """
)


def words_of(text: str) -> list[str]:
    """The words of an expression in lower case, in order; compounds with a hyphen or an apostrophe are one word."""
    return _WORD.findall(text.lower())


def mirror_words(text: str) -> str | None:
    """The expression that is true of the mirrored picture where `text` is true of the picture; None when unknown.

    left and right change places, in compounds too (leftmost, left-hand, bottomright); upper and lower case are kept.
    None for words whose mirror is not known (clockwise, west), for written text, single letters and numbers, which read
    backwards in a mirror (ordinals such as 2nd do not), for misspelt sides, and for "left" and "right" that are no side
    ("right behind", "left over"). A needless None only costs a flip; a missing one makes an expression false.
    """
    if _QUOTED.search(text) or _NOT_A_SIDE.search(text):
        return None
    all_caps = text.isupper()
    pieces: list[str] = []
    end = 0
    for match in _TOKEN.finditer(text):
        mirrored = _mirror_token(match.group(), all_caps)
        if mirrored is None:
            return None
        pieces += [text[end : match.start()], mirrored]
        end = match.end()
    return "".join([*pieces, text[end:]])


def depends_on_place(text: str) -> bool:
    """Whether cropping and enlarging the picture can make the expression false.

    Decided by a list of words: place, relation to another thing, order, count, comparison and size. "the red striped
    star" and "man in blue" have none of them; "second dog", "cup on the table" and "the small star" have.
    """
    tokens = [token for token in _TOKEN.findall(text.lower()) if not _UNRELATED.fullmatch(token)]
    return any(t in _PLACE or t[0].isdigit() or "left" in t or "right" in t for t in tokens)


def _mirror_token(token: str, all_caps: bool) -> str | None:
    """The mirrored token, the token itself when a mirror leaves it true, None when that is not known."""
    side = _SIDE.fullmatch(token)
    if side is not None:
        start, stop = side.span("side")
        return token[:start] + _in_case_of(token[start:stop], _OTHER_SIDE[token[start:stop].lower()]) + token[stop:]
    lower = token.lower()
    if _UNRELATED.fullmatch(token):
        return token
    if "left" in lower or "right" in lower or lower in _CHIRAL:
        return None
    if token[0].isdigit():
        return token if _ORDINAL.fullmatch(token) else None
    if len(token) == 1:
        return token if lower in _PLAIN_LETTERS else None
    # a word in capitals amid others is text in the picture ("the NIKE bag")
    return None if token.isupper() and not all_caps else token


def _in_case_of(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
