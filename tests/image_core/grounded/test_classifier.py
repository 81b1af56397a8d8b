"""EfficientNet-lite2 from a file with the release's keys; crops at the picture's edges."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from image_core.errors import CheckpointError
from image_core.grounded.classifier import EfficientNetLite2, crop

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
DEPTHS = (1, 3, 3, 4, 4, 5, 1)
PUBLISHED = {
    # timm's part -> the release's, in the first block and in the others.
    True: {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"},
    False: {
        "conv_pw": "_expand_conv",
        "bn1": "_bn0",
        "conv_dw": "_depthwise_conv",
        "bn2": "_bn1",
        "conv_pwl": "_project_conv",
        "bn3": "_bn2",
    },
}
ENDS = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}


def published(key: str) -> str:
    """timm's key -> the release's."""
    if match := re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(\w+)", key):
        stage, i = int(match[1]), int(match[2])
        number = sum(DEPTHS[:stage]) + i
        return f"_blocks.{number}.{PUBLISHED[number == 0][match[3]]}.{match[4]}"
    part, _, rest = key.partition(".")
    return f"{ENDS[part]}.{rest}"


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()


@pytest.fixture(scope="module")
def weights(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lite2") / "weights.pth"
    torch.save({published(key): value for key, value in network.state_dict().items()}, path)
    return path


def test_it_returns_the_probabilities_of_each_crop(network: torch.nn.Module, weights: Path) -> None:
    classifier = EfficientNetLite2(weights, device="cpu")
    boxes = [(0.0, 0.0, 60.0, 40.0), (10.2, 5.9, 29.5, 30.0), (50.0, 30.0, 90.0, 99.0)]
    rows = classifier.classify(IMAGE, boxes)
    assert rows.shape == (3, 1000) and rows.dtype == np.float32 and np.allclose(rows.sum(1), 1, atol=1e-5)
    for (x0, y0, x1, y1), row in zip([(0, 0, 60, 40), (10, 5, 30, 30), (50, 30, 60, 40)], rows, strict=True):
        pixels = np.array(Image.fromarray(IMAGE[y0:y1, x0:x1]).resize((260, 260), Image.Resampling.BICUBIC), np.float32)
        with torch.inference_mode():
            logits = network(torch.from_numpy((pixels / 255 - 0.498) / 0.502).permute(2, 0, 1)[None])
        assert np.allclose(row, logits.softmax(1)[0].numpy(), atol=1e-6)
    assert classifier.classify(IMAGE, []).shape == (0, 1000)
    assert len(classifier.synsets) == 1000 and classifier.synsets[207] == "n02099601"


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((0, 0, 60, 40), (0, 0, 60, 40)),
        ((3.9, 2.1, 4.1, 2.2), (3, 2, 5, 3)),
        ((-5, -5, 7, 6), (0, 0, 7, 6)),
        ((10, 10, 10, 10), (10, 10, 11, 11)),
        ((70, 50, 80, 60), (59, 39, 60, 40)),
        ((-9, -9, -3, -3), (0, 0, 1, 1)),
    ],
)
def test_crops_hold_the_pixels_that_a_box_touches(
    box: tuple[float, float, float, float], wanted: tuple[int, int, int, int]
) -> None:
    x0, y0, x1, y1 = wanted
    assert (crop(IMAGE, box) == IMAGE[y0:y1, x0:x1]).all() and crop(IMAGE, box).shape == (y1 - y0, x1 - x0, 3)


def test_other_files_are_refused(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    (tmp_path / "noise.pth").write_bytes(weights.read_bytes()[:5000])
    torch.save({key: value for key, value in state.items() if key != "_fc.bias"}, tmp_path / "short.pth")
    torch.save({**state, "_blocks.21._bn0.weight": torch.ones(3)}, tmp_path / "long.pth")
    torch.save({"weights": shutil.rmtree}, tmp_path / "code.pth")
    for name, message in (
        ("noise", "cannot be read"),
        ("short", "missing"),
        ("long", r"_blocks\.21\._bn0\.weight"),
        ("code", "expected a file of tensors"),
        ("none", "no such file"),
    ):
        with pytest.raises(CheckpointError, match=message):
            EfficientNetLite2(tmp_path / f"{name}.pth", device="cpu")
