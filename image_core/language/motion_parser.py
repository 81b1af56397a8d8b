"""Rules that find what an expression says about motion and time, and remove it from the still part.

A clause of motion is a verb of `motion_words` where a verb can stand, with what belongs to it: where to, how fast, in
which order, when. A side behind a verb of motion is a direction ("moving left", "walking to the left"); behind "on" or
"at", or without such a verb, it stays a place. What the rules do not know stays in the still part.
"""

from __future__ import annotations

import re
from dataclasses import replace

from image_core.language import motion_words as vocabulary
from image_core.language import words
from image_core.language.motion import Motion, TimedExpression
from image_core.language.motion_actions import ActionRules
from image_core.language.motion_phrases import DETERMINERS
from image_core.language.number import expression_for_all, number_of
from image_core.language.parser import parse_expression
from image_core.language.tokens import respelled

_NO_VERB_BEHIND = (
    DETERMINERS
    | words.ADJECTIVES
    | words.SIDES.keys()
    | frozenset(
        [
            "in",
            "on",
            "at",
            "of",
            "with",
            "by",
            "from",
            "to",
            "into",
            "onto",
            "for",
            "near",
            "under",
            "over",
            "behind",
            "without",
        ]
    )
)
"""A form in -s that follows is a noun: "the walks", "on runs"."""


_DESCRIBING = (
    words.ADJECTIVES | vocabulary.ORDINALS.keys() | vocabulary.ATTRIBUTES.keys() | vocabulary.SLOW | vocabulary.FAST
)
"""What may stand between an article and its noun."""
_TRAILING = re.compile(r"(?:[,;]| and| that| which| who| while| is| are| was| were| then| but)+$")


def parse_timed(expression: str) -> TimedExpression:
    """An expression with what it says of motion. Never fails: what is not understood stays in the still part."""
    reader = _Reader(respelled(expression))
    motions = reader.read()
    still = reader.still() if motions else expression
    several, count = number_of(still)
    if not motions:
        return TimedExpression(expression, still, candidate_query=still, several=several, count=count)
    query = still if _selects_one(still) else expression_for_all(still)
    return TimedExpression(expression, still, motions, query, several, count)


def _context(auxiliary: str, is_led: bool, negated: bool) -> str:
    """What stands before a verb, see `Phrases.verb`. is_led: by "that" or "and"."""
    if auxiliary in ("is", "are", "was", "were", "be", "been", "being"):
        return "is"
    if auxiliary in ("to", "does", "do", "did", "will", "would", "can"):
        return "to"
    if is_led or auxiliary:
        return "that" if is_led else "is"
    return "to" if negated else ""


def _selects_one(still: str) -> bool:
    """Whether the still part alone picks out one target, by place, size or order."""
    from_words = set(still.split())
    return bool(from_words & (words.SIDES.keys() | words.MOST.keys() | words.ORDINALS.keys()))


class _Reader(ActionRules):
    """Reads the words from left to right, and marks those that are taken out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.removed = [False] * len(self.words)
        self.motions: list[Motion] = []
        self.pending_rank = 0
        """An ordinal before the noun, of the next action."""
        self.end = -1
        """Where the last clause ended, behind which a "then" may go on."""

    def read(self) -> tuple[Motion, ...]:
        at = 0
        while at < len(self.words):
            at = self._attribute(at) or self._clause(at) or self._when_alone(at) or at + 1
        return tuple(self.motions)

    def still(self) -> str:
        """The expression without the removed words."""
        remaining = [word for word, removed in zip(self.words, self.removed, strict=True) if not removed]
        text = re.sub(r" ([,.;])", r"\1", " ".join(remaining))
        text = re.sub(
            r"(?:[,;]| and| that| which| who| while| is| are| was| were| then| but)+$", "", text.strip(" ,.;")
        )
        text = re.sub(r"\b(?:that|which|who|and)(?: (?:is|are))? (and|but|then) ", r"\1 ", text)
        named = [word for word in text.split() if word not in words.ARTICLES]
        return text if named else f"{text or 'the'} thing"

    # What stands before a noun

    def _attribute(self, at: int) -> int | None:
        """ "the moving car", "the fastest runner", "the first one to stop"."""
        word, behind = self.words[at], self.word(at + 1)
        if (
            any(before not in DETERMINERS | _DESCRIBING for before in self.words[:at])
            and word not in vocabulary.SUPERLATIVES
        ):
            return None
        opens = at == 0 or self.words[at - 1] in DETERMINERS | words.ADJECTIVES | vocabulary.ORDINALS.keys()
        if word in vocabulary.SUPERLATIVES and (opens or self.word(at - 1) in vocabulary.AUXILIARIES):
            if behind in ("growing", "shrinking"):
                return None
            self._add(Motion("moves", speed=vocabulary.SUPERLATIVES[word]), at, at + 1 + (behind == "moving"))
            return at + 1 + (behind == "moving")
        if word in vocabulary.ORDINALS and opens and self._counts_actions(at):
            self.removed[at] = True
            self.pending_rank = vocabulary.ORDINALS[word]
            return at + 1
        speed = "slow" if word in vocabulary.SLOW else "fast" if word in vocabulary.FAST else ""
        if opens and speed and behind == "moving" and self.is_nominal(at + 2):
            self._add(Motion("moves", speed=speed), at, at + 2)
            return at + 2
        if not opens or not behind or not self.is_nominal(at + 1):
            return None
        if word in vocabulary.ATTRIBUTES:
            action, direction = vocabulary.ATTRIBUTES[word]
            speed = {"slow-moving": "slow", "fast-moving": "fast"}.get(word, "")
            seen = word in vocabulary.SEEN_STILL
            self._add(Motion(action, direction, speed=speed, is_seen=seen), at, at if seen else at + 1)
            return at + 1
        return None

    def _counts_actions(self, at: int) -> bool:
        """Whether an ordinal before a noun counts actions: "the first one to stop", "the last car that leaves"."""
        for ahead in range(at + 1, min(at + 6, len(self.words))):
            word = self.words[ahead]
            if word in ("from", "on", "in", "at"):
                return False
            if word in ("to", "that", "which", "who") and ahead > at:
                after = ahead + 1
                while self.word(after) in vocabulary.BEFORE_VERB | vocabulary.AUXILIARIES:
                    after += 1
                verb = self.verb(after, "to" if word == "to" else "that")
                return verb is not None and (word != "to" or verb.form == "base")
        return False

    # Clauses

    def _clause(self, at: int) -> int | None:
        """A verb with all that belongs to it, from "that" or "is" on; None where there is none."""
        start, opening = at, self._continuation(at)
        then = opening is not None and opening[1]
        at = opening[0] if opening else at
        relative = self.word(at) in vocabulary.RELATIVES
        if self._belongs_to_landmark(at) or self._belongs_to_agent(at):
            return None
        at += relative
        negated, speed, rank, auxiliary = False, "", 0, ""
        while (
            word := self.word(at)
        ) and word in vocabulary.AUXILIARIES | vocabulary.NEGATIONS | vocabulary.BEFORE_VERB | {"to"}:
            negated |= word in vocabulary.NEGATIONS
            speed = "slow" if word in vocabulary.SLOW else "fast" if word in vocabulary.FAST else speed
            if word in vocabulary.ORDINALS and not self.is_sequence:
                rank = vocabulary.ORDINALS[word]
            then |= word in ("then", "finally", "eventually", "later") and bool(self.motions)
            auxiliary = word if word in vocabulary.AUXILIARIES or word == "to" else auxiliary
            at += 1
        if auxiliary == "to" and not self.pending_rank:
            return None
        context = _context(auxiliary, bool(relative or opening), negated)
        read = self.state(at, auxiliary) or self.action(at, context, negated)
        if read is None and opening and self.motions[-1].action == "goes":
            read = self.other_way(at)
        if read is None or (not self._may_begin(start, at, bool(opening or relative or auxiliary or negated))):
            return None
        motion, clause = read
        motion = replace(
            motion,
            negated=negated,
            speed=motion.speed or clause.speed or speed,
            rank=clause.rank or rank or self.pending_rank,
            when=clause.when,
            times=clause.times,
            then=then,
        )
        self.pending_rank = 0
        self._add(motion, start, clause.end, clause.kept)
        if clause.kept and opening is None:
            self._keep(start, clause.kept[0])
        self.end = clause.end
        return clause.end

    def _belongs_to_landmark(self, at: int) -> bool:
        """Whether a "that", here or just before, speaks of a landmark before it: "behind the car that turns"."""
        while self.word(at) in vocabulary.AUXILIARIES | vocabulary.NEGATIONS | vocabulary.BEFORE_VERB or self.form(at):
            at -= 1
        if self.word(at) not in vocabulary.RELATIVES:
            return False
        relations = parse_expression(" ".join(self.words[:at])).relations
        spatial = (r for r in relations if r.kind != "with" and r.words not in ("in", "on"))
        marks = [mark for relation in spatial for mark in relation.landmarks]
        last = self.word(at - 1)
        return any(last in words.STAND_INS or mark.phrase.endswith(last) for mark in marks)

    def _belongs_to_agent(self, at: int) -> bool:
        """Whether a verb is of one by whom something is done: "held by a person walking"."""
        before = self.words[max(0, at - 5) : at]
        agent = before.index("by") + 1 if "by" in before else 0
        return agent > 1 and words.is_participle(before[agent - 2]) and "," not in before[agent:]

    def _continuation(self, at: int) -> tuple[int, bool] | None:
        """(where a verb may stand, whether it comes later) behind ", then", "and" where a clause has just ended."""
        if at != self.end:
            return None
        then, begun = False, at
        while self.word(at) in (",", "and", "then", "but", "before", "after", "afterwards", "until", "while"):
            then |= self.word(at) in ("then", "before", "afterwards", "until")
            at += 1
        return (at, then) if at > begun else None

    def _may_begin(self, start: int, at: int, is_led: bool) -> bool:
        """Whether a clause may stand here: not a noun of that spelling behind an article."""
        before = self.word(start - 1)
        form = self.form(at)
        if is_led:
            return True
        if form == "ing":
            return before not in DETERMINERS | {"of", "for", "by", "with", "in", "from"}
        is_finite = vocabulary.FORMS.get(self.word(at), ("",))[0] in vocabulary.FINITE
        return bool(before) and before not in _NO_VERB_BEHIND and is_finite

    def _when_alone(self, at: int) -> int | None:
        """ "at the end" behind a pause, of the motion before."""
        if at != self.end or not self.motions:
            return None
        found = self.when(at)
        if found is None:
            return None
        self.motions[-1] = replace(self.motions[-1], when=found[0])
        self._remove(at, found[1])
        return found[1]

    def _add(self, motion: Motion, start: int, end: int, kept: tuple[int, int] | None = None) -> None:
        self.motions.append(motion)
        self._remove(start, end)
        if kept is not None:
            self._keep(*kept)

    def _remove(self, start: int, end: int) -> None:
        self.removed[start:end] = [True] * (end - start)

    def _keep(self, start: int, end: int) -> None:
        self.removed[start:end] = [False] * (end - start)
