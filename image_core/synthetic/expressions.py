"""Finds things to say about a scene: meanings of every family that have one undisputed answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from image_core.synthetic.absence import always_has_target, has_no_target, one_word_variants
from image_core.synthetic.meanings import Ambiguous, Meaning, kinds_in
from image_core.synthetic.realisation import realise
from image_core.synthetic.recipes import FAMILIES, pick_recipe
from image_core.synthetic.scene import Scene
from image_core.synthetic.splits import HELD_OUT_PAIRS

ABSENT_TURNS = 2
"""Turns of `absent` to one of every other family: a quarter of all expressions has no target."""
_MAX_RECIPES = 8
_MAX_TRIES = 12
_MAX_OTHER_SCENES = 6
_OWN_SCENE_SHARE = 0.4
"""Share of absences made of what is true here, by one word: all of it is in the scene, but not on one object."""
_SKIPPED_SHARE = 0.6
"""Share left out of the expressions that have a target in every image, since their words alone show presence."""

AnotherScene = Callable[[], Scene]
"""Draws the scene of another image of the same split."""


@dataclass(frozen=True)
class Expression:
    """An expression about a scene."""

    text: str
    meaning: Meaning
    family: str
    targets: frozenset[int]  # ids of the objects that it means
    novel: bool = False  # its phrasing is held out of training


def sample_expressions(
    scene: Scene,
    other_scene: AnotherScene,
    rng: Random,
    count: int,
    compositional: bool = False,
    families: tuple[str, ...] = FAMILIES,
) -> tuple[Expression, ...]:
    """`count` different expressions of a scene; families take turns, so that each has an equal share (absent: two).

    Absent ones are said of other scenes, and so have the form of those that have a target (`absence`). Without
    `compositional` no expression names a held-out pair of shape and colour or uses a held-out phrasing; with it each
    does one of the two. A family that has nothing undisputed to say of this scene passes its turn on.
    """
    sampled: dict[str, Expression] = {}
    order: list[str] = []
    exhausted: set[str] = set()
    turns = [f for f in families for _ in range(ABSENT_TURNS if f == "absent" else 1)]
    while len(sampled) < count and len(exhausted) < len(families):
        if not order:
            order = [f for f in rng.sample(turns, len(turns)) if f not in exhausted]
        family = order.pop()
        if family == "absent":
            expression = _sample_absent(scene, other_scene, rng, compositional, sampled)
        else:
            expression = _sample_present(scene, rng, family, compositional, sampled)
        if expression is None:
            exhausted.add(family)
        else:
            sampled[expression.text] = expression
    return tuple(sampled.values())


def names_held_out_pair(meaning: Meaning) -> bool:
    """Whether the meaning says both words of a held-out pair of one object."""
    return any((kind.shape, kind.colour) in HELD_OUT_PAIRS for kind in kinds_in(meaning))


def _sample_present(
    scene: Scene, rng: Random, family: str, compositional: bool, sampled: dict[str, Expression]
) -> Expression | None:
    """One new expression of a family that has a target, or None. A recipe has several tries, lest easy ones crowd out
    the rest."""
    for attempt in range(_MAX_RECIPES):
        recipe = pick_recipe(rng, family)
        # At first a held-out pair is insisted upon, since a new phrasing alone is always to be had.
        pair_wanted = compositional and attempt < _MAX_RECIPES // 2
        for _ in range(_MAX_TRIES):
            meaning = recipe(scene, rng, rng.choice(scene.objects))
            if pair_wanted and not names_held_out_pair(meaning):
                continue
            if always_has_target(meaning) and rng.random() < _SKIPPED_SHARE:
                continue
            try:
                targets = meaning(scene)
            except Ambiguous:
                continue
            if len(targets) >= 2 if family == "several" else len(targets) == 1:
                expression = _to_expression(meaning, rng, family, targets, compositional)
                if expression is not None and expression.text not in sampled:
                    return expression
    return None


def _sample_absent(
    scene: Scene, other_scene: AnotherScene, rng: Random, compositional: bool, sampled: dict[str, Expression]
) -> Expression | None:
    """One new expression without a target here: that of another scene, or of this one, if need be with a word changed.

    Only one expression of each other scene is tried: searching on for one that is easily absent would again make
    absence visible in the form of the words.
    """
    for _ in range(_MAX_OTHER_SCENES):
        source_scene = scene if rng.random() < _OWN_SCENE_SHARE else other_scene()
        source = _sample_present(
            source_scene, rng, rng.choice([f for f in FAMILIES if f != "absent"]), compositional, {}
        )
        if source is None:
            continue
        changed = list(one_word_variants(source.meaning, scene))
        for meaning in (source.meaning, *rng.sample(changed, len(changed))):
            if has_no_target(meaning, scene):
                expression = _to_expression(meaning, rng, "absent", frozenset(), compositional)
                if expression is not None and expression.text not in sampled:
                    return expression
    return None


def _to_expression(
    meaning: Meaning, rng: Random, family: str, targets: frozenset[int], compositional: bool
) -> Expression | None:
    """The meaning in words, or None where only the compositional test may say it."""
    held_out = names_held_out_pair(meaning)
    if held_out and not compositional:
        return None
    novel = compositional and (not held_out or rng.random() < 0.5)
    return Expression(realise(meaning, rng, novel), meaning, family, targets, novel)
