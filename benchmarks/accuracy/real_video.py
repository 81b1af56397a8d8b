"""How well expressions are segmented on real frames, each frame by itself.

python -m benchmarks.accuracy.real_video [--model NAME] [--clips FOLDER] [--no-ablations]

FOLDER holds a folder a clip with `frames/*.jpg` and `masks/*.png` (0 / 255); by default clips/masked of RVOS_SHARED,
seven sequences of DAVIS-2016 with an expression each of Ref-DAVIS17. The model (by default `photo`) answers every
fourth frame. Beside its answers (J, F and their mean): the best of its candidates (oracle); the expression of another
clip (control); and how often a mask is shown for 30 expressions about absent objects. Then the same without parts of
the model, and with DeepLab as its detector if `python -m benchmarks.accuracy.deeplab` has downloaded it. Nothing may be
tuned on these clips. One thread, some 25 minutes.

The result is real_video.json; runs/photo/<clip>.jpg (truth green, answers red) is not for shipping.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy import deeplab
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.real_clips import RealClip, clips_in, read_clips
from image_core.answer import MaskAnswer
from image_core.errors import CheckpointError, ConfigError
from image_core.grounded.colours import COLOURS, TONES
from image_core.grounded.model import Grounded
from image_core.grounded.ssdlite import SSDLiteDetector
from image_core.grounded.understanding import Understanding
from image_core.language.expression import Referent
from image_core.mask_model import MaskModel, ask, describe, resolve_model
from rvos.metrics import region_and_boundary

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/photo")
EVERY, ABSENT_EVERY = 4, 16
SHOWN = 12
CONTROL = {
    "breakdance": "a dog running",
    "camel": "a girl in a blue dress twirling",
    "car-roundabout": "a boy in a red tshirt performing a breakdance",
    "car-shadow": "a camel moving",
    "dance-twirl": "a black car moving through a roundabout",
    "dog": "a white car crossing a signal",
    "libby": "a girl in a blue dress twirling",
}
"""Clip -> expression of another clip, which shows other objects."""
ABSENT = {
    "breakdance": ("a dog", "a bicycle", "a black cat", "an elephant"),
    "camel": ("a zebra", "an elephant", "a bus", "a man in a blue jacket", "a bird flying"),
    "car-roundabout": ("a red bus", "a giraffe", "a yellow car", "a dog"),
    "car-shadow": ("the red car", "a dog walking", "a train", "a boat", "a horse"),
    "dance-twirl": ("an elephant", "a horse running", "a surfboard", "a white dog"),
    "dog": ("a cat sleeping", "a red car", "a man on a horse", "a sheep"),
    "libby": ("a car", "a person on a bicycle", "a cow", "a piano"),
}
"""30 expressions about what no frame of the clip shows; all of their nouns are known."""


class WithoutRules(Grounded):
    """Ignores places and relations."""

    def understanding(self, expression: str) -> Understanding:
        understanding = super().understanding(expression)
        return replace(
            understanding, referent=Referent(understanding.thing.noun, understanding.thing.key), is_strict=False
        )


class WithoutColours(Grounded):
    """Ignores colours."""

    def understanding(self, expression: str) -> Understanding:
        kept = [word for word in expression.split() if word.lower() not in COLOURS.keys() | TONES.keys()]
        return super().understanding(" ".join(kept))


def without_squares(model: Grounded) -> Grounded:
    """The detector runs on the whole image only, not on squares of it."""
    assert isinstance(model.detector, SSDLiteDetector)
    detector = model.detector
    changed = object.__new__(SSDLiteDetector)
    changed.__dict__ |= vars(detector) | {"max_squares": 0}
    return Grounded(changed, model.masker, model.classifier)


def with_deeplab(model: Grounded) -> Grounded:
    """With DeepLab as the detector. Raises `CheckpointError` if it was not downloaded."""
    return Grounded(deeplab.DeepLabDetector(deeplab.local_copy()), model.masker, model.classifier)


ABLATIONS: Mapping[str, Callable[[Grounded], Grounded]] = {
    "without classifier": lambda model: Grounded(model.detector, model.masker),
    "without colours": lambda model: WithoutColours(model.detector, model.masker, model.classifier),
    "without rules": lambda model: WithoutRules(model.detector, model.masker, model.classifier),
    "without squares": without_squares,
    "DeepLab instead of SSDLite": with_deeplab,
}


def scores(masks: Sequence[np.ndarray], truth: np.ndarray) -> dict[str, float]:
    """J, F and J&F, means over the frames."""
    j, f = (float(values.mean()) for values in region_and_boundary(np.stack(masks), truth))
    return {"J": round(j, 4), "F": round(f, 4), "J&F": round((j + f) / 2, 4)}


def best_candidates(answers: Sequence[MaskAnswer], truth: np.ndarray) -> list[np.ndarray]:
    """The candidate of each answer with the highest J; an empty mask if there is none."""
    chosen = []
    for answer, true in zip(answers, truth, strict=True):
        masks = [np.zeros_like(true), *(candidate.mask for candidate in answer.candidates)]
        overlaps = [(mask & true).sum() / max((mask | true).sum(), 1) for mask in masks]
        chosen.append(masks[int(np.argmax(overlaps))])
    return chosen


def answers_of(model: MaskModel, clip: RealClip, expressions: Sequence[str], every: int) -> list[list[MaskAnswer]]:
    """E lists of answers, one answer per measured frame."""
    rows = [ask(model, image, expressions) for image in clip.images[::every]]
    return [list(column) for column in zip(*rows, strict=True)]


def contact_sheet(clip: RealClip, masks: Sequence[np.ndarray]) -> np.ndarray:
    """A contact sheet of frames with the truth in green and the answers in red."""
    every = np.linspace(0, len(masks) - 1, min(SHOWN, len(masks))).round().astype(int)
    tiles = []
    for at in every:
        image = clip.images[at * EVERY].copy()
        image[masks[at]] = image[masks[at]] // 2 + np.array([127, 0, 0], np.uint8)
        lines, _ = cv2.findContours(clip.masks[at * EVERY].astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, lines, -1, (0, 220, 0), 2)
        tiles.append(cv2.resize(image, (427, 240), interpolation=cv2.INTER_AREA))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
    return np.concatenate([np.concatenate(tiles[i : i + 4], axis=1) for i in range(0, len(tiles), 4)])


def measured(model: MaskModel, clip: RealClip) -> dict[str, Any]:
    """The figures of one clip, and its sheet."""
    truth = clip.masks[::EVERY]
    own, other = answers_of(model, clip, [clip.expression, CONTROL.get(clip.name, "a bicycle")], EVERY)
    masks = [answer.mask(true.shape) for answer, true in zip(own, truth, strict=True)]
    control = [answer.mask(true.shape) for answer, true in zip(other, truth, strict=True)]
    RUNS.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(RUNS / f"{clip.name}.jpg"), contact_sheet(clip, masks)[..., ::-1])
    absent = answers_of(model, clip, ABSENT.get(clip.name, ()), ABSENT_EVERY)
    return {
        "expression": clip.expression,
        "frame by frame": scores(masks, truth),
        "best candidate": scores(best_candidates(own, truth), truth),
        "control": scores(control, truth),
        "shown, of frames": round(float(np.mean([answer.presence >= 0.5 for answer in own])), 4),
        "shown though absent, of frames": {
            expression: round(float(np.mean([answer.presence >= 0.5 for answer in answers])), 4)
            for expression, answers in zip(ABSENT.get(clip.name, ()), absent, strict=True)
        },
    }


def ablated(model: Grounded, clips: Sequence[RealClip]) -> dict[str, Any]:
    """J&F of the clips without a part of the model."""
    figures: dict[str, Any] = {}
    for name, change in ABLATIONS.items():
        try:
            changed, own = change(model), {}
        except CheckpointError as error:
            print(f"{name}: left out: {error}", flush=True)
            continue
        for clip in clips:
            (answers,) = answers_of(changed, clip, [clip.expression], EVERY)
            truth = clip.masks[::EVERY]
            own[clip.name] = scores([a.mask(t.shape) for a, t in zip(answers, truth, strict=True)], truth)["J&F"]
        figures[name] = {"mean": round(float(np.mean(list(own.values()))), 4), **own}
        print(name, figures[name], flush=True)
    return figures


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--model", default="photo", help="as `rvos segment` takes it")
    parser.add_argument("--clips", type=Path, default=SHARED / "clips" / "masked")
    parser.add_argument("--no-ablations", action="store_true", help="leave out what is measured without parts")
    arguments = parser.parse_args()
    one_thread()
    model = resolve_model(arguments.model)
    if not arguments.no_ablations and not isinstance(model, Grounded):
        raise ConfigError(f"--model {arguments.model}: expected a model of parts, got another one: add --no-ablations")
    clips = read_clips(arguments.clips, clips_in(arguments.clips))
    figures = {}
    for clip in clips:
        figures[clip.name] = measured(model, clip)
        print(clip.name, json.dumps(figures[clip.name]), flush=True)
    kinds = "frame by frame", "best candidate", "control"
    means = {kind: round(float(np.mean([clip[kind]["J&F"] for clip in figures.values()])), 4) for kind in kinds}
    absent = [share for clip in figures.values() for share in clip["shown though absent, of frames"].values()]
    result = {
        "model": describe(model).document(),
        "J&F": means,
        "absent": {
            "expressions": len(absent),
            "shown, of frames": round(float(np.mean(absent)), 4) if absent else None,
        },
        "clips": figures,
    }
    if not arguments.no_ablations and isinstance(model, Grounded):
        result["J&F without parts"] = ablated(model, clips)
    BENCHMARK.write(arguments.out, result)
    print(json.dumps(means))


if __name__ == "__main__":
    BENCHMARK.start(main)
