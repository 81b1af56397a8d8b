"""What a referring expression says, once it is parsed: a referent, its superlatives, its relations to landmarks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Superlative:
    """The `rank`-th of its kind (see `words`): ("left", 2) is second from the left."""

    kind: str
    rank: int = 1


@dataclass(frozen=True)
class Relation:
    """The relation of a thing to its landmark, or two for between. kind "with": there is no predicate for `words`."""

    kind: str
    words: str
    landmarks: tuple[Referent, ...]


@dataclass(frozen=True)
class Referent:
    """What an expression, or a part of it, refers to."""

    noun: str = ""  # the head noun; "" where it is left unsaid ("far left", "the tall one")
    phrase: str = ""  # the words about the thing itself, for the scorer; "" where there are none
    superlatives: tuple[Superlative, ...] = ()
    relations: tuple[Relation, ...] = ()
    excluded: tuple[Referent, ...] = ()  # what the expression excludes

    @property
    def is_spatial(self) -> bool:
        """Whether there is anything for the predicates to do."""
        return bool(self.superlatives or self.excluded or any(r.kind != "with" for r in self.relations))
