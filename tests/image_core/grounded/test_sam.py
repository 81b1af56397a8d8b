"""MobileSAM's part with two tiny ONNX files of its signature: prompts, sizes, normalisation, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from image_core.errors import CheckpointError
from image_core.grounded.sam import DEVIATION, MEAN, MobileSam

SIDE = 64

# The mean of each 16 x 16 cell and channel.
ENCODER = """
<ir_version: 8, opset_import: ["": 17]>
encoder (float[batch, 3, 64, 64] input) => (float[1, 3, 4, 4] output) {
    output = AveragePool<kernel_shape = [16, 16], strides = [16, 16]>(input)
}
"""

# A mask is what lies inside the box, drawn on the picture's own grid; the quality is the encoded picture's first value.
DECODER = """
<ir_version: 8, opset_import: ["": 17]>
decoder (
    float[1, 3, 4, 4] image_embeddings, float[1, points, 2] point_coords, float[1, points] point_labels,
    float[1, 1, 16, 16] mask_input, float[1] has_mask_input, float[2] orig_im_size
) => (float[n, one, h, w] masks, float[n, 1] iou_predictions)
<
    float zero = {0}, float one_step = {1}, float half = {0.5}, float[1] side = {64},
    int64[1] first = {0}, int64[1] second = {1}, int64[1] third = {2}, int64[1] axis_one = {1}, int64[1] axis_two = {2},
    int64[2] column = {-1, 1}, int64[4] plane = {1, 1, 0, 0}, int64[4] origin = {0, 0, 0, 0},
    int64[4] corner = {1, 1, 1, 1}, int64[2] flat = {1, 1}, int64[0] scalar = {}
>
{
    longest = ReduceMax<keepdims = 1>(orig_im_size)
    scale = Div(side, longest)
    height_1 = Slice(orig_im_size, first, second)
    width_1 = Slice(orig_im_size, second, third)
    height = Reshape(height_1, scalar)
    width = Reshape(width_1, scalar)
    row_index = Range(zero, height, one_step)
    column_index = Range(zero, width, one_step)
    row_centre = Add(row_index, half)
    column_centre = Add(column_index, half)
    rows_1d = Mul(row_centre, scale)
    columns = Mul(column_centre, scale)
    rows = Reshape(rows_1d, column)
    low = Slice(point_coords, first, second, axis_one)
    high = Slice(point_coords, second, third, axis_one)
    x0 = Slice(low, first, second, axis_two)
    y0 = Slice(low, second, third, axis_two)
    x1 = Slice(high, first, second, axis_two)
    y1 = Slice(high, second, third, axis_two)
    right_of = Greater(columns, x0)
    left_of = Less(columns, x1)
    below = Greater(rows, y0)
    above = Less(rows, y1)
    across = And(right_of, left_of)
    down = And(below, above)
    inside = And(across, down)
    filled = Cast<to = 1>(inside)
    logits = Sub(filled, half)
    masks = Unsqueeze(logits, first)
    cell = Slice(image_embeddings, origin, corner)
    iou_predictions = Reshape(cell, flat)
}
"""


def written(path: Path, text: str) -> Path:
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return written(tmp_path / "encoder.onnx", ENCODER), written(tmp_path / "decoder.onnx", DECODER)


@pytest.mark.parametrize("size", [(64, 64), (32, 128), (300, 41), (1, 1), (2, 900)])
def test_masks_are_those_of_the_boxes_at_the_pictures_size(files: tuple[Path, Path], size: tuple[int, int]) -> None:
    height, width = size
    boxes = [(0.0, 0.0, float(width), float(height)), (width / 4, 0.0, width / 2, height / 2)]
    answers = MobileSam(*files).masks(np.zeros((*size, 3), np.uint8), boxes)
    assert len(answers) == 2
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    for (x0, y0, x1, y1), (mask, _) in zip(boxes, answers, strict=True):
        expected = (columns > x0) & (columns < x1) & (rows > y0) & (rows < y1)
        assert mask.dtype == np.bool_ and mask.shape == size and (mask == expected).all()


def test_pictures_are_normalised_and_the_quality_stays_in_its_range(files: tuple[Path, Path]) -> None:
    sam = MobileSam(*files)
    box = [(0.0, 0.0, 8.0, 8.0)]
    for red, expected in ((255, 1.0), (0, 0.0), (140, (140 - MEAN[0]) / DEVIATION[0])):
        image = np.full((80, 80, 3), (red, 0, 0), np.uint8)
        assert sam.masks(image, box)[0][1] == pytest.approx(expected, abs=1e-5)
    assert sam.masks(np.zeros((80, 80, 3), np.uint8), []) == []


def test_other_files_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    encoder, decoder = files
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(decoder.read_bytes()[:100])
    oblong = written(tmp_path / "oblong.onnx", ENCODER.replace("64, 64] input", "64, 32] input"))
    for wrong, message in (
        ((encoder, encoder), "encoder.onnx: expected a part of MobileSAM"),
        ((decoder, decoder), "decoder.onnx: expected a part of MobileSAM"),
        ((encoder, broken), "broken.onnx: expected an ONNX model"),
        ((encoder, tmp_path / "none.onnx"), "none.onnx: cannot be read"),
        ((oblong, decoder), "expected an encoder of pictures"),
    ):
        with pytest.raises(CheckpointError, match=message):
            MobileSam(*wrong)
