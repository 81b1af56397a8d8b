"""The accuracy of SpARC's boxes by family of expression, with and without its parts.

python -m benchmarks.few_masks.sparc_boxes --scorer runs/image_text_pair/pair.safetensors [--seed S] [--pictures N]

Synthetic validation images of 128 px with one expression of each family that means one object. Proposals are colour
regions; a box is right if its IoU with that of the object's visible pixels is 0.5 or more. "best proposal" is the upper
bound. Takes minutes; the scorer is trained by `python tools/train_image_text_pair.py --out runs/image_text_pair`.

The result is sparc_boxes.json, beside this file.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.geometry.boxes import box_area, box_iou_matrix
from image_core.synthetic.dataset import DrawnScene, SyntheticImages
from image_core.synthetic.recipes import SINGLE_FAMILIES
from image_core.weak.proposals.proposer import build_proposer
from image_core.weak.scorers.pair import load_pair
from image_core.weak.scorers.scorer import build_scorer
from image_core.weak.sparc import Sparc, SparcConfig

BENCHMARK = Benchmark(__file__, __doc__)
RIGHT_IOU = 0.5
ARMS = {
    "sparc": SparcConfig(),
    "without prompting": SparcConfig(prompt="crop"),
    "without rules": SparcConfig(rules=False),
    "neither": SparcConfig(prompt="crop", rules=False),
}


def box_of(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool, not empty -> (4,) xyxy."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def answers(drawn: DrawnScene, proposals: np.ndarray, systems: dict[str, Sparc]) -> dict[str, np.ndarray]:
    """Arm -> (E,) IoU of its box with the true one; zeros without proposals."""
    truth = np.stack([box_of(drawn.mask(expression)) for expression in drawn.expressions])
    texts = [expression.text for expression in drawn.expressions]
    if not len(proposals):
        return {name: np.zeros(len(texts)) for name in (*systems, "largest proposal", "best proposal")}
    overlap = box_iou_matrix(proposals, truth)
    each = np.arange(len(texts))
    by_arm = {
        name: overlap[[located.index for located in sparc.locate(drawn.image, proposals, texts)], each]
        for name, sparc in systems.items()
    }
    return by_arm | {"largest proposal": overlap[box_area(proposals).argmax()], "best proposal": overlap.max(0)}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--scorer", required=True)
    parser.add_argument("--pictures", type=int, default=100)
    arguments = parser.parse_args()
    one_thread()
    scorer, proposer = build_scorer(arguments.scorer, device="cpu"), build_proposer("colour_regions")
    made = load_pair(Path(arguments.scorer))[1] if arguments.scorer.endswith(".safetensors") else {}
    systems = {name: Sparc(scorer, config) for name, config in ARMS.items()}
    # With as many expressions as families, each family that applies to the scene gets one.
    data = SyntheticImages("val", arguments.seed, (128, 128), len(SINGLE_FAMILIES), families=SINGLE_FAMILIES)
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    counts = []
    started = time.process_time()
    for index in range(arguments.pictures):
        drawn = data.draw(index)
        proposals = proposer.propose(drawn.image, str(index))
        counts.append(len(proposals))
        for name, overlap in answers(drawn, proposals, systems).items():
            for expression, iou in zip(drawn.expressions, overlap, strict=True):
                for family in (expression.family, "all"):
                    right[name][family].append(bool(iou >= RIGHT_IOU))
    sizes = {family: len(listed) for family, listed in right["sparc"].items()}
    measured = {
        "seed": arguments.seed,
        "scorer": made,
        "pictures": arguments.pictures,
        "expressions": sizes,
        "proposals_per_picture": round(float(np.mean(counts)), 2),
        "cpu_seconds_per_picture": round((time.process_time() - started) / arguments.pictures, 2),
        "share_of_right_boxes": {
            name: {family: round(float(np.mean(by_family[family])), 3) for family in sizes}
            for name, by_family in right.items()
        },
    }
    BENCHMARK.write(arguments.out, measured)
    for name, shares in measured["share_of_right_boxes"].items():
        print(f"{name:20s}", "  ".join(f"{family} {share:.3f}" for family, share in shares.items()))


if __name__ == "__main__":
    BENCHMARK.start(main)
