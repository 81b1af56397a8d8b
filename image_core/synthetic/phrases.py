"""The phrasings: which words a meaning may be put into, for training and, held out, for the compositional test alone.

Templates. `{head}` is the noun phrase with its article or quantifier ("the red circle", "all the stars"), `{head:left}`
the same with a word before the adjectives ("the left red circle"). `realisation` fills the other names in braces.
Held-out
phrasings use words that training utters elsewhere: what is new is how they are put together.
"""

from __future__ import annotations

from dataclasses import dataclass

GENERIC = ("shape", "object", "thing")
SHAPE_NAMES = {
    "ellipse": ("ellipse", "oval"),
    "ring": ("ring", "donut", "hoop"),
    "cross": ("cross", "plus sign"),
    "crescent": ("crescent", "moon"),
    "diamond": ("diamond", "rhombus"),
    "semicircle": ("semicircle", "half circle"),
    "trapezoid": ("trapezoid", "trapezium"),
}
COLOUR_NAMES = {"grey": ("grey", "gray"), "purple": ("purple", "violet")}
FILL_ADJECTIVES = {
    "plain": ("plain", "solid"),
    "striped": ("striped", "stripy"),
    "dotted": ("dotted", "spotted"),
    "checkered": ("checkered", "checked"),
    "shaded": ("shaded", "fading"),
}
FILL_TAILS = {
    "plain": ("without a pattern",),
    "striped": ("with stripes", "with a striped pattern"),
    "dotted": ("with dots", "with spots", "with a dotted pattern"),
    "checkered": ("with checks", "with a checkered pattern"),
    "shaded": ("with shading",),
}
COLOUR_TAILS = ("that {is} {}", "in {}", "of {} colour", "in {} color")
NUMBERS = {2: "two", 3: "three", 4: "four"}
ORDINALS = {1: ("first",), 2: ("second", "2nd"), 3: ("third", "3rd"), 4: ("fourth", "4th")}

SINGULAR_HEADS = ("the", "the", "the", "")
EVERY_HEADS = ("every", "each")
PLURAL_HEADS = ("all the", "all", "all of the", "the")
COUNT_HEADS = ("the {number}", "all {number}", "the group of {number}")
PAIR_HEADS = ("the two", "the two", "both", "both of the", "the pair of", "the group of two")
NOVEL_PLURAL_HEADS = ("each of the", "every one of the", "each one of the")
NOVEL_COUNT_HEADS = ("each of the {number}", "all of the {number}")


@dataclass(frozen=True)
class Phrasings:
    """Templates of one kind of meaning: what training utters, and what is held out."""

    trained: tuple[str, ...]
    held_out: tuple[str, ...]


SIZE_WORDS = {
    "big": {"big": ("big", "large"), "bigger": ("bigger", "larger"), "biggest": ("biggest", "largest")},
    "small": {"big": ("small", "little"), "bigger": ("smaller",), "biggest": ("smallest", "tiniest")},
}

VERTICAL_ADJECTIVES = {"top": ("top", "upper"), "bottom": ("bottom", "lower")}

PHRASINGS = {
    "unlike": Phrasings(
        ("{head} that {is} not {trait}", "{head} which {is} not {trait}", "{head} that {is} anything but {trait}"),
        ("{head} but not {trait}", "{head} which {is} anything but {trait}"),
    ),
    "horizontal": Phrasings(
        (
            "{head} on the {side}",
            "{head} on the {side}",
            "{head} on the {side} side",
            "{head} to the {side}",
            "{head} at the {side}",
            "{head} on {side}",
            "{head:{side}}",
            "{head} {side}",
            "{head} in the {side} half",
            "{head} on the {side} hand side",
            "{head} that {is} on the {side}",
            "{head} which {is} on the {side} side of the picture",
        ),
        ("on the {side} {head}", "{head:{side} side}", "{head} located in the {side} half of the image"),
    ),
    "vertical": Phrasings(
        (
            "{head} at the {side}",
            "{head} at the {side}",
            "{head} on the {side}",
            "{head} near the {side}",
            "{head} on {side}",
            "{head:{adjective}}",
            "{head} {side}",
            "{head} in the {adjective} half",
            "{head} that {is} at the {side}",
            "{head} located at the {side} of the image",
            "{head} in the {adjective} part of the picture",
        ),
        ("at the {side} {head}", "{head:{side} side}", "{head} which {is} in the {adjective} half of the picture"),
    ),
    "corner": Phrasings(
        (
            "{head} in the {adjective} {side} corner",
            "{head} in the {adjective} {side}",
            "{head} at the {adjective} {side}",
            "{head:{adjective} {side}}",
            "{head} {adjective} {side}",
            "{head} that {is} in the {adjective} {side} corner",
            "{head} in the {adjective} {side} part of the image",
        ),
        ("in the {adjective} {side} {head}", "{head:{adjective} {side} corner}", "{head} located {adjective} {side}"),
    ),
    "middle": Phrasings(
        (
            "{head} in the middle",
            "{head} in the centre",
            "{head} in the center",
            "{head:central}",
            "{head} in the middle of the picture",
            "{head} that {is} in the centre of the image",
        ),
        ("in the middle {head}", "{head} located in the middle of the image", "{head} at the centre of the picture"),
    ),
    "beside": Phrasings(
        (
            "{head} to the {side} of {anchor}",
            "{head} to the {side} of {anchor}",
            "{head} {side} of {anchor}",
            "{head} on the {side} of {anchor}",
            "{head} on the {side} side of {anchor}",
            "{head} that {is} to the {side} of {anchor}",
            "{head} that {has} {anchor} to {its} {opposite}",
        ),
        ("to the {side} of {anchor} {head}", "{head} which {is} located {side} of {anchor}"),
    ),
    "top": Phrasings(
        (
            "{head} above {anchor}",
            "{head} above {anchor}",
            "{head} over {anchor}",
            "{head} that {is} above {anchor}",
            "{head} higher than {anchor}",
            "{head} that {has} {anchor} below {it}",
        ),
        ("above {anchor} {head}", "{head} which {is} located above {anchor}"),
    ),
    "bottom": Phrasings(
        (
            "{head} below {anchor}",
            "{head} below {anchor}",
            "{head} under {anchor}",
            "{head} that {is} below {anchor}",
            "{head} beneath {anchor}",
            "{head} underneath {anchor}",
            "{head} lower than {anchor}",
            "{head} that {has} {anchor} above {it}",
        ),
        ("below {anchor} {head}", "{head} which {is} located below {anchor}"),
    ),
    "near": Phrasings(
        (
            "{head} next to {anchor}",
            "{head} beside {anchor}",
            "{head} close to {anchor}",
            "{head} near {anchor}",
            "{head} that {is} next to {anchor}",
        ),
        ("next to {anchor} {head}", "{head} which {is} located close to {anchor}"),
    ),
    "behind": Phrasings(
        (
            "{head} behind {anchor}",
            "{head} partly hidden by {anchor}",
            "{head} partly covered by {anchor}",
            "{head} that {is} behind {anchor}",
        ),
        ("behind {anchor} {head}", "{head} which {is} partly behind {anchor}"),
    ),
    "front": Phrasings(
        (
            "{head} in front of {anchor}",
            "{head} that {is} in front of {anchor}",
            "{head} partly covering {anchor}",
            "{head} partly hiding {anchor}",
        ),
        ("in front of {anchor} {head}", "{head} which {is} partly in front of {anchor}"),
    ),
    "between": Phrasings(
        (
            "{head} between {anchor} and {second}",
            "{head} in between {anchor} and {second}",
            "{head} that {is} between {anchor} and {second}",
            "{head} in the middle of {anchor} and {second}",
        ),
        ("between {anchor} and {second} {head}", "{head} which {is} located between {anchor} and {second}"),
    ),
    "same": Phrasings(
        (
            "{head} with the same {attribute} as {anchor}",
            "{head} that {has} the same {attribute} as {anchor}",
            "{head} of the same {attribute} as {anchor}",
        ),
        ("with the same {attribute} as {anchor} {head}", "{head:same {attribute}} as {anchor}"),
    ),
    "than": Phrasings(
        (
            "{head} {bigger} than {anchor}",
            "{head} that {is} {bigger} than {anchor}",
            "{head} which {is} {bigger} than {anchor}",
            "{head:{bigger}} than {anchor}",
        ),
        ("{bigger} than {anchor} {head}", "than {anchor} {head:{bigger}}"),
    ),
    "closest": Phrasings(
        (
            "{head} closest to {anchor}",
            "{head} nearest to {anchor}",
            "{head} that {is} closest to {anchor}",
            "{head:nearest} to {anchor}",
            "{head:closest} to {anchor}",
        ),
        ("closest to {anchor} {head}", "{head} which {is} nearest to {anchor}"),
    ),
    "furthest": Phrasings(
        (
            "{head} furthest from {anchor}",
            "{head} farthest from {anchor}",
            "{head} that {is} furthest away from {anchor}",
            "{head:furthest} from {anchor}",
        ),
        ("furthest from {anchor} {head}", "{head} which {is} farthest away from {anchor}"),
    ),
    "biggest": Phrasings(
        (
            "{head:{biggest}}",
            "{head:{biggest}}",
            "{head:{biggest}}",
            "{head} that {is} the {biggest}",
            "{biggest} of the {plural}",
        ),
        ("the {biggest} one of the {plural}", "of all the {plural} the {biggest}", "{head:very {biggest}}"),
    ),
    "bigger": Phrasings(
        (
            "{head:{bigger}}",
            "{head:{big}}",
            "{head:{biggest}}",
            "the {bigger} of the two {plural}",
            "{head} that {is} {bigger}",
        ),
        ("the {bigger} one of the {plural}", "of the two {plural} the {bigger}"),
    ),
    "sidemost": Phrasings(
        (
            "{head:{side}most}",
            "{head:{side}most}",
            "{head} furthest to the {side}",
            "{head} farthest to the {side}",
            "{head} furthest {side}",
            "{head:furthest {side}}",
            "{head} on the far {side}",
            "{head:far {side}}",
        ),
        (
            "of all the {plural} the {side}most",
            "{head} that {is} the {side}most",
            "the one furthest {side} of the {plural}",
        ),
    ),
    "topmost": Phrasings(
        (
            "{head:topmost}",
            "{head:highest}",
            "{head:uppermost}",
            "{head} furthest up",
            "{head} closest to the top",
            "{head} at the very top",
        ),
        ("of all the {plural} the highest", "{head} that {is} the topmost", "the one furthest up of the {plural}"),
    ),
    "bottommost": Phrasings(
        (
            "{head:bottommost}",
            "{head:lowest}",
            "{head} furthest down",
            "{head} closest to the bottom",
            "{head} at the very bottom",
        ),
        ("of all the {plural} the lowest", "{head} that {is} the bottommost", "the one furthest down of the {plural}"),
    ),
    "nth": Phrasings(
        (
            "{head:{nth}} from the {side}",
            "{head:{nth}} from the {side}",
            "{head:{nth}} from {side}",
            "{head} that {is} {nth} from the {side}",
            "{nth} from the {side} of the {plural}",
            "{head} {nth} from the {side}",
        ),
        ("from the {side} {head:{nth}}", "of all the {plural} the {nth} from the {side}"),
    ),
    "nth_biggest": Phrasings(
        (
            "{head:{nth} {biggest}}",
            "{head:{nth} {biggest}}",
            "{head} that {is} the {nth} {biggest}",
            "{nth} {biggest} of the {plural}",
        ),
        ("of all the {plural} the {nth} {biggest}", "the {nth} {biggest} one of the {plural}"),
    ),
    "union": Phrasings(
        (
            "{first} and {second}",
            "{first} and {second}",
            "both {first} and {second}",
            "{first} as well as {second}",
            "{first} together with {second}",
        ),
        ("{first} with {second}", "the pair of {first} and {second}"),
    ),
    "everything_except": Phrasings(
        (
            "everything except {minus}",
            "everything but {minus}",
            "all except {minus}",
            "everything other than {minus}",
        ),
        ("anything but {minus}", "all other than {minus}"),
    ),
    "all_except": Phrasings(
        ("{head} except {minus}", "{head} but not {minus}", "{head} other than {minus}"),
        ("{head} and not {minus}", "except {minus} {head}"),
    ),
    "kind": Phrasings(
        ("{head}",),
        ("the {generic} that is {a} {described}", "the one that is {a} {described}"),
    ),
    "kind_without_shape": Phrasings(
        ("{head}",), ("the {adjectives} one of the {generics}", "of the {generics} the {adjectives} one")
    ),
}
