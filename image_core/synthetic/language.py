"""The language of the synthetic data seen from outside: its words, its expressions, and its mirror image.

"left" and "right" (with leftmost, rightmost, left-hand, right-hand) are the only direction words: the only ones that a
horizontal flip of the image changes. Every expression stays true of the flipped image when they change places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, partial
from random import Random

from image_core.synthetic import phrases
from image_core.synthetic.colours import COLOURS
from image_core.synthetic.expressions import sample_expressions
from image_core.synthetic.realisation import AGREEMENT, plural_of
from image_core.synthetic.sampling import sample_scene
from image_core.synthetic.shapes import SHAPES
from image_core.synthetic.splits import COMPOSITIONAL, scene_seed

_SIDE = re.compile(r"\b(left|right)(?=(?:-?most|-?hand)?\b)", re.IGNORECASE)
_BRACES = re.compile(r"\{\w+:|\{\w*\}\w*|\}")
_EXPRESSIONS_PER_SCENE = 4


def mirrored(text: str) -> str:
    """The expression that is true of the horizontally flipped image: left and right change places.

    An involution. It knows the language of this package, where "right" is always a side and never a right angle.
    """
    return _SIDE.sub(_other_side, text)


def _other_side(match: re.Match[str]) -> str:
    word = match[1]
    other = "right" if word.lower() == "left" else "left"
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def expression_texts(split: str, seed: int, count: int) -> Iterator[str]:
    """The texts of `count` expressions of a split, from its scenes 0, 1, ..., without drawing an image.

    Raises `UnknownNameError` for a split that does not exist.
    """
    index = 0
    while count > 0:
        rng = Random(scene_seed(split, seed, index))
        compositional = split == COMPOSITIONAL
        new_scene = partial(sample_scene, rng, held_out=compositional)
        expressions = sample_expressions(new_scene(), new_scene, rng, min(count, _EXPRESSIONS_PER_SCENE), compositional)
        yield from (e.text for e in expressions)
        count -= len(expressions)
        index += 1


@cache
def training_words() -> frozenset[str]:
    """Every word that a training expression can hold, lower case, as `str.split` gives them."""
    nouns = [n for shape in SHAPES for n in phrases.SHAPE_NAMES.get(shape, (shape,))]
    nouns += [*phrases.GENERIC, "one"]
    pieces: list[str] = [*nouns, *map(plural_of, nouns), "a", "an", "left", "right", "top", "bottom", "shape"]
    pieces += ["leftmost", "rightmost", "colour", "color"]
    for colour in COLOURS:
        pieces += phrases.COLOUR_NAMES.get(colour, (colour,))
    pieces += [adjective for words in phrases.FILL_ADJECTIVES.values() for adjective in words]
    pieces += [tail for words in phrases.FILL_TAILS.values() for tail in words]
    pieces += [ordinal for words in phrases.ORDINALS.values() for ordinal in words]
    pieces += [adjective for words in phrases.VERTICAL_ADJECTIVES.values() for adjective in words]
    pieces += [word for degrees in phrases.SIZE_WORDS.values() for words in degrees.values() for word in words]
    pieces += [template for phrasings in phrases.PHRASINGS.values() for template in phrasings.trained]
    heads = (phrases.SINGULAR_HEADS, phrases.EVERY_HEADS, phrases.PLURAL_HEADS, phrases.COUNT_HEADS, phrases.PAIR_HEADS)
    pieces += [*(h for row in heads for h in row), *phrases.COLOUR_TAILS, *phrases.NUMBERS.values()]
    pieces += [word for number in AGREEMENT for word in number.values()]
    return frozenset(word for piece in pieces for word in _BRACES.sub(" ", piece).split())
