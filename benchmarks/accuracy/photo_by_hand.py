"""How many expressions about single frames a model answers as a person does: relations, superlatives, ordinals,
colours, plurals.

python -m benchmarks.accuracy.photo_by_hand [--model NAME]

The frames are of the clips of RVOS_SHARED; photo_expressions.py has the expressions and the boxes of their targets. An
answer is right if the boxes of the candidates that it means match those of the targets one to one (IoU of 0.5 or more);
for an absent target, if nothing is shown. One thread, two minutes.

The result is photo_by_hand.json with every failure; runs/photo/by_hand.jpg is not for shipping.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy.photo_expressions import FRAMES, Answers, Box
from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from image_core.answer import MaskAnswer
from image_core.geometry.boxes import box_iou_matrix
from image_core.geometry.masks import bounding_box
from image_core.mask_model import MaskModel, ask, describe, resolve_model
from rvos.video.reader import open_video

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/photo")
TILE = (400, 225)


def frame_of(path: Path, index: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a frame, in displayed orientation."""
    with open_video(str(path)) as video:
        return next(islice(video, index, None)).image


def shown_boxes(answer: MaskAnswer, size: tuple[int, int]) -> np.ndarray:
    """(N, 4) shares of width and height: the boxes of the candidates that are likely meant, or of the mask without
    any; none if the target is judged absent."""
    if answer.presence < 0.5:
        return np.zeros((0, 4))
    masks = [c.mask for c in answer.candidates if c.likelihood >= 0.5] or [answer.mask(size)]
    boxes = [box for mask in masks if (box := bounding_box(mask)) is not None]
    return np.array(boxes, np.float64).reshape(-1, 4) / np.array([size[1], size[0]] * 2)


def is_right(boxes: np.ndarray, answers: Answers) -> bool:
    """Whether the boxes match those of one of the answers one to one."""
    return not len(boxes) if not answers else any(_same(boxes, answer) for answer in answers)


def _same(boxes: np.ndarray, answer: tuple[Box, ...]) -> bool:
    overlaps = box_iou_matrix(boxes, np.array(answer, np.float64)) >= 0.5
    return len(boxes) == len(answer) and bool(overlaps.any(0).all())


def rows_of(model: MaskModel) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """A row for each expression, with an image of the answer."""
    for (name, index), answers_of in FRAMES.items():
        image = frame_of(SHARED / "clips" / name, index)
        size = image.shape[0], image.shape[1]
        for answer, (expression, answers) in zip(ask(model, image, list(answers_of)), answers_of.items(), strict=True):
            boxes = shown_boxes(answer, size)
            row = {
                "frame": f"{name} {index}",
                "expression": expression,
                "absent": not answers,
                "right": is_right(boxes, answers),
                "presence": round(answer.presence, 3),
                "boxes": np.round(boxes, 3).tolist(),
            }
            yield row, tile(image, answer, row)


def tile(image: np.ndarray, answer: MaskAnswer, row: dict[str, Any]) -> np.ndarray:
    """A small image with the mask in red and the expression below, white where it is right."""
    shown = image.copy()
    mask = answer.mask((image.shape[0], image.shape[1]))
    shown[mask] = shown[mask] // 2 + np.array([127, 0, 0], np.uint8)
    scale = min(TILE[0] / image.shape[1], TILE[1] / image.shape[0])
    small = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE[1] + 20, TILE[0], 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    colour = (255, 255, 255) if row["right"] else (255, 90, 90)
    cv2.putText(tile, row["expression"], (4, TILE[1] + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return tile


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--model", default="photo", help="as `rvos segment` takes it")
    arguments = parser.parse_args()
    one_thread()
    model = resolve_model(arguments.model)
    rows, tiles = [], []
    for row, tile in rows_of(model):
        rows.append(row)
        tiles.append(tile)
        print("right" if row["right"] else "WRONG", row["frame"], "|", row["expression"], row["presence"], flush=True)
    RUNS.mkdir(parents=True, exist_ok=True)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 5)
    sheet = np.concatenate([np.concatenate(tiles[i : i + 5], axis=1) for i in range(0, len(tiles), 5)])
    cv2.imwrite(str(RUNS / "by_hand.jpg"), sheet[..., ::-1])
    shares = {
        name: {"expressions": len(own), "right": sum(row["right"] for row in own)}
        for name, own in (
            ("all", rows),
            ("present", [row for row in rows if not row["absent"]]),
            ("absent", [row for row in rows if row["absent"]]),
        )
    }
    failures = [row for row in rows if not row["right"]]
    BENCHMARK.write(arguments.out, {"model": describe(model).document(), "right": shares, "failures": failures})
    print(shares)


if __name__ == "__main__":
    BENCHMARK.start(main)
