"""A rule-based parser of referring expressions: head noun, relations to landmarks, superlatives.

SpARC needs no more grammar than that: a phrase for the scorer, and the rest for the spatial predicates. No tagger is
used: a noun phrase ends where a known place, relation or verb begins, and its head is its last word that is no
adjective. What the rules do not know stays in the phrase, so that the scorer loses nothing of the expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from image_core.language import words
from image_core.language.expression import Referent, Relation, Superlative
from image_core.language.tokens import Token, tokenise


def parse_expression(expression: str) -> Referent:
    """The referent of an expression; an empty one for an expression without words. Never fails."""
    return _Reader(tokenise(expression)).read()


@dataclass
class _ReferentDraft:
    """A referent in the making."""

    noun: str = ""
    words: list[str] = field(default_factory=list)
    superlatives: list[Superlative] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    excluded: list[Referent] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not (self.words or self.superlatives)

    def freeze(self) -> Referent:
        excluded = tuple(self.excluded)
        return Referent(self.noun, " ".join(self.words), tuple(self.superlatives), tuple(self.relations), excluded)


@dataclass
class _OpenRelation:
    """A relation whose landmarks are drafts still: they may get superlatives and relations of their own."""

    owner: _ReferentDraft
    kind: str
    words: str
    landmarks: list[_ReferentDraft]


class _Reader:
    """Reads tokens from left to right.

    `root` is the target; `recent` is what the next place or relation belongs to: the root, or the last landmark of a
    spatial relation. A comma, "is", "that" and the like turn back to the root.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.root = _ReferentDraft()
        self.recent = self.root
        self.open: list[_OpenRelation] = []
        self.last_noun = ""
        self.after_verb = ""
        self.passive = False

    def read(self) -> Referent:
        """The whole expression."""
        while self.position < len(self.tokens):
            self._step()
        # The inner ones were opened last.
        for link in reversed(self.open):
            landmarks = tuple(draft.freeze() for draft in link.landmarks)
            if link.kind == "between" and len(landmarks) == 1:
                # "between the two men"
                landmarks *= 2
            link.owner.relations.insert(0, Relation(link.kind, link.words, landmarks))
        return self.root.freeze()

    def _step(self) -> None:
        token = self.tokens[self.position]
        match token.kind:
            case "place":
                self._place(token)
            case "relation" if token.text == "than":
                self._than(token)
            case "relation":
                self._relation(token)
            case "with":
                self.position += 1
                self._attribute(token.text)
            case "not":
                self._not()
            case "and":
                self._and()
            case "break":
                self.position += 1
                before = self.tokens[self.position - 2].text if self.position > 1 else ""
                # "the man that is ..." goes on about the man; "the dog next to the man is ..." about the dog.
                if token.text not in words.RELATIVES and before not in words.RELATIVES:
                    self.recent = self.root
            case "word":
                self._words()
        if token.kind != "word":
            self.after_verb = ""

    def _peek(self, ahead: int = 0) -> Token | None:
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def _place(self, token: Token) -> None:
        """A superlative of what was spoken of last; behind a verb of motion it is a direction."""
        self.position += 1
        following = self._peek()
        both_ways = token.text.startswith("from ") and following is not None and following.text.startswith("to ")
        if both_ways or (words.is_motion(self.after_verb) and not token.text.startswith(("on ", "in ", "at "))):
            self.root.words.append(token.text)
            if both_ways and following is not None:
                self.root.words.append(following.text)
                self.position += 1
            return
        if token.kinds[0] in words.OPPOSITES and self.tokens[self.position - 2].text in words.OWN and self._turn(token):
            return
        # "one on the right playing with another on the left": the second place is the other's, for the scorer to see.
        taken = {words.OPPOSITES.get(superlative.kind) for superlative in self.recent.superlatives}
        self.recent.superlatives += [Superlative(kind, token.rank) for kind in token.kinds if kind not in taken]
        if token.part and following is not None and following.text == "of":
            self.position += 1

    def _relation(self, token: Token) -> None:
        """A relation to the landmark that follows; with none it is a superlative ("the one behind")."""
        self.position += 1
        kind = token.kinds[0]
        first = self._noun_phrase()
        if self._is_own_side(first):
            return
        if first.is_empty():
            follower = self._peek()
            if follower is not None and follower.text in words.OWN and self._turn(token):
                self.position += 1
            elif kind in ("above", "below", "front", "behind", "bigger", "smaller"):
                self.recent.superlatives.append(Superlative(kind))
            return
        if self._is_left_to_scorer(token, first):
            self.recent = self.root if token.text == "by" else self.recent
            self._attach(token.text, first)
            return
        self.open.append(_OpenRelation(self.recent, kind, token.text, [first]))
        self.recent = first

    def _is_own_side(self, read: _ReferentDraft) -> bool:
        """Whether what was just read is a side of the thing itself: "with a dog on his right"; turns the relation."""
        place = self.tokens[self.position - 1]
        its_own = place.kind == "place" and self.tokens[self.position - 2].text in words.OWN
        return not read.words and its_own and self._turn(place)

    def _turn(self, token: Token) -> bool:
        """ "with a dog to its left", "that has a dog below it": the thing lies on the other side of the dog."""
        link = self.open[-1] if self.open else None
        kind = words.OPPOSITES.get(token.kinds[0])
        if link is None or kind is None or link.words not in ("with", "has", "have", "having"):
            return False
        self.open[-1] = _OpenRelation(link.owner, kind, f"{link.words} {token.text}", link.landmarks)
        length = len(link.landmarks[0].words)
        start = len(link.owner.words) - length - 1
        if link.owner.words[start + 1 : start + 1 + length] == link.landmarks[0].words:
            del link.owner.words[start:]
        return True

    def _than(self, token: Token) -> None:
        """ "bigger dog than the cat": the superlative was half of a relation."""
        self.position += 1
        landmark = self._noun_phrase()
        last = self.recent.superlatives[-1] if self.recent.superlatives else None
        if last is not None and last.kind in ("bigger", "smaller") and not landmark.is_empty():
            self.recent.superlatives.pop()
            self.open.append(_OpenRelation(self.recent, last.kind, token.text, [landmark]))
            self.recent = landmark

    def _is_left_to_scorer(self, token: Token, landmark: _ReferentDraft) -> bool:
        """Whether the words speak of clothes, colours, scenery or a doer: no box would be found for the landmark."""
        if token.text == "by" and self.passive:
            return True
        if token.kinds[0] in ("near", "inside") and landmark.noun in words.SCENERY and not landmark.superlatives:
            return True
        own = not landmark.noun or not words.CLOTHES.isdisjoint(landmark.words)
        return own and bool(landmark.words) and token.text in ("in", "on")

    def _attach(self, marker: str, landmark: _ReferentDraft) -> None:
        """A relation without predicate: its words join the phrase of its owner."""
        owner = self.recent
        owner.words += [marker, *landmark.words] if marker else landmark.words
        self.open.append(_OpenRelation(owner, "with", marker, [landmark]))

    def _attribute(self, marker: str) -> None:
        """What follows "with", "of" or a verb."""
        landmark = self._noun_phrase()
        if self._is_own_side(landmark):
            return
        owner = self.recent
        if landmark.is_empty():
            if marker not in ("with", "of", "to", "for"):
                owner.words.append(marker)
        elif marker == "of" and not owner.noun and not owner.words:
            # "part of the bus": the bus.
            owner.noun, owner.words = landmark.noun, landmark.words
            owner.superlatives += landmark.superlatives
        elif not landmark.words:
            owner.superlatives += landmark.superlatives
        else:
            self._attach(marker, landmark)

    def _not(self) -> None:
        """What follows is an expression of its own: "not" reaches to a comma, "without" to the next place."""
        lacks = self.tokens[self.position].text in ("without", "no", "minus")
        owner = self.recent if lacks else self.root
        self.position += 1
        start = self.position
        while (token := self._peek()) is not None and token.text not in (",", ";", "."):
            if lacks and self.position > start and token.kind in ("place", "relation", "break", "not"):
                break
            self.position += 1
        rest = self.tokens[start : self.position]
        if not rest:
            return
        if lacks:
            rest = [Token("with", "with"), *rest]
        reader = _Reader(rest)
        stands_in = any(token.text in words.STAND_INS for token in rest)
        if stands_in or rest[0].kind != "word" or words.is_verb(rest[0].text, owner.noun):
            # "man not in red", "man, not the left one": a man too.
            reader.root.noun, reader.root.words = owner.noun, list(owner.words)
        if stands_in and owner.words:
            reader.tokens = [token for token in rest if token.text not in words.STAND_INS]
        owner.excluded.append(reader.read())

    def _and(self) -> None:
        """The second landmark of a between, one more thing beside the last, or a verb of the root."""
        self.position += 1
        token = self._peek()
        if token is None or token.kind != "word" or self._verb_ahead(0, self.root.noun):
            self.recent = self.root
            return
        landmark = self._noun_phrase()
        waiting = next((link for link in self.open if link.kind == "between" and len(link.landmarks) == 1), None)
        if waiting is not None and not landmark.is_empty() and landmark.noun not in words.CLOTHES:
            waiting.landmarks.append(landmark)
            self.recent = landmark
        elif not landmark.is_empty():
            self._attach("and", landmark)

    def _words(self) -> None:
        """Words that stand by themselves: the head of the expression, a verb, or an elided "with"."""
        token = self.tokens[self.position]
        if self._verb_ahead(0, self.root.noun) and (self.root.noun or not self._is_adjective_here()):
            self.position += 1
            self.after_verb = token.text
            self.passive = words.is_participle(token.text)
            # A verb right behind a person is that person's: "next to the man holding a bat".
            if self.last_noun not in words.PEOPLE:
                self.recent = self.root
            follower = self._peek()
            if follower is not None and follower.kind == "word" and not self._verb_ahead(0, "noun"):
                self._attribute(token.text)
            else:
                self.recent.words.append(token.text)
            return
        self.after_verb = ""
        start = self.position
        phrase = self._noun_phrase()
        if phrase.is_empty():
            self.position = max(self.position, start + 1)
        elif not self.root.noun and (phrase.noun or not self.root.words):
            self.root.noun = phrase.noun or words.ambiguous_noun(phrase.words)
            self.root.words += phrase.words
            self.root.superlatives += phrase.superlatives
        else:
            self.recent = self.root
            self._attach("", phrase)

    def _is_adjective_here(self) -> bool:
        """Whether the verb form stands before a noun it describes: "standing man", "parked car"."""
        token, follower = self.tokens[self.position], self._peek(1)
        if token.text in words.TRANSITIVE or follower is None or follower.kind != "word":
            return False
        if follower.text in words.DETERMINERS:
            return False
        return not self._verb_ahead(1)

    def _verb_ahead(self, ahead: int, noun: str = "") -> bool:
        """Whether that word, behind that head noun, is a verb form and not the first half of "swimming pool"."""
        token, follower = self._peek(ahead), self._peek(ahead + 1)
        if token is None or token.kind != "word":
            return False
        is_noun = follower is not None and (follower.text == "of" or f"{token.text} {follower.text}" in words.COMPOUNDS)
        # What stands between a noun and an article is a verb, known or not: "man shoot the bird".
        takes_object = bool(noun) and follower is not None and follower.text in words.ARTICLES
        return not is_noun and token.text not in words.DETERMINERS and (takes_object or words.is_verb(token.text, noun))

    def _noun_phrase(self) -> _ReferentDraft:
        """Places, determiners, adjectives and nouns up to the next marker, verb, or next noun."""
        draft = _ReferentDraft()
        taken: list[str] = []
        stands_in = False
        while (token := self._peek()) is not None:
            if token.kind == "break" and not taken and token.text in words.DETERMINERS:
                self.position += 1
            elif token.kind == "place" and not taken and token.part:
                self.position += 2
            elif token.kind == "place" and _may_describe(taken) and self._precedes_noun(1):
                draft.superlatives += [Superlative(kind, token.rank) for kind in token.kinds]
                self.position += 1
            elif taken and taken[-1] in words.ADJECTIVES | words.TOPS and self._continues_adjectives(token):
                taken.append(token.text)
                self.position += 1
            elif token.kind != "word" or self._ends_noun_phrase(token.text, taken):
                break
            else:
                self.position += 1
                stands_in |= token.text in words.STAND_INS
                if token.text not in words.DETERMINERS:
                    taken.append(token.text)
        draft.noun, draft.words = words.head(taken), taken if any(w not in words.NULL_NOUNS for w in taken) else []
        if stands_in and not draft.noun and self.root.noun:
            # "the dog next to another": another dog.
            draft.noun = self.root.noun
            draft.words = [*(w for w in taken if w not in words.NULL_NOUNS | words.STAND_INS), draft.noun]
        if not (taken or stands_in or draft.superlatives) and token is not None and token.kind == "place":
            draft.superlatives += [Superlative(kind, token.rank) for kind in token.kinds]
            self.position += 1
        self.last_noun = draft.noun
        return draft

    def _precedes_noun(self, ahead: int) -> bool:
        """Whether words follow the place that it may describe: "left man", but not "man on the left"."""
        follower = self._peek(ahead)
        return follower is not None and follower.kind == "word" and not self._verb_ahead(ahead)

    def _continues_adjectives(self, token: Token) -> bool:
        """Whether an "and" between two adjectives comes, or the top that one wears."""
        follower = self._peek(1)
        joins = token.kind == "and" and follower is not None and follower.text in words.ADJECTIVES
        return joins or token.text == "top"

    def _ends_noun_phrase(self, word: str, taken: list[str]) -> bool:
        """Whether a word belongs to the noun phrase no more."""
        noun = words.head(taken)
        clothed = bool(self.root.noun and taken and taken[-1] in words.COLOURS)
        if self._verb_ahead(0, noun) and (noun or clothed or not self._is_adjective_here()):
            return True
        if noun in words.THINGS and taken[-1] == noun:
            follower = self._peek(1)
            described = word in words.COLOURS and follower is not None and follower.kind == "word"
            # "baby white sheep" is a sheep, "guy blue shirt" a guy.
            worn = follower is not None and follower.text in words.CLOTHES
            return (described and (worn or noun != "baby")) or word in words.CLOTHES
        return False


def _may_describe(taken: list[str]) -> bool:
    """Whether a place may come now and still be of the noun ahead: "left man", "man's left hand"."""
    return not taken or taken[-1].endswith("'s")
