"""MobileSAM's parts with small random stand-ins of its files: what is read, drawn and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from image_core.errors import CheckpointError
from image_core.grounded.sam import DEVIATION, MEAN, MobileSam
from image_core.grounded.sam_decoder import Attention, read_decoder
from image_core.grounded.tiny_vit import read_encoder
from tests.image_core.grounded.sam_files import SIDE, SIZES, OnnxFile, write_decoder, write_encoder

SIDE_PX = SIDE * 16


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    write_encoder(tmp_path / "encoder.onnx")
    write_decoder(tmp_path / "decoder.onnx")
    return tmp_path / "encoder.onnx", tmp_path / "decoder.onnx"


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@torch.inference_mode()
def test_networks_are_read_whole(tmp_path: Path) -> None:
    pixels, boxes = torch.randn(1, 3, 64, 96), torch.tensor([[0.0, 1.0, 3.0, 4.0], [2.0, 0.0, 6.0, 3.5]])
    padding = torch.randn(1, SIZES.embedding, SIDE // 2, SIDE // 2)
    written = write_encoder(tmp_path / "encoder.onnx")
    seen = read_encoder(tmp_path / "encoder.onnx").eval()(pixels)
    assert seen.shape == (1, SIZES.embedding, 4, 6) and torch.equal(seen, written(pixels))
    written = write_decoder(tmp_path / "decoder.onnx")
    decoder = read_decoder(tmp_path / "decoder.onnx").eval()
    masks, overlaps = decoder(decoder.cells_of(seen, padding), boxes)
    expected = written(written.cells_of(seen, padding), boxes)
    assert masks.shape == (2, 1, 16, 24) and torch.equal(masks, expected[0]) and torch.equal(overlaps, expected[1])


@torch.inference_mode()
def test_attention_to_cells_is_plain_attention() -> None:
    torch.manual_seed(0)
    attention = Attention(32, 16)
    tokens, cells, placed = torch.randn(3, 7, 32), torch.randn(1, 50, 32), torch.randn(1, 50, 32)

    def plain(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            project(x).unflatten(-1, (8, 2)).transpose(1, 2)
            for project, x in ((attention.q_proj, queries), (attention.k_proj, keys), (attention.v_proj, values))
        )
        return attention.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    for cells_of in (lambda x: x, lambda x: x.repeat(3, 1, 1)):
        keys, values = cells_of(placed), cells_of(cells)
        assert torch.allclose(
            attention.attend_to_cells(tokens, keys, values, torch.ones(50)), plain(tokens, keys, values), atol=1e-5
        )
        told = attention.attend_from_cells(keys, tokens, tokens.flip(1))
        assert torch.allclose(told, plain(keys, tokens, tokens.flip(1)), atol=1e-5)
    assert torch.allclose(attention(tokens, tokens, tokens.flip(1)), plain(tokens, tokens, tokens.flip(1)), atol=1e-5)


@pytest.mark.parametrize("size", [(128, 128), (64, 256), (300, 41), (1, 1), (2, 900)])
def test_masks_have_the_size_of_the_image_and_depend_on_their_boxes_alone(
    files: tuple[Path, Path], size: tuple[int, int]
) -> None:
    height, width = size
    sam, image = MobileSam(*files, device="cpu"), picture(*size)
    boxes = [(0.0, 0.0, width * share, height * share) for share in (1.0, 0.3, 0.5, 0.7, 0.9, 0.2)]
    together = sam.masks(image, boxes)
    assert len(together) == len(boxes)
    for box, (mask, quality) in zip(boxes, together, strict=True):
        (alone, expected), *_ = sam.masks(image, [box])
        assert mask.shape == size and mask.dtype == np.bool_ and 0 <= quality <= 1
        assert (mask == alone).all() and quality == expected
    assert sam.masks(image, []) == []


@torch.inference_mode()
def test_a_coarse_cell_has_the_weight_of_all_cells_it_replaces() -> None:
    torch.manual_seed(0)
    attention = Attention(32, 16)
    tokens, cells = torch.randn(3, 7, 32), torch.randn(1, 50, 32)
    counts = torch.randint(1, 5, (50,))
    each = cells.repeat_interleave(counts, 1)
    expected = attention.attend_to_cells(tokens, each, each, torch.ones(each.shape[1]))
    assert torch.allclose(attention.attend_to_cells(tokens, cells, cells, counts), expected, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("rows", [4, 3])
def test_coarse_padding_has_the_weight_of_the_square_it_fills(files: tuple[Path, Path], rows: int) -> None:
    """Below a wide picture, cells of which four are one and the same, at one place."""
    decoder = read_decoder(files[1]).eval()
    decoder.frequencies.zero_()
    embedding = torch.randn(1, SIZES.embedding, rows, SIDE)
    padding = torch.randn(1, SIZES.embedding, SIDE // 2, SIDE // 2)
    square = padding.repeat_interleave(2, 2).repeat_interleave(2, 3)
    square[:, :, :rows] = embedding
    boxes = torch.tensor([[1.0, 0.5, 6.0, 3.0]])
    logits, overlaps = decoder(decoder.cells_of(embedding, padding), boxes)
    expected = decoder(decoder.cells_of(square, torch.zeros_like(padding)), boxes)
    assert logits.shape == (1, 1, 4 * rows, 4 * SIDE)
    assert torch.allclose(logits, expected[0][..., : 4 * rows, :], atol=1e-4) and torch.allclose(overlaps, expected[1])


@torch.inference_mode()
@pytest.mark.parametrize("pads", [False, True])
def test_images_are_scaled_normalised_and_padded(files: tuple[Path, Path], pads: bool) -> None:
    encoder, decoder = read_encoder(files[0]).eval(), read_decoder(files[1]).eval()
    image = picture(72, SIDE_PX)
    pixels = torch.from_numpy(((image - MEAN) / DEVIATION).transpose(2, 0, 1))[None]
    empty = encoder(torch.zeros(1, 3, SIDE_PX // 2, SIDE_PX // 2))
    box = (16.0, 8.0, 100.0, 50.0)
    embedding = encoder(F.pad(pixels, (0, 0, 0, SIDE_PX - 72 if pads else 8)))
    logits, overlap = decoder(decoder.cells_of(embedding, empty), (torch.tensor([box]) + 0.5) / 16)
    expected = F.interpolate(logits, scale_factor=4, mode="bilinear")[0, 0, :72] > 0
    ((mask, quality),) = MobileSam(*files, pads=pads, device="cpu").masks(image, [box])
    assert 0.05 < mask.mean() < 0.95 and (mask != expected.numpy()).mean() < 1e-3
    assert quality == pytest.approx(float(overlap.clamp(0, 1)), abs=1e-4)


def test_the_best_mask_of_a_box_is_among_all_its_masks(files: tuple[Path, Path]) -> None:
    network, image, boxes = MobileSam(*files, device="cpu"), picture(72, 96), [(16.0, 8.0, 80.0, 50.0), (2, 2, 40, 60)]
    drawn = network.predict_masks(network.encode_image(image), boxes)
    assert [len(each) for each in drawn] == [3, 3]
    for each, (mask, quality) in zip(drawn, network.masks(image, boxes), strict=True):
        best = max(each, key=lambda drawing: drawing.quality)
        assert best.quality == pytest.approx(quality, abs=1e-5) and (best.mask != mask).mean() < 1e-3


def test_other_files_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    encoder, decoder = files
    broken, empty, small = (tmp_path / name for name in ("broken.onnx", "empty.onnx", "small.onnx"))
    broken.write_bytes(decoder.read_bytes()[:-3])
    empty.write_bytes(b"")
    file = OnnxFile()
    file.kept("neck.0.weight", torch.zeros(4, 4, 1, 1))
    file.write(small)
    for wrong, message in (
        ((decoder, decoder), "decoder.onnx: .* not of this project as it is known"),
        ((encoder, encoder), "encoder.onnx: .* not of this project as it is known"),
        ((small, decoder), "small.onnx: expected MobileSAM's image encoder"),
        ((empty, decoder), "empty.onnx: expected MobileSAM's image encoder"),
        ((encoder, empty), "empty.onnx: expected SAM's mask decoder"),
        ((encoder, broken), "broken.onnx: expected an ONNX model"),
        ((encoder, tmp_path / "none.onnx"), "none.onnx: cannot be read"),
    ):
        with pytest.raises(CheckpointError, match=message) as caught:
            MobileSam(*wrong, device="cpu")
        assert "\n" not in str(caught.value)
