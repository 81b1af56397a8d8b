"""Draws the film of a family: cast, staging, camera, light, ground, until what must be seen in it is to be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from image_core.synthetic.sampling import sample_backdrop, sample_light
from image_core.synthetic.scene import Backdrop, SceneObject
from rvos.synthetic.camera import GROUND, sample_gains, still_camera, swaying_camera
from rvos.synthetic.cast import ATTRIBUTES, Cast, sample_cast
from rvos.synthetic.challenges import RECIPES
from rvos.synthetic.conditions import calm_holds, holds
from rvos.synthetic.film import Actor, Film
from rvos.synthetic.severity import Severity
from rvos.synthetic.splits import texture_seed
from rvos.synthetic.staging import Stage, Staging

_BOTH_IN_VIEW = ("plain", "camera_motion", "lookalike_crossing")
_OTHERS = (2, 4)
_MAY_BE_FAST = ("lookalike_crossing", "camera_motion", "absent")


@dataclass(frozen=True)
class Production:
    """A film of a family."""

    film: Film
    #: The same without the challenge.
    calm: Film
    #: How the look-alike differs from the target: see `Cast`.
    differs: str


def produce(
    rng: Random, split: str, family: str, frames: int, width: float, rate: float, severity: Severity
) -> Production:
    """A film in which the challenge of `family` is to be seen, drawn again until it is."""
    # Drawn once and kept, lest what is hard to stage become rare.
    differs = _sample_difference(rng, family, severity)
    fast = family in _MAY_BE_FAST and rng.random() < severity.fast_share
    while True:
        cast = sample_cast(rng, severity, differs, _OTHERS, fast)
        stage = Stage(rng, cast, frames, width, severity, fast)
        staging, calm = RECIPES[family](stage)
        film = _film(rng, split, stage, staging, rate, camouflage=family != "plain")
        if not holds(family, film, severity):
            continue
        without = _recut(film, calm, stage)
        if calm_holds(family, without):
            return Production(film, without, differs)


def _sample_difference(rng: Random, family: str, severity: Severity) -> str:
    weights = {word: w for word, w in severity.twin_weights if family in _BOTH_IN_VIEW or word in ATTRIBUTES}
    return rng.choices(list(weights), list(weights.values()))[0]


def _film(rng: Random, split: str, stage: Stage, staging: Staging, rate: float, camouflage: bool) -> Film:
    severity, frames, width = stage.severity, stage.frames, stage.width
    camera = staging.camera
    if camera is None:
        sways = rng.random() < severity.sway_share
        camera = swaying_camera(rng, frames, width, severity.sway) if sways else still_camera(frames, width)
    hides = camouflage and rng.random() < severity.camouflage_share
    backdrop = _sample_ground(rng, split, stage.cast, staging.order, severity.camouflage if hides else 0.0)
    low, high = severity.jpeg_quality
    return Film(
        actors=_actors(staging),
        width=width,
        camera=camera,
        light=sample_light(rng),
        backdrop=backdrop,
        gains=sample_gains(rng, frames, severity),
        shutter=rng.uniform(*severity.shutter) if rng.random() < severity.blur_share else 0.0,
        jpeg_quality=rng.randint(low, high) if rng.random() < severity.jpeg_share else None,
        ground=1.0 if staging.camera is None and not np.ptp(camera, axis=0).any() else GROUND,
        rate=rate,
        least_visible=severity.visible_share,
    )


def _recut(film: Film, calm: Staging, stage: Stage) -> Film:
    """The film with other actors' ways, and with a still camera where the challenge is the camera."""
    # A camera that merely sways is no challenge, and stays.
    challenged = float(np.ptp(film.camera, axis=0).max()) > 0.25
    camera = still_camera(stage.frames, stage.width) if challenged else film.camera
    return replace(film, actors=_actors(calm), camera=camera)


def _actors(staging: Staging) -> tuple[Actor, ...]:
    return tuple(Actor(item, staging.poses[item.id]) for item in staging.order)


def _sample_ground(
    rng: Random, split: str, cast: Cast, objects: tuple[SceneObject, ...], camouflage: float
) -> Backdrop:
    """A texture that keeps its distance from all tints, or one of whose colours is drawn towards the target's own."""
    backdrop = sample_backdrop(rng, list(objects))
    palette = list(backdrop.palette)
    if camouflage:
        own, other = np.array(cast.target.tint), np.array(palette[0])
        mixed = other + camouflage * (own - other)
        palette[0] = float(mixed[0]), float(mixed[1]), float(mixed[2])
    seed = texture_seed(split, backdrop.seed)
    return replace(backdrop, palette=tuple(palette), seed=seed)
