"""Pictures prepared on a device are pictures prepared on the CPU, but for one grey level here and there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from image_core.preprocessing import Preprocessing, Resize
from image_core.resampling import area_weights, linear_weights, prepare_many


@pytest.mark.parametrize(
    ("resize", "size"),
    [
        ("squash", (48, 90)),
        ("squash", (20, 90)),
        ("keep_ratio", (48, 90)),
        ("short_side", (33, 71)),
        ("squash", (64, 64)),
    ],
)
def test_many_on_a_device_are_each_on_the_cpu(resize: Resize, size: tuple[int, int]) -> None:
    preprocessing = Preprocessing(64, resize, 16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    images = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    made = prepare_many(preprocessing, torch.from_numpy(images))
    wanted = torch.stack([preprocessing.prepare(image)[0] for image in images])
    apart = (made - wanted).abs() * torch.tensor(preprocessing.std)[:, None, None] * preprocessing.pixel_scale
    # OpenCV enlarges bytes in fixed point: there more of them round the other way.
    grows = min(size) < min(wanted.shape[-2:])
    assert apart.max() < 1.01 and (apart > 0.01).float().mean() < (0.2 if grows else 0.02)


def test_weights_by_hand() -> None:
    np.testing.assert_allclose(area_weights(2, 3), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], atol=1e-6)
    np.testing.assert_allclose(linear_weights(4, 2), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]], atol=1e-6)
