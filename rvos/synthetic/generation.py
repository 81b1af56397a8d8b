"""Samples animations of a family until one shows its challenge: objects, motions, camera, light and background."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from image_core.synthetic.sampling import sample_backdrop, sample_light
from image_core.synthetic.scene import Backdrop, SceneObject
from rvos.synthetic.animation import Animation, MovingObject
from rvos.synthetic.camera import GROUND, sample_gains, still_camera, swaying_camera
from rvos.synthetic.challenge_setup import AnimationPlan, ChallengeSetup
from rvos.synthetic.challenges import RECIPES
from rvos.synthetic.conditions import shows_challenge, shows_target
from rvos.synthetic.object_set import ATTRIBUTES, ObjectSet, sample_object_set
from rvos.synthetic.severity import Severity
from rvos.synthetic.splits import texture_seed

_BOTH_IN_VIEW = ("plain", "camera_motion", "lookalike_crossing")
_OTHERS = (2, 4)
_MAY_BE_FAST = ("lookalike_crossing", "camera_motion", "absent")


@dataclass(frozen=True)
class GeneratedAnimation:
    """An animation of a family."""

    animation: Animation
    #: The same without the challenge.
    without_challenge: Animation
    #: How the look-alike differs from the target: see `ObjectSet`.
    differs: str


def generate_animation(
    rng: Random, split: str, family: str, frames: int, width: float, rate: float, severity: Severity
) -> GeneratedAnimation:
    """An animation in which the challenge of `family` is to be seen, drawn again until it is."""
    # Drawn once and kept, so that rejection does not make difficult differences rare.
    differs = _sample_difference(rng, family, severity)
    fast = family in _MAY_BE_FAST and rng.random() < severity.fast_share
    while True:
        object_set = sample_object_set(rng, severity, differs, _OTHERS, fast)
        setup = ChallengeSetup(rng, object_set, frames, width, severity, fast)
        plan, without_challenge = RECIPES[family](setup)
        animation = _animation(rng, split, setup, plan, rate, camouflage=family != "plain")
        if not shows_challenge(family, animation, severity):
            continue
        without = _without_challenge(animation, without_challenge, setup)
        if shows_target(family, without):
            return GeneratedAnimation(animation, without, differs)


def _sample_difference(rng: Random, family: str, severity: Severity) -> str:
    weights = {word: w for word, w in severity.twin_weights if family in _BOTH_IN_VIEW or word in ATTRIBUTES}
    return rng.choices(list(weights), list(weights.values()))[0]


def _animation(
    rng: Random, split: str, setup: ChallengeSetup, plan: AnimationPlan, rate: float, camouflage: bool
) -> Animation:
    severity, frames, width = setup.severity, setup.frames, setup.width
    camera = plan.camera
    if camera is None:
        sways = rng.random() < severity.sway_share
        camera = swaying_camera(rng, frames, width, severity.sway) if sways else still_camera(frames, width)
    hides = camouflage and rng.random() < severity.camouflage_share
    backdrop = _sample_ground(rng, split, setup.object_set, plan.order, severity.camouflage if hides else 0.0)
    low, high = severity.jpeg_quality
    return Animation(
        objects=_moving_objects(plan),
        width=width,
        camera=camera,
        light=sample_light(rng),
        backdrop=backdrop,
        gains=sample_gains(rng, frames, severity),
        shutter=rng.uniform(*severity.shutter) if rng.random() < severity.blur_share else 0.0,
        jpeg_quality=rng.randint(low, high) if rng.random() < severity.jpeg_share else None,
        ground=1.0 if plan.camera is None and not np.ptp(camera, axis=0).any() else GROUND,
        rate=rate,
        least_visible=severity.visible_share,
    )


def _without_challenge(animation: Animation, without_challenge: AnimationPlan, setup: ChallengeSetup) -> Animation:
    """The animation with other objects' ways, and with a still camera where the challenge is the camera."""
    # A camera that merely sways is no challenge, and stays.
    challenged = float(np.ptp(animation.camera, axis=0).max()) > 0.25
    camera = still_camera(setup.frames, setup.width) if challenged else animation.camera
    return replace(animation, objects=_moving_objects(without_challenge), camera=camera)


def _moving_objects(plan: AnimationPlan) -> tuple[MovingObject, ...]:
    return tuple(MovingObject(item, plan.poses[item.id]) for item in plan.order)


def _sample_ground(
    rng: Random, split: str, object_set: ObjectSet, objects: tuple[SceneObject, ...], camouflage: float
) -> Backdrop:
    """A texture that keeps its distance from all tints, or one of whose colours is drawn towards the target's own."""
    backdrop = sample_backdrop(rng, list(objects))
    palette = list(backdrop.palette)
    if camouflage:
        own, other = np.array(object_set.target.tint), np.array(palette[0])
        mixed = other + camouflage * (own - other)
        palette[0] = float(mixed[0]), float(mixed[1]), float(mixed[2])
    seed = texture_seed(split, backdrop.seed)
    return replace(backdrop, palette=tuple(palette), seed=seed)
