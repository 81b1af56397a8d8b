"""Preprocessing: sizes by table, and that a mask goes in and comes back where it was."""

from __future__ import annotations

import json
import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.answer import DenseMap
from image_core.errors import ConfigError
from image_core.preprocessing import CELL_PX, Preprocessing, Resize, pad_to

torch.set_num_threads(1)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINDS: tuple[Resize, ...] = ("squash", "keep_ratio", "short_side")


def of(kind: Resize, size_px: int = 192, multiple: int = 32) -> Preprocessing:
    return Preprocessing(size_px, kind, multiple, MEAN, STD)


@pytest.mark.parametrize(
    ("kind", "size", "content", "target"),
    [
        ("squash", (480, 640), (192, 192), (192, 192)),
        ("squash", (20, 900), (192, 192), (192, 192)),
        ("keep_ratio", (480, 640), (144, 192), (160, 192)),
        ("keep_ratio", (640, 481), (192, 144), (192, 160)),
        ("keep_ratio", (96, 48), (192, 96), (192, 96)),
        ("keep_ratio", (2, 900), (1, 192), (32, 192)),
        ("short_side", (480, 480), (192, 192), (192, 192)),
        ("short_side", (480, 640), (192, 256), (192, 256)),
        ("short_side", (720, 1280), (192, 352), (192, 352)),
        ("short_side", (2, 900), (192, 768), (192, 768)),
    ],
)
def test_sizes(kind: Resize, size: tuple[int, int], content: tuple[int, int], target: tuple[int, int]) -> None:
    assert of(kind).content_size(*size) == content
    assert of(kind).target_size(*size) == target


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([4, 16, 32]))
def test_sizes_obey_their_laws(kind: Resize, height: int, width: int, multiple: int) -> None:
    p = of(kind, multiple=multiple)
    content, target = p.content_size(height, width), p.target_size(height, width)
    assert all(t % multiple == 0 and 0 < c <= t < c + multiple for c, t in zip(content, target, strict=True))
    if kind == "keep_ratio":
        assert max(content) == p.size_px
    else:
        assert content == target
    if kind == "short_side":
        assert min(target) == p.size_px
        aspect = min(4.0, max(height, width) / min(height, width))
        assert max(target) == pytest.approx(aspect * p.size_px, abs=multiple / 2)


def test_values_are_normalised_and_padding_is_the_mean_colour() -> None:
    image = np.full((96, 192, 3), (10, 128, 250), np.uint8)
    pixels, valid = of("keep_ratio", multiple=64).prepare(image[:90])
    assert pixels.shape == (3, 128, 192) and pixels.dtype == torch.float32 and valid == (90, 192)
    for channel, value in enumerate((10, 128, 250)):
        expected = (value / 255 - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(pixels[channel, :90], torch.full((90, 192), expected))
    assert not pixels[:, 90:].any()
    raw, _ = Preprocessing(192, "squash", 32, (123.0, 116.0, 103.0), (58.0, 57.0, 57.0), 1.0).prepare(image)
    assert raw[0, 0, 0].item() == pytest.approx((10 - 123) / 58)


def test_the_image_given_is_not_touched() -> None:
    image = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    before = image.copy()
    pixels, _ = of("squash").prepare(image)
    pixels += 1
    np.testing.assert_array_equal(image, before)


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    image = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    pixels, _ = of("squash").prepare(image)
    back = (pixels * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]) * 255
    np.testing.assert_array_equal(back.round().byte().permute(1, 2, 0).numpy(), image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(240, 320), (333, 201), (97, 131), (720, 1280)])
def test_a_mask_comes_back_where_it_was(kind: Resize, size: tuple[int, int]) -> None:
    p = of(kind)
    height, width = size
    centre = (int(width * 0.6), int(height * 0.55))
    disc = cv2.ellipse(np.zeros(size, np.uint8), centre, (width // 4, height // 3), 0, 0, 360, 1, -1).astype(bool)
    _, valid = p.prepare(np.zeros((*size, 3), np.uint8))
    inside = p.prepare_masks(disc[None])
    assert inside.shape[1:] == p.target_size(*size) and set(inside.unique().tolist()) == {0.0, 1.0}
    cells = torch.nn.functional.avg_pool2d(inside, CELL_PX)
    rows, columns = (-(-v // CELL_PX) for v in valid)
    restored = DenseMap((cells[0, :rows, :columns] - 0.5).numpy(), CELL_PX, valid).at(size) > 0
    assert restored.shape == size
    assert (restored & disc).sum() / (restored | disc).sum() > 0.94


def test_no_mask_and_empty_masks() -> None:
    assert of("squash").prepare_masks(np.zeros((0, 50, 70), bool)).shape == (0, 192, 192)
    assert not of("squash").prepare_masks(np.zeros((2, 50, 70), bool)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_json_round_trip(kind: Resize) -> None:
    p = of(kind)
    assert Preprocessing.from_dict(json.loads(json.dumps(p.to_dict()))) == p
    assert isinstance(Preprocessing.from_dict(json.loads(json.dumps(p.to_dict()))).mean, tuple)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_px": 200}, "size_px: expected .*, got 200"),
        ({"size_px": 16, "resize": "short_side"}, "size_px: expected .*, got 16"),
        ({"resize": "crop"}, "resize: expected .*, got 'crop'"),
        ({"multiple": 0}, "multiple: expected .*, got 0"),
        ({"multiple": 6}, "multiple: expected .*, got 6"),
        ({"mean": (0.5, 0.5)}, "mean: expected"),
        ({"mean": (0.5, 0.5, math.nan)}, "mean: expected"),
        ({"std": (0.2, 0.0, 0.2)}, "std: expected"),
        ({"pixel_scale": 0}, "pixel_scale: expected .*, got 0"),
        ({"colour": "BGR"}, "colour"),
    ],
)
def test_impossible_values_are_named(change: dict[str, Any], message: str) -> None:
    values = of("squash").to_dict() | change
    with pytest.raises(ConfigError, match=message) as raised:
        Preprocessing.from_dict(values)
    assert "\n" not in str(raised.value)


def test_missing_fields_are_named() -> None:
    with pytest.raises(ConfigError, match="'std'"):
        Preprocessing.from_dict({k: v for k, v in of("squash").to_dict().items() if k != "std"})


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image: expected"):
        of("squash").prepare(image)


def test_pad_to() -> None:
    padded = pad_to(torch.ones(2, 3, 4), (5, 4))
    assert padded.shape == (2, 5, 4) and padded[:, :3].all() and not padded[:, 3:].any()
    with pytest.raises(ValueError, match="expected at most"):
        pad_to(torch.ones(2, 3, 4), (2, 9))
