"""What may stand behind a verb of motion: where to, how fast, when. For the rules of `motion_parser`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from image_core.language import motion_words as vocabulary
from image_core.language import words

_TOKEN = re.compile(r"[a-z0-9][\w'-]*|[,.;]")
_CIRCLES = re.compile(r"(?:around |round )?in (?:a |big |small )*(?:circles?|rounds?|loops?)\b|a?round and a?round\b")
_WHEN = re.compile(
    r"(?:only )?(?:(?:at|in|by|towards?|near) (?:the )?(?:very )?(?P<when>end|beginning|start|first|last)"
    rf"(?: of (?:the |this )?(?:{'|'.join(sorted(vocabulary.FILM))}))?"
    r"|(?P<alone>initially|eventually|finally))\b(?! of)"
)
DETERMINERS = words.DETERMINERS - {"that"} | {"its"}


@dataclass(frozen=True)
class Verb:
    """A verb that was read: its stem and form."""

    stem: str
    form: str


@dataclass
class Clause:
    """What belongs to a verb, in the making."""

    direction: str = ""
    action: str | None = None
    landmark: str = ""
    speed: str = ""
    rank: int = 0
    when: str = ""
    times: int = 0
    side: str = ""
    #: Where its words end; and those among them that the image model still gets.
    end: int = 0
    kept: tuple[int, int] | None = None
    has_complement: bool = False


class Phrases:
    """The words of an expression, and the phrases that begin at a position among them. Each reader gives the position
    behind what it read, or None."""

    def __init__(self, text: str) -> None:
        self.words: list[str] = _TOKEN.findall(text)
        self.is_sequence = bool(set(self.words) & {"then", "before", "afterwards"})

    def is_nominal(self, at: int) -> bool:
        """Whether a word is no preposition, verb or the like, but may name or describe a thing."""
        word = self.word(at)
        plain = word not in vocabulary.BARE and word not in words.WITHOUT_PREDICATE and word not in words.BREAKS
        plain = plain and word not in words.DETERMINERS and word not in words.RELATIONS and word not in ("and", "than")
        plain = plain and word not in vocabulary.MANNER | vocabulary.BEFORE_VERB | vocabulary.SLOW | vocabulary.FAST
        return bool(word) and plain and self.verb(at, "") is None and word[0] not in ",.;"

    def noun_phrase(self, at: int) -> tuple[str, int]:
        """(text, behind it) of an article, adjectives and a noun; "" where none begins here."""
        begun = at
        while self.word(at) in words.DETERMINERS | words.ADJECTIVES | vocabulary.OTHERS:
            at += 1
        if self.is_nominal(at):
            at += 1
            if self.is_nominal(at) and self.form(at) != "s" and self.word(at) not in vocabulary.ORDINALS:
                at += 1
        elif not set(self.words[begun:at]) & vocabulary.OTHERS:
            return "", begun
        return " ".join(self.words[begun:at]), at

    def has_object(self, at: int) -> bool:
        """Whether a thing stands right behind the verb: "turning its head", "passing a ball"."""
        word = self.word(at)
        if self.complement(at, Clause()) is not None:
            return False
        return (word in DETERMINERS and word not in ("all", "both")) or self.is_nominal(at)

    def verb(self, at: int, context: str) -> Verb | None:
        """The known verb that stands here. context: to, that, is, ing or "" for what stands before it."""
        stem, form = vocabulary.FORMS.get(self.word(at), ("", ""))
        if not stem:
            return None
        fits = {
            "to": ("base", "ing"),
            "that": ("base", "s", "ing", "ed"),
            "is": ("ing",),
            "ing": ("ing",),
            "": ("ing", "s"),
        }[context]
        is_passive = form == "ed" and context == "is" and self.word(at + 1) == "by"
        return Verb(stem, form) if form in fits or (is_passive and vocabulary.VERBS.get(stem) == "follows") else None

    def form(self, at: int) -> str:
        """Which form of a known verb stands there; "" where none does."""
        return vocabulary.FORMS.get(self.word(at), ("", ""))[1]

    def word(self, at: int) -> str:
        """The word there; "" beyond the ends."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    def names_the_picture(self, at: int) -> bool:
        """Whether "the picture" or the like stands there."""
        while self.word(at) in words.DETERMINERS:
            at += 1
        return self.word(at) in vocabulary.PICTURE

    def than_others(self, at: int) -> int:
        """Behind "than the others", "of all"."""
        if self.word(at) not in ("than", "of", "among"):
            return at
        end = at + 1
        while self.word(end) in words.DETERMINERS | vocabulary.OTHERS | {"all", "two", "three", "rest", "them", "ones"}:
            end += 1
        return end if end > at + 1 else at

    def complements(self, at: int, verb_at: int, far: bool = False) -> Clause:
        """All that belongs to the verb, as far as it is known. far: an object or a place may stand before it."""
        clause = Clause(end=at)
        while self.word(at):
            end = self.complement(at, clause)
            if end is None:
                if not far or clause.has_complement:
                    break
                ahead = self._direction_ahead(at)
                if ahead is None:
                    break
                travels = self.form(verb_at) and vocabulary.FORMS[self.word(verb_at)][0] in vocabulary.TRAVEL
                clause.kept = (verb_at + bool(travels), ahead)
                at, far = ahead, False
                continue
            clause.has_complement = True
            at = clause.end = end
        return clause

    def complement(self, at: int, clause: Clause) -> int | None:
        """Where one complement ends that begins here; None where none does."""
        for read in (self._axis, self._round, self._depth, self.way, self._order, self._time, self._pace):
            end = read(at, clause)
            if end is not None:
                return end
        if self.word(at) in vocabulary.ONWARDS:
            return at + 1
        if self.word(at) in vocabulary.MANNER and self.word(at) not in ("along", "on", "off", "by", "past", "still"):
            behind = self.word(at + 1)
            if not behind or behind in vocabulary.DIRECTIONS or behind in ("to", "and", ",", "from", "towards"):
                return at + 1
        return None

    def _direction_ahead(self, at: int) -> int | None:
        """Where a direction stands behind an object or a place: "riding a bike | to the left"."""
        for ahead in range(at, min(at + 7, len(self.words))):
            word = self.word(ahead)
            if word in vocabulary.RELATIVES | {",", "and", "."} or (ahead > at and words.is_verb(word, "thing")):
                return None
            leads = (
                word in ("to", "towards", "toward")
                or word.endswith("wards")
                or (word == "from" and {"to"} & set(self.words[ahead : ahead + 5]))
            )
            if leads and ahead > at and self.way(ahead, Clause()) is not None:
                return ahead
        return None

    def way(self, at: int, clause: Clause) -> int | None:
        """ "left", "to the left", "from left to right", "from the left"."""
        if self.word(at) == "from" or (self.word(at) in vocabulary.DIRECTIONS and self.word(at + 1) == "to"):
            begun = self.side(at + (self.word(at) == "from"))
            if begun is None:
                return None
            if self.word(begun[1]) in ("to", "towards", "toward", "into") and (there := self.side(begun[1] + 1)):
                clause.direction = there[0]
                return there[1]
            if self.word(at) != "from" or self.word(begun[1]) == "of":
                return None
            clause.side = begun[0]
            return begun[1]
        leads = self.word(at) in ("to", "towards", "toward", "into")
        if (
            leads
            and self.word(at + 1) in ("its", "his", "her", "their")
            and self.word(at + 2) not in vocabulary.DIRECTIONS
        ):
            return None
        if not leads and self.word(at) not in vocabulary.BARE:
            return None
        side = self.side(at + leads)
        if side is None or (not leads and self.word(at) in ("up", "down") and self._is_nominal_phrase(side[1])):
            return None
        behind = self.word(side[1])
        described = (
            self.is_nominal(side[1]) and behind not in vocabulary.ORDINALS and not words.is_verb(behind, "thing")
        )
        if leads and described:  # "to the right fence"
            return None
        if self.word(side[1]) == "of" or self.word(side[1]) in ("hand", "arm", "paw", "leg", "foot"):
            return None
        if clause.direction and clause.direction != side[0]:
            return None
        clause.direction = side[0]
        return side[1]

    def side(self, at: int) -> tuple[str, int] | None:
        """(direction, behind it) of "the left side of the picture"."""
        while self.word(at) in words.ARTICLES | {"its", "his", "her", "their", "our", "far", "very"}:
            at += 1
        if self.word(at) not in vocabulary.DIRECTIONS:
            return None
        side, at = vocabulary.DIRECTIONS[self.word(at)], at + 1
        if self.word(at) in vocabulary.SIDES:  # "the bottom right": what is level is told more often
            side, at = vocabulary.SIDES[self.word(at)], at + 1
        while self.word(at) in ("side", "hand", "direction", "edge", "corner", "most") and self.word(at - 1) != "hand":
            at += 1
        if self.word(at) == "of" and self.names_the_picture(at + 1):
            at += 1
            while self.word(at) not in vocabulary.PICTURE:
                at += 1
            at += 1
        return side, at

    def _is_nominal_phrase(self, at: int) -> bool:
        """ "up the stairs"."""
        return self.word(at) in words.DETERMINERS or self.is_nominal(at)

    def _depth(self, at: int, clause: Clause) -> int | None:
        """ "towards the camera", "closer", "away", "away from the tree", "towards the ball"."""
        word = self.word(at)
        if word in vocabulary.LARGER and word not in ("taller", "larger"):
            clause.action = vocabulary.LARGER[word]
            return self._to_camera(at + 1) or at + 1
        if word in ("towards", "toward", "to", "at"):
            end = self._to_camera(at)
            if end is not None:
                clause.action = "grows"
                return end
            if word in ("towards", "toward"):
                landmark, end = self.noun_phrase(at + 1)
                if landmark and not set(landmark.split()) & vocabulary.DIRECTIONS.keys():
                    clause.action = (
                        "shrinks" if set(landmark.split()) <= vocabulary.BACKGROUND | words.ARTICLES else "joins"
                    )
                    clause.landmark = "" if clause.action == "shrinks" else landmark
                    return end
        if word == "into" and self.word(at + 1) == "the" and self.word(at + 2) in vocabulary.BACKGROUND:
            clause.action = "shrinks"
            return at + 3
        if word == "away":
            end = self._to_camera(at + 1, "from", "of")
            if end is not None or self.word(at + 1) != "from":
                clause.action = "shrinks"
                return end or at + 1
            landmark, end = self.noun_phrase(at + 2)
            if landmark:
                clause.action, clause.landmark = "parts", landmark
                return end
        return None

    def _to_camera(self, at: int, *leads: str) -> int | None:
        """Behind "to the camera"; None where it is something else."""
        if self.word(at) in (leads or ("to", "towards", "toward", "at")):
            at += 1
        elif not leads:
            return None
        while self.word(at) in words.ARTICLES | {"our", "your"}:
            at += 1
        return at + 1 if self.word(at) in vocabulary.CAMERA else None

    def _axis(self, at: int, clause: Clause) -> int | None:
        """ "back and forth", "up and down"."""
        phrase = " ".join(self.words[at : at + 3])
        axes = {"back and forth": "", "to and fro": "", "up and down": "along", "left and right": "across",
                "right and left": "across", "down and up": "along"}  # fmt: skip
        if phrase in axes:
            clause.action, clause.direction = "sways", axes[phrase]
            return at + 3
        if " ".join(self.words[at : at + 4]) in ("from side to side",) or phrase == "side to side":
            clause.action, clause.direction = "sways", "across"
            return at + (4 if self.word(at) == "from" else 3)
        return None

    def _round(self, at: int, clause: Clause) -> int | None:
        """ "in circles", "round and round"; "round" alone, of what turns."""
        match = _CIRCLES.match(" ".join(self.words[at:]))
        if match is not None:
            clause.action = "circles"
            return at + len(match[0].split())
        behind = self.word(at + 1)
        if self.word(at) in ("around", "round", "over") and behind in ("", ",", "and", "then", "first", "last"):
            return at + 1
        return None

    def _order(self, at: int, clause: Clause) -> int | None:
        """ "first", "last", "twice"."""
        word, behind = self.word(at), self.word(at + 1)
        if word in ("first", "last") and (not behind or behind in (",", "and", ".", "than", "of")):
            if not self.is_sequence:
                clause.rank = vocabulary.ORDINALS[word]
            return self.than_others(at + 1)
        if word in ("first", "initially") and self.is_sequence:
            return at + 1
        if word == "twice" or (word in ("two", "three") and behind == "times"):
            clause.times = 3 if word == "three" else 2
            return at + 1 + (word != "twice")
        return None

    def _time(self, at: int, clause: Clause) -> int | None:
        """ "at the end", "in the beginning", "finally"."""
        end = self.when(at)
        if end is None:
            return None
        clause.when, at = end
        return at

    def when(self, at: int) -> tuple[str, int] | None:
        """(beginning or end, behind it) of "at the end" and the like."""
        text = " ".join(self.words[at:])
        match = _WHEN.match(text)
        if match is None:
            return None
        word = match["when"] or match["alone"]
        when = "end" if word in ("end", "last", "eventually", "finally") else "beginning"
        return when, at + len(match[0].split())

    def _pace(self, at: int, clause: Clause) -> int | None:
        """ "slowly", "faster than the others", "the fastest", "at high speed"."""
        word = self.word(at)
        if word in ("the", "most", "very", "more", "so", "really") and self.word(at + 1):
            inner = self._pace(at + 1, clause)
            if inner is not None and word in ("most", "more"):
                clause.speed = {"slow": "slowest", "fast": "fastest"}.get(clause.speed, clause.speed)
            return inner
        if word in vocabulary.SLOW | vocabulary.FAST:
            clause.speed = "slow" if word in vocabulary.SLOW else "fast"
            return at + 1
        if word in vocabulary.SUPERLATIVES:
            clause.speed = vocabulary.SUPERLATIVES[word]
            return self.than_others(at + 1)
        if " ".join(self.words[at : at + 3]) == "at high speed":
            clause.speed = "fast"
            return at + 3
        return None
