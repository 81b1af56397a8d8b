"""The expressions of an animation: meanings that are run on every frame of it, sorted by whether their answer stays.

stable: on every frame the answer is those of its objects that are visible, nothing else, and never disputable. stale:
at least two objects are the answer at some time; where the answer is disputable the frame is not judged. motion: see
`motion_meanings`: one answer for the whole animation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from random import Random

from image_core.synthetic.absence import has_lookalike
from image_core.synthetic.expressions import names_held_out_pair
from image_core.synthetic.meanings import SIDES, All, Ambiguous, Extreme, Kind, Located, Meaning, OfTwo
from image_core.synthetic.realisation import realise
from image_core.synthetic.recipes import sample_meaning
from image_core.synthetic.scene import Scene, SceneObject
from rvos.synthetic.animation import Animation
from rvos.synthetic.motion_meanings import MotionMeaning, objects_that_move, say_motion, verbs_of

Answer = frozenset[int] | None
"""Object ids, or None where opinions would differ."""

STABLE_COUNT = 2
_STABLE_WEIGHTS = {"attribute": 4.0, "location": 2.0, "comparison": 2.0, "relation": 2.0, "several": 1.2}
_MOST_TARGETS = 3
_PROPOSALS = {"relation": 40, "comparison": 12, "attribute": 8, "ordinal": 6}
_STALE_FAMILIES = ("location", "relation", "comparison", "ordinal")
_STALE_TRIES = 150
_STALE_JUDGED = 0.7
_STALE_HELD = 4


@dataclass(frozen=True)
class VideoExpression:
    """An expression of a video, and what it refers to on each frame."""

    text: str
    #: The challenge that its object meets.
    family: str
    #: stable, stale or motion.
    kind: str
    #: Its number in the video, as a string.
    expression_id: str
    #: All that it refers to at any time, ascending; empty for an absent one.
    object_ids: tuple[int, ...]
    #: For each of T frames the ids of what it refers to and is visible; None where that is disputable (stale alone).
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class ExpressionDraft:
    """A meaning in words, before it is run on an animation; `kind`: stable, stale or motion."""

    meaning: Meaning | MotionMeaning
    text: str
    kind: str


def answer(meaning: Meaning, scene: Scene) -> Answer:
    """The meaning run on one scene."""
    try:
        return meaning(scene)
    except Ambiguous:
        return None


def is_stable(meaning: Meaning, animation: Animation, object_ids: frozenset[int]) -> bool:
    """Whether on every frame the answer is what is visible of `object_ids`, and nothing passes for what is missing."""
    for scene in _from_the_middle(animation.visible_scenes):
        visible = object_ids & frozenset(scene.by_id)
        if answer(meaning, scene) != visible or (not visible and has_lookalike(scene, meaning)):
            return False
    return True


def _from_the_middle(scenes: tuple[Scene, ...]) -> Iterator[Scene]:
    """All of them, those far apart first: most meanings fail early then."""
    for step in (7, 3, 1):
        yield from scenes[::step]


def sample_drafts(
    animation: Animation, without_challenge: Animation, target: int | None, rng: Random, third: str
) -> list[ExpressionDraft] | None:
    """Two stable expressions of the target, true of the animation with and without its challenge, and one more, if any
    is true.

    target: None asks for expressions of nothing; third: stale or motion. None where there are not two stable ones.
    """
    by_text: dict[str, ExpressionDraft] = {}
    stable = _absent(animation, rng) if target is None else _stable(animation, without_challenge, target, rng)
    for meaning in stable:
        text = realise(meaning, rng)
        by_text.setdefault(text, ExpressionDraft(meaning, text, "stable"))
        if len(by_text) == STABLE_COUNT:
            break
    if len(by_text) < STABLE_COUNT:
        return None
    last = _stale(animation, rng) if third == "stale" else _motion(animation, rng, absent=target is None)
    return [*by_text.values(), last] if last else list(by_text.values())


def _stable(animation: Animation, without_challenge: Animation, target: int, rng: Random) -> Iterator[Meaning]:
    """Stable meanings about the target, the groups by their weights, a plural once at most; then others again."""
    groups: dict[str, list[Meaning]] = {}
    for group, meaning in _candidates(animation, target, rng):
        if meaning in groups.get(group, ()) or names_held_out_pair(meaning):
            continue
        ids = members(meaning, animation) if group == "several" else frozenset({target})
        if group == "several" and not (target in ids and 2 <= len(ids) <= _MOST_TARGETS):
            continue
        if is_stable(meaning, animation, ids) and is_stable(meaning, without_challenge, ids):
            groups.setdefault(group, []).append(meaning)
    pool = {group: rng.sample(meanings, len(meanings)) for group, meanings in groups.items()}
    while any(pool.values()):
        names = [group for group in pool if pool[group]]
        group = rng.choices(names, [_STABLE_WEIGHTS[n] for n in names])[0]
        yield pool[group].pop()
        if group == "several":
            pool[group] = []
    singles = [meaning for group, meanings in groups.items() if group != "several" for meaning in meanings]
    # The same again, in other words.
    yield from rng.choices(singles, k=12) if singles else ()


def _candidates(animation: Animation, target: int, rng: Random) -> Iterator[tuple[str, Meaning]]:
    """Meanings that might be stable, each with its group."""
    item = animation.objects[animation.position[target]].item
    kinds = [Kind(*words) for words in product((item.shape, None), (item.colour, None), (item.fill, None))]
    for kind in kinds:
        if kind != Kind():
            yield "attribute", kind
            yield "several", All(kind)
        for vertical, horizontal in product((None, "top", "bottom"), (None, "left", "right")):
            yield "location", Located(kind, vertical, horizontal)
        for key in ("big", "small"):
            yield "comparison", OfTwo(kind, key)
        for key in (*SIDES, "big", "small"):
            yield "comparison", Extreme(kind, key)
    scenes = [s for s in animation.visible_scenes if target in s.by_id and len(s.objects) > 1]
    if not scenes:
        return
    for family, tries in _PROPOSALS.items():
        for _ in range(tries):
            scene = rng.choice(scenes)
            group = "comparison" if family == "ordinal" else family
            yield group, sample_meaning(scene, rng, family, scene.by_id[target])


def members(meaning: Meaning, animation: Animation) -> frozenset[int]:
    """Ids of all that a meaning selects on some frame."""
    return _union(answer(meaning, scene) for scene in animation.visible_scenes)


def _union(answers: Iterable[Answer]) -> frozenset[int]:
    return frozenset(object_id for ids in answers if ids for object_id in ids)


def _absent(animation: Animation, rng: Random) -> Iterator[Meaning]:
    """Meanings that select nothing on any frame, nor come near to it."""
    scenes = [s for s in animation.visible_scenes if len(s.objects) > 1]
    for _ in range(400):
        scene = rng.choice(scenes)
        meaning = sample_meaning(scene, rng, "absent", rng.choice(scene.objects))
        if not names_held_out_pair(meaning) and is_stable(meaning, animation, frozenset()):
            yield meaning


def _stale(animation: Animation, rng: Random) -> ExpressionDraft | None:
    scenes = [s for s in animation.visible_scenes if len(s.objects) > 1]
    for _ in range(_STALE_TRIES):
        scene = rng.choice(scenes)
        meaning = sample_meaning(scene, rng, rng.choice(_STALE_FAMILIES), rng.choice(scene.objects))
        if not names_held_out_pair(meaning) and _changes(meaning, animation):
            return ExpressionDraft(meaning, realise(meaning, rng), "stale")
    return None


def _changes(meaning: Meaning, animation: Animation) -> bool:
    """Whether the answer is one object at a time, not always the same, and seldom disputable."""
    early = [answer(meaning, scene) for scene in animation.visible_scenes[::9]]
    if early.count(None) > len(early) // 2 or any(ids is not None and len(ids) > 1 for ids in early):
        return False
    answers = [answer(meaning, scene) for scene in animation.visible_scenes]
    judged = [ids for ids in answers if ids is not None]
    if len(judged) < _STALE_JUDGED * len(answers) or any(len(ids) > 1 for ids in judged):
        return False
    owners = [owner for owner in set(judged) if owner and judged.count(owner) >= _STALE_HELD]
    return len(owners) >= 2


def _motion(animation: Animation, rng: Random, absent: bool) -> ExpressionDraft | None:
    """An expression of how something moves, true of one object, or of none where `absent`."""
    true: list[MotionMeaning] = []
    items = [moving.item for moving in animation.objects]
    for verb in verbs_of(animation):
        kinds = {kind for item in items for kind in _heads(item)}
        for kind in sorted(kinds, key=repr):
            meaning = MotionMeaning(kind, verb)
            ids = objects_that_move(meaning, animation)
            if ids is not None and len(ids) == (0 if absent else 1) and not names_held_out_pair(kind):
                true.append(meaning)
    if not true:
        return None
    verb = rng.choice(sorted({meaning.verb for meaning in true}))
    meaning = rng.choice([m for m in true if m.verb == verb])
    return ExpressionDraft(meaning, say_motion(meaning, rng), "motion")


def _heads(item: SceneObject) -> tuple[Kind, ...]:
    return Kind(), Kind(item.shape), Kind(None, item.colour), Kind(item.shape, item.colour)


def resolve_expression(
    draft: ExpressionDraft, animation: Animation, family: str, expression_id: str
) -> VideoExpression:
    """The expression with its answers on an animation: the one it was made for, or the same without the challenge."""
    if isinstance(draft.meaning, MotionMeaning):
        ids = objects_that_move(draft.meaning, animation) or frozenset()
        answers: tuple[Answer, ...] = tuple(ids & frozenset(scene.by_id) for scene in animation.visible_scenes)
    else:
        answers = tuple(answer(draft.meaning, scene) for scene in animation.visible_scenes)
    object_ids = tuple(sorted(_union(answers)))
    return VideoExpression(draft.text, family, draft.kind, expression_id, object_ids, answers)
