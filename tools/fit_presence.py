"""Fits the presence of a model file again, on the whole synthetic validation split, and writes another file.

python tools/fit_presence.py MODEL OUT [--pictures N] [--keep 0.96] [--steps N] [--command TEXT]

A training fits presence on the few hundred images of its validation. Before a model is embedded, this script fits it on
all of them. The weights stay as they are. The provenance gets `presence_odds`; with --steps its count of steps, for a
chain of runs that did not add up its own; with --command its command, where that names places of one machine.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from image_core.checkpoint import load_model, save_model
from image_core.errors import RvosError
from image_core.evaluation.presence import collect_presence
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.calibration import fit_presence
from image_core.weights import find_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size-px", type=int, default=192, help="side of the images, as they are evaluated")
    parser.add_argument("--keep", type=float, default=0.96, help="share of the expressions with a target to keep")
    parser.add_argument("--steps", type=int, help="of the whole training, where the file counts them wrongly")
    parser.add_argument("--command", help="of the whole training, as it can be given anywhere")
    arguments = parser.parse_args()
    loaded = load_model(find_model(arguments.model))
    segmenter = ImageSegmenter(loaded.model, loaded.preprocessing)
    images = SyntheticImages("val", 0, (arguments.size_px, arguments.size_px))
    fit = fit_presence(*collect_presence(segmenter, images, arguments.pictures), keep=arguments.keep)
    loaded.model.presence_scale.fill_(fit.scale)
    loaded.model.presence_offset.fill_(fit.offset)
    origin = loaded.provenance
    provenance = replace(
        origin,
        scores={**origin.scores, "presence_odds": fit.odds},
        steps=origin.steps if arguments.steps is None else arguments.steps,
        command=arguments.command or origin.command,
    )
    save_model(arguments.out, loaded.model, loaded.spec, loaded.preprocessing, provenance)
    print(f"{arguments.out}: scale {fit.scale:.3f}, offset {fit.offset:.3f}, odds {fit.odds}")


if __name__ == "__main__":
    try:
        main()
    except RvosError as error:
        print(f"fit_presence: {error}", file=sys.stderr)
        raise SystemExit(2) from error
