"""Converts an S2RM with a lattice of shifts to one that attends to every row at strides 16 and 32, to train it further.

python tools/full_coverage.py MODEL OUT --axes 10 5

All weights but the codes of the shifts are kept. The codes by distance are fitted by least squares to the numbered
codes, at the lengths of the axes (in cells, at strides 16 and 32) of the model's training. At stride 8 a cell then
attends to its own row and column: `max_steps` is (1, 0, 0). Train the model further before use.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from image_core.checkpoint import load_model, save_model
from image_core.errors import RvosError
from image_core.models.recurrent_mining import Coparsing, OffsetCode
from image_core.models.s2rm import S2RM
from image_core.models.table import build_model
from image_core.weights import find_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--axes", type=int, nargs=2, required=True, help="cells of an axis at strides 16 and 32")
    arguments = parser.parse_args()
    loaded = load_model(find_model(arguments.model))
    old = loaded.model
    if not isinstance(old, S2RM) or old.config.update != "side_by_side" or len(old.config.max_steps) != 3:
        parser.error(f"{arguments.model}: expected an S2RM of three levels that updates side_by_side")
    spec = replace(loaded.spec, config={**loaded.spec.config, "max_steps": [1, 0, 0]})
    new = build_model(spec, tokenizer_json=old.tokenizer_json())
    state = {name: value for name, value in old.state_dict().items() if not name.endswith("shift_code")}
    for name, coparse in groups(old):
        level = int(name.split(".")[1])
        if level:
            weight, error = fitted(coparse, arguments.axes[level - 1])
            state[f"{name}.offset_code.linear.weight"] = weight
            print(f"{name}: {error:.1%} of the codes is lost")
    new.load_state_dict(state)
    save_model(arguments.out, new, spec, loaded.preprocessing, loaded.provenance)


def groups(model: nn.Module) -> list[tuple[str, Coparsing]]:
    """The groups of every level, by name."""
    return [(name, part) for name, part in model.named_modules() if isinstance(part, Coparsing)]


def fitted(coparse: Coparsing, axis: int) -> tuple[Tensor, float]:
    """The (C, 16) weight of an `OffsetCode` that is nearest to the numbered codes, and the share that it misses."""
    steps, shift = coparse._steps(axis)
    numbered = coparse.shift_code[:steps].detach()
    probe = OffsetCode(16, bias=False)
    with torch.no_grad():
        probe.linear.weight.copy_(torch.eye(16))
        waves = probe(axis)[::shift][:steps]
    centred = numbered - numbered.mean(0)  # a softmax is invariant to what all keys share
    weight = torch.linalg.pinv(waves - waves.mean(0)) @ centred
    missed = centred - (waves - waves.mean(0)) @ weight
    return weight.T.contiguous(), float(missed.norm() / centred.norm())


if __name__ == "__main__":
    try:
        main()
    except RvosError as error:
        print(f"full_coverage: {error}", file=sys.stderr)
        raise SystemExit(2) from error
