"""Where boxes come from: true masks, or SpARC over proposals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from image_core.synthetic.dataset import SyntheticImages
from image_core.weak.box_source import SparcBoxes, TrueBoxes
from image_core.weak.sparc import Sparc
from image_core.weak.unlabelled import Unlabelled, UnlabelledImage


def test_true_boxes_are_those_of_the_masks() -> None:
    pictures = SyntheticImages("train", 0, (32, 32), 3, length=5)
    found = TrueBoxes(pictures).boxes(Unlabelled(pictures, [4]).image(4))
    for mask, box in zip(pictures[4].masks, found, strict=True):
        if box is None:
            assert not mask.any()
            continue
        x0, y0, x1, y1 = box.astype(int)
        assert mask[y0:y1, x0:x1].sum() == mask.sum() and mask[y0].any() and mask[:, x1 - 1].any()


def test_sparc_boxes_are_proposals() -> None:
    class Proposals:
        def __init__(self, boxes: list[list[float]]) -> None:
            self.found = np.array(boxes, float).reshape(-1, 4)

        def propose(self, image: np.ndarray, sample_id: str = "", expressions: Sequence[str] = ()) -> np.ndarray:
            assert (sample_id, expressions) == ("s", ("a dog", "a cat"))
            return self.found

    class LikesTheFirst:
        def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
            return np.repeat(-np.arange(len(images), dtype=float)[:, None], len(texts), axis=1)

    picture = UnlabelledImage(0, "s", np.zeros((32, 32, 3), np.uint8), ("a dog", "a cat"), ("s_0", "s_1"))
    boxes = [[1.0, 2.0, 9.0, 8.0], [10.0, 2.0, 19.0, 8.0]]
    found = SparcBoxes(Sparc(LikesTheFirst()), Proposals(boxes)).boxes(picture)
    assert [box.tolist() for box in found if box is not None] == [boxes[0]] * 2
    assert SparcBoxes(Sparc(LikesTheFirst()), Proposals([])).boxes(picture) == [None, None]
