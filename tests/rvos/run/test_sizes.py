"""Videos of any size, from one pixel to long strips: by words and by masks, with every output."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from image_core.segmenter import ImageSegmenter
from rvos.export.outputs import OUTPUTS
from rvos.run.job import Job, run
from rvos.segmenter import VideoSegmenter
from rvos.watch.prompts import prompts_of

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (3, 7), (1, 300), (300, 1), (20, 1500), (1500, 20), (17, 16)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("words", [True, False])
def test_every_size_is_followed(
    size: tuple[int, int], words: bool, tmp_path: Path, colour_segmenter: ImageSegmenter
) -> None:
    height, width = size
    image = np.full((*size, 3), 90, np.uint8)
    there = np.s_[height // 3 : max(height // 3 + 1, 2 * height // 3), width // 3 : max(width // 3 + 1, 2 * width // 3)]
    image[there] = (230, 20, 20)
    mask = np.zeros(size, bool)
    mask[there] = True
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])
    expressions, prompts = (("the red thing",), None) if words else ((), prompts_of({0: mask}))
    job = Job(str(folder), expressions, tmp_path / "out", tuple(OUTPUTS), prompts=prompts)
    report = run(job, VideoSegmenter(colour_segmenter))
    assert report.result["summary"]["frames"] == 3 and report.result["video"]["size"] == list(size)
    assert all(path.exists() for path in report.outputs.values())
    if not words:
        first = cv2.imread(str(tmp_path / "out/masks/object_1/00000.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(np.asarray(first) > 0, mask)
