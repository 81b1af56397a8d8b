"""MobileSAM's masks when less is encoded: without the padding of the release, and from smaller images.

python -m benchmarks.accuracy.masker_inputs [--clips FOLDER] [--every 16]

FOLDER holds a folder a clip with `frames/*.jpg` and `masks/*.png` (0 / 255); by default clips/masked of RVOS_SHARED.
The prompt is the box of the true mask, and the same box enlarged and shifted by a few hundredths of its sides, as a
detector's box might be. J is the mean of both; the difference to the release is paired by frame, with its 95 % interval
over frames. "same" is the mean IoU with the masks of the release. Processor seconds are those of the encoder for an
image of 854x480. One thread, ten minutes; the fetched weights (RVOS_HOME) are used.

The result is masker_inputs.json, beside this file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.real_clips import clips_in, read_clips
from image_core.geometry.masks import overlap
from image_core.grounded.parts import Box
from image_core.grounded.sam import MobileSam
from image_core.grounded.sam_decoder import PADDING_STRIDE
from image_core.grounded.tiny_vit import STRIDE
from image_core.weights.cache import weights_of

BENCHMARK = Benchmark(__file__, __doc__)
GROWN = np.array([-0.03, -0.04, 0.05, 0.02])
"""Change of the box's corners (x0, y0, x1, y1), in sides of the box."""
RELEASED = "padded, as released"


class SmallerSam(MobileSam):
    """Scales images, and the coordinates of boxes, to `side_px`."""

    def __init__(self, encoder: Path, decoder: Path, side_px: int) -> None:
        super().__init__(encoder, decoder, device="cpu")
        self.side_px = side_px
        self._decoder.side = side_px // STRIDE
        with torch.inference_mode():
            self._padding = self._encoder(torch.zeros(1, 3, side_px // PADDING_STRIDE, side_px // PADDING_STRIDE))


class UnpaddedSam(MobileSam):
    """Leaves out the padding."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        super().__init__(encoder, decoder, device="cpu")
        coarse = (self._decoder.side // PADDING_STRIDE) ** 2
        vars(self._decoder)["_padding_counts"] = lambda height, width: torch.zeros(coarse)


ARMS: Mapping[str, Callable[[Path, Path], MobileSam]] = {
    RELEASED: lambda encoder, decoder: MobileSam(encoder, decoder, pads=True, device="cpu"),
    "**padding of an empty picture**": lambda encoder, decoder: MobileSam(encoder, decoder, device="cpu"),
    "no padding": UnpaddedSam,
    "768 px": lambda encoder, decoder: SmallerSam(encoder, decoder, 768),
    "640 px": lambda encoder, decoder: SmallerSam(encoder, decoder, 640),
    "512 px": lambda encoder, decoder: SmallerSam(encoder, decoder, 512),
}


def boxes_of(truth: np.ndarray) -> list[Box]:
    """The box of a mask, and one that is slightly wrong."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
    height, width = truth.shape
    sides = np.tile(box[2:] - box[:2], 2)
    x0, y0, x1, y1 = np.clip(box + GROWN * sides, 0, [width, height, width, height]).tolist()
    return [(box[0], box[1], box[2], box[3]), (x0, y0, x1, y1)]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """IoU of two masks, at least one of which is not empty."""
    intersection, union = overlap(a, b)
    return intersection / union


def measured(arm: MobileSam, image: np.ndarray, truth: np.ndarray) -> tuple[list[np.ndarray], float, float]:
    """Masks, their mean J, and the encoder's seconds."""
    boxes = boxes_of(truth)
    start = time.process_time()
    embedding = arm.encode_image(image)
    seconds = time.process_time() - start
    masks = [max(found, key=lambda one: one.quality).mask for found in arm.predict_masks(embedding, boxes)]
    return masks, float(np.mean([iou(mask, truth) for mask in masks])), seconds


def row(own: Sequence[tuple], released: Sequence[tuple]) -> dict[str, Any]:
    """The figures of an arm beside those of the release, frame by frame."""
    j, reference = (np.array([one[1] for one in frames]) for frames in (own, released))
    gain = j - reference
    wide = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
    same = [iou(*pair) for a, b in zip(own, released, strict=True) for pair in zip(a[0], b[0], strict=True)]
    return {
        "J": round(float(j.mean()), 4),
        "difference": {"mean": round(gain.mean(), 4), "interval": [round(gain.mean() + s * wide, 4) for s in (-1, 1)]},
        "same": round(float(np.mean(same)), 4),
        "encoder_s": round(float(np.mean([one[2] for one in own])), 3),
    }


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--clips", type=Path, default=SHARED / "clips/masked")
    parser.add_argument("--every", type=int, default=16, help="frames between two that are measured")
    options = parser.parse_args()
    one_thread()
    weights = weights_of("photo")
    encoder, decoder = weights["mobile_sam/encoder.onnx"], weights["mobile_sam/decoder.onnx"]
    arms = {name: make(encoder, decoder) for name, make in ARMS.items()}
    rows: dict[str, list[tuple]] = {name: [] for name in arms}
    for clip in read_clips(options.clips, clips_in(options.clips)):
        for image, truth in zip(clip.images[:: options.every], clip.masks[:: options.every], strict=True):
            if truth.any():
                for name, arm in arms.items():
                    rows[name].append(measured(arm, image, truth))
        print(clip.name, len(rows[RELEASED]), flush=True)
    figures = {name: row(own, rows[RELEASED]) for name, own in rows.items()}
    BENCHMARK.write(options.out, {"frames": len(rows[RELEASED]), "arms": figures})
    for name, own in figures.items():
        print(name, own)


if __name__ == "__main__":
    BENCHMARK.start(main)
