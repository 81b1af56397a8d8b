"""The action that a verb means, by the words behind it. For the rules of `motion_parser`."""

from __future__ import annotations

from dataclasses import replace

from image_core.language import motion_words as vocabulary
from image_core.language import words
from image_core.language.motion import Motion
from image_core.language.motion_phrases import Clause, Phrases, Verb

Read = tuple[Motion, Clause]


class ActionRules(Phrases):
    """Reads the verb at a position, with all that belongs to it; None where its meaning is not known."""

    def state(self, at: int, auxiliary: str) -> Read | None:
        """ "is motionless", "in motion", "at rest"."""
        word = self.word(at)
        if (auxiliary or at == 0 or self.is_nominal(at - 1)) and word in (
            "motionless",
            "stationary",
            "immobile",
            "unmoving",
        ):
            return Motion("still"), Clause(end=at + 1)
        if auxiliary in ("is", "are", "that's") and word == "parked":
            return Motion("still", is_seen=True), Clause(end=at + 1, kept=(at, at + 1))
        if auxiliary and word == "still" and not self.word(at + 1):
            return Motion("still"), Clause(end=at + 1)
        if word == "in" and self.word(at + 1) == "motion":
            return Motion("moves"), Clause(end=at + 2)
        if word == "at" and self.word(at + 1) == "rest":
            return Motion("still"), Clause(end=at + 2)
        if auxiliary and word in vocabulary.SUPERLATIVES:
            return Motion("moves", speed=vocabulary.SUPERLATIVES[word]), Clause(end=self.than_others(at + 1))
        return None

    def action(self, at: int, context: str, negated: bool) -> Read | None:
        """A verb that stands in a context: see `Phrases.verb`."""
        verb = self.verb(at, context)
        if verb is None:
            return None
        stem = verb.stem
        if stem in vocabulary.STARTING:
            return self._starting(at)
        if stem == "come" and self.word(at + 1) == "to" and {"rest", "stop", "halt"} & set(self.words[at + 2 : at + 4]):
            end = next(i for i in (at + 2, at + 3) if self.word(i) in ("rest", "stop", "halt")) + 1
            return Motion("stops"), self.complements(end, at)
        if stem in vocabulary.STAYING | vocabulary.POSES:
            return self._staying(at, stem)
        if stem in vocabulary.LINKING and self.word(at + 1) in vocabulary.LARGER:
            clause = self.complements(at + 2, at)
            return Motion(vocabulary.LARGER[self.word(at + 1)]), (clause)
        if stem in ("get", "become"):
            return None
        if (changed := vocabulary.PACES.get((stem, self.word(at + 1)))) is not None:
            return Motion(changed), self.complements(at + 2, at)
        if stem in vocabulary.VERBS:
            return self._named(at, stem)
        return self._travelling(at, verb, negated)

    def _starting(self, at: int) -> Read | None:
        """ "starts moving", "begins to walk"."""
        behind = at + 1 + (self.word(at + 1) == "to")
        stem, _ = vocabulary.FORMS.get(self.word(behind), ("", ""))
        if stem not in vocabulary.TRAVEL | vocabulary.GAITS:
            return None
        clause = self.complements(behind + 1, at)
        return Motion("starts", clause.direction), clause

    def _staying(self, at: int, stem: str) -> Read | None:
        """ "standing still", "that stays", "remains where it is"."""
        behind = self.word(at + 1)
        if stem in vocabulary.POSES:
            if behind in vocabulary.MOTIONLESS:
                return Motion("still"), self.complements(at + 2, at)
            if stem == "park" and self.form(at) == "ing":
                return Motion("still", is_seen=True), Clause(end=at + 1, kept=(at, at + 1))
            return None
        if behind in vocabulary.MOTIONLESS | {"put", "there", "behind"}:
            return Motion("still"), self.complements(at + 2, at)
        if " ".join(self.words[at + 1 : at + 3]) in ("in place", "at rest", "in position"):
            return Motion("still"), self.complements(at + 3, at)
        if behind == "where":
            return Motion("still"), Clause(end=min(at + 4, len(self.words)))
        if stem == "keep":
            read = self.verb(at + 1, "ing")
            return None if read is None else self.action(at + 1, "ing", False)
        is_last = not behind or behind in (",", "and", ".", "while")
        return (Motion("still"), Clause(end=at + 1)) if is_last else None

    def _named(self, at: int, stem: str) -> Read | None:
        """A verb that means one action."""
        action = vocabulary.VERBS[stem]
        behind = self.word(at + 1)
        if self.form(at) == "ed" and behind == "by":
            read = self._with_landmark(at + 1, "leads")
            if read is not None and read[1].kept:
                read[1].kept = (at, read[1].end)
            return read
        if stem == "appear" and behind == "to":
            return None
        if action in ("follows", "overtakes", "joins") or (stem in ("circle", "orbit") and behind in words.DETERMINERS):
            return self._with_landmark(at, action)
        if action in ("enters", "leaves"):
            return self._through_the_edge(at + 1, at, action)
        if action == "crosses":
            return self._crossing(at)
        if self.has_object(at + 1) or (action == "turns" and behind in ("into", "onto")):
            return None
        clause = self.complements(at + 1, at)
        direction = vocabulary.VERTICAL.get(stem, clause.direction)
        if action == "turns" and behind in ("around", "round", "over"):
            action = "spins"
        action = "circles" if clause.action == "circles" else action
        return Motion(action, direction, is_seen=stem == "fall"), self._pose_kept(at, clause, stem == "fall")

    def _crossing(self, at: int) -> Read:
        """ "crossing the picture from left to right", "crosses the street"."""
        landmark, end = self.noun_phrase(at + 1)
        clause = self.complements(end, at)
        if landmark and not set(landmark.split()) & vocabulary.PICTURE:
            clause.kept = (at, end)
        return Motion("crosses", clause.direction, is_seen=clause.kept is not None), clause

    def _pose_kept(self, at: int, clause: Clause, seen: bool) -> Clause:
        if seen and clause.kept is None:
            clause.kept = (at, at + 1)
        return clause

    def _with_landmark(self, at: int, action: str) -> Read | None:
        """ "chasing another", "approaching the tree"; "approaching" alone or "the camera" is a change of size."""
        landmark, end = self.noun_phrase(at + 1)
        if action == "joins" and (not landmark or set(landmark.split()) & vocabulary.CAMERA):
            return Motion("grows"), self.complements(end if landmark else at + 1, at)
        if not landmark:
            return None
        clause = self.complements(end, at)
        clause.landmark = landmark
        if not set(landmark.split()) & vocabulary.OTHERS:
            clause.kept = (at, clause.end)
        return Motion(action, landmark=landmark, is_seen=clause.kept is not None), clause

    def _through_the_edge(self, behind: int, at: int, action: str) -> Read | None:
        """ "enters the picture from the left", "leaving"."""
        end = behind
        while self.word(end) in ("into", "in", "out", "of"):
            end += 1
        place, end = self.noun_phrase(end)
        named = set(place.split())
        if place and not named & (vocabulary.PICTURE | vocabulary.SCENERY_ENTERED):
            return None
        side = self.side(end + 1) if self.word(end) in ("on", "at") else None
        clause = self.complements(end if side is None else side[1], at)
        clause.side = clause.side if side is None else side[0]
        if place and not named & vocabulary.PICTURE:
            clause.kept = (at, end)
        return Motion(action, clause.side or clause.direction, is_seen=clause.kept is not None), clause

    def _travelling(self, at: int, verb: Verb, negated: bool) -> Read | None:
        """ "moving left", "walks away", "going in circles", "riding a bike to the left"."""
        behind = at + 1
        if verb.stem not in vocabulary.TRAVEL | vocabulary.GAITS | vocabulary.CARRYING:
            return None
        first, second = self.word(behind), self.word(behind + 1)
        if verb.stem in ("come", "go", *vocabulary.GAITS, "move", "drive"):
            if first == "in" and (not second or second in ("from", "first", "last", ",", "and")):
                return self._through_the_edge(behind + 1, at, "enters")
            if first in ("into", "in") and self.names_the_picture(behind + 1):
                return self._through_the_edge(behind, at, "enters")
            if first == "out" and (
                not second or self.names_the_picture(behind + 2) or second in ("first", "last", "and", ",")
            ):
                return self._through_the_edge(behind, at, "leaves")
            if first == "off" and (not second or self.names_the_picture(behind + 1)):
                return Motion("leaves"), self.complements(behind + 1, at)
        if verb.stem in ("come", "go", "move") and first in vocabulary.LARGER:
            return Motion(vocabulary.LARGER[first]), (self.complements(behind + 1, at))
        far = verb.stem in vocabulary.GAITS | vocabulary.CARRYING or not self.has_object(behind)
        clause = self.complements(behind, at, far)
        if verb.stem in vocabulary.CARRYING and verb.stem not in vocabulary.GAITS and not clause.has_complement:
            return None
        return self._judged(at, verb, clause, negated)

    def _judged(self, at: int, verb: Verb, clause: Clause, negated: bool) -> Read | None:
        """The action of a verb of changing place, with the words behind it."""
        pose = verb.stem in vocabulary.GAITS or (
            verb.stem in ("drive", "go", "come", "head") and not clause.has_complement
        )
        if clause.action in ("joins", "parts") and clause.landmark:
            clause.kept = (at, clause.end)
            return Motion(clause.action, landmark=clause.landmark, is_seen=True), clause
        if clause.action is not None:
            motion = Motion(clause.action, clause.direction)
        elif clause.direction:
            motion = Motion("goes", clause.direction)
        elif clause.side:
            motion = Motion("goes", vocabulary.OPPOSITES[clause.side])
        elif negated:
            motion = Motion("moves")
        elif verb.stem == "move":
            motion = Motion("moves")
            if not clause.has_complement and self.has_object(at + 1):
                return None
        elif verb.stem in vocabulary.FIXED or verb.stem in ("come", "go", "head", "travel", "proceed", "tow"):
            return None if not clause.speed and not clause.rank else (Motion("moves", is_seen=True), clause)
        elif verb.stem in ("climb", "roll", "ride") or not self.has_object(at + 1) or verb.stem == "drive":
            motion = Motion("moves", is_seen=True)
        else:
            return None
        if pose and clause.kept is None and not negated:
            clause.kept = (at, at + 1)
        if clause.kept is not None:
            motion = replace(motion, is_seen=motion.action == "moves")
        return motion, clause

    def other_way(self, at: int) -> Read | None:
        """Another direction of the verb before: "left and then right"."""
        clause = self.complements(at, at)
        return (Motion("goes", clause.direction), clause) if clause.direction and clause.action is None else None
