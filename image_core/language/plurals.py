"""Plural and singular of English nouns, as far as rules and a small list reach."""

from __future__ import annotations

IRREGULAR = {
    "people": "person",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "oxen": "ox",
    "teeth": "tooth",
    "feet": "foot",
    "wolves": "wolf",
    "calves": "calf",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "halves": "half",
    "shelves": "shelf",
    "scarves": "scarf",
    "hooves": "hoof",
    "ladies": "lady",
    "gentlemen": "gentleman",
    "guys": "guy",
    "buses": "bus",
    "cacti": "cactus",
    "octopi": "octopus",
}
_SAME = frozenset(["sheep", "deer", "fish", "moose", "bison", "aircraft", "salmon", "trout"])
_UNCHANGED = """
    glasses eyeglasses sunglasses goggles spectacles scissors pants trousers jeans shorts tights pliers tongs binoculars
    headphones skis clothes stairs bus gas lens canvas chess cactus octopus walrus hippopotamus rhinoceros platypus
    christmas iris ibis compass species series news tennis mars citrus atlas harness
"""
ONE_OF_FORM = frozenset(_UNCHANGED.split())
"""They end like a plural, or have one form for one and several."""


def singular_of(noun: str) -> str:
    """The singular of a noun, of its last word where there are several; the noun itself where it is no plural."""
    before, space, last = noun.rpartition(" ")
    return before + space + _singular(last)


def plural_of(noun: str) -> str:
    """The plural of a noun in the singular, of its last word where there are several; itself where both are one."""
    before, space, last = noun.rpartition(" ")
    if is_plural(noun) or last in ONE_OF_FORM | _SAME:
        return noun
    irregular = {singular: plural for plural, singular in IRREGULAR.items()}
    if last in irregular:
        return before + space + irregular[last]
    if last.endswith("man") and last not in ("human", "german"):
        return before + space + last[:-3] + "men"
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return before + space + last[:-1] + "ies"
    return before + space + last + ("es" if last.endswith(("s", "x", "z", "sh", "ch")) else "s")


def is_plural(noun: str) -> bool:
    """Whether a noun speaks of several. One form for both ("sheep") counts as one."""
    return singular_of(noun) != noun


def _singular(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in ONE_OF_FORM or len(word) < 3:
        return word
    if word.endswith("men") and word not in ("omen", "specimen", "regimen", "abdomen", "stamen"):
        return word[:-3] + "man"
    if word.endswith("ies") and len(word) > 4:
        return word[:-1] if word in ("movies", "cookies", "doggies", "zombies", "hoodies") else word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "oes")):
        return word[:-1] if word.endswith(("axes", "shoes", "canoes")) else word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
