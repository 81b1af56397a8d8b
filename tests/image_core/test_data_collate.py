"""Samples to a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from image_core.data.collate import collate
from image_core.preprocessing import Preprocessing, Resize
from image_core.sample import ImageSample

torch.set_num_threads(1)


def of(kind: Resize) -> Preprocessing:
    return Preprocessing(64, kind, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def sample(name: str, size: tuple[int, int], *expressions: str) -> ImageSample:
    rng = np.random.default_rng(len(name))
    masks = np.zeros((len(expressions), *size), bool)
    masks[: len(expressions) - 1, : size[0] // 2] = True
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return ImageSample(image, expressions, masks, name, tuple(f"family of {e}" for e in expressions))


FIRST, SECOND = sample("first", (80, 80), "a", "b", "c"), sample("second", (60, 90), "d")


def test_all_expressions_of_all_images_in_order() -> None:
    batch = collate([FIRST, SECOND], of("squash"))
    assert batch.images.shape == (2, 3, 64, 64) and batch.masks.shape == (4, 64, 64)
    assert batch.expressions == ("a", "b", "c", "d")
    assert batch.frame_index.tolist() == [0, 0, 0, 1] and batch.frame_index.dtype == torch.long
    assert batch.has_target.tolist() == [True, True, False, False]
    assert batch.families == ("family of a", "family of b", "family of c", "family of d")
    assert batch.valid_px.tolist() == [[64, 64], [64, 64]] and batch.valid_px.dtype == torch.long


def test_sizes_that_differ_are_padded_and_the_image_is_remembered() -> None:
    batch = collate([FIRST, SECOND], of("keep_ratio"))
    assert batch.images.shape == (2, 3, 64, 64)
    assert batch.valid_px.tolist() == [[64, 64], [43, 64]]
    assert not batch.images[1, :, 43:].any() and batch.images[1, :, :43].any()
    assert not batch.masks[3, 43:].any()
    wide = collate([FIRST, sample("third", (50, 90), "e")], of("short_side"))
    assert wide.images.shape == (2, 3, 64, 128) and wide.valid_px.tolist() == [[64, 64], [64, 128]]


def test_a_fixed_size_is_kept() -> None:
    assert collate([SECOND], of("keep_ratio"), (96, 128)).images.shape == (1, 3, 96, 128)
    with pytest.raises(ValueError, match="divisible by 32"):
        collate([SECOND], of("keep_ratio"), (96, 100))
    with pytest.raises(ValueError, match="at most"):
        collate([SECOND], of("keep_ratio"), (32, 64))


@pytest.mark.parametrize("kind", ["squash", "keep_ratio", "short_side"])
def test_a_batch_of_two_is_two_batches_of_one(kind: Resize) -> None:
    both = collate([FIRST, SECOND], of(kind))
    size = (both.images.shape[2], both.images.shape[3])
    alone = [collate([s], of(kind), size) for s in (FIRST, SECOND)]
    torch.testing.assert_close(both.images, torch.cat([b.images for b in alone]))
    torch.testing.assert_close(both.masks, torch.cat([b.masks for b in alone]))
    torch.testing.assert_close(both.valid_px, torch.cat([b.valid_px for b in alone]))


def test_an_image_without_expressions_and_no_images() -> None:
    batch = collate([sample("none", (64, 64)), SECOND], of("squash"))
    assert batch.frame_index.tolist() == [1] and batch.images.shape[0] == 2
    assert len(collate([sample("none", (64, 64))], of("squash"))) == 0
    with pytest.raises(ValueError, match="expected at least one sample"):
        collate([], of("squash"))
