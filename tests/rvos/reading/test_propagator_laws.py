"""The laws of propagation, over every propagator: key frames, what stands still, what moves, what goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from image_core.segmenter import ImageSegmenter
from image_core.state import from_bytes, to_bytes
from image_core.types import ImageFeatures, TextFeatures
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import KeyFrames
from rvos.reading.propagation import NoPropagation, Propagator
from rvos.reading.reader import FeatureReader
from rvos.reading.stem import Stem
from rvos.tracking.tracker import NoTracker
from rvos.types import Frame
from rvos.view.frame_view import View, view_of
from rvos.watch.session import StreamSession

BETWEEN = sorted(name for name, kind in PROPAGATORS.items() if kind.between_key_frames)
EXPRESSIONS = ("the red thing", "the green thing")
SIZE = (64, 96)


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as a propagator gets it: its view, its stem, and what the encoder says of it."""

    view: View
    stem: Stem
    features: ImageFeatures


def texture(shift: int = 0, size: tuple[int, int] = SIZE, seed: int = 3) -> np.ndarray:
    """Smooth random colours, moved `shift` pixels to the right."""
    noise = np.random.default_rng(seed).uniform(0, 255, (size[0] + 40, size[1] + 80, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min()) * 255
    return smooth[20 : 20 + size[0], 40 - shift : 40 - shift + size[1]].astype(np.uint8)


def encode(image: np.ndarray, rows: int = 1) -> tuple[Stem, ImageFeatures]:
    """Stem and two levels (strides 4 and 8) that are the picture itself, padded by 16 px at the bottom and right."""
    valid = image.shape[:2]
    padded = np.zeros((-(-valid[0] // 16) * 16 + 16, -(-valid[1] // 16) * 16 + 16, 3), np.float32)
    padded[: valid[0], : valid[1]] = image / 255
    pixels = torch.from_numpy(padded).permute(2, 0, 1)[None]
    stem = Stem(torch.nn.functional.avg_pool2d(pixels, 4), 4)
    levels = [torch.cat([torch.nn.functional.avg_pool2d(pixels, s) * (1 + r) for r in range(rows)]) for s in (4, 8)]
    text = TextFeatures(torch.ones(rows, 2, 3), torch.ones(rows, 3), torch.zeros(rows, 2, dtype=torch.bool))
    fused = {"words": text, "attention": torch.full((rows, 1, 4, 2), 0.5)} if rows > 1 else {}
    return stem, ImageFeatures(tuple(levels), (4, 8), torch.tensor([valid] * rows), **fused)


def watch(images: Sequence[np.ndarray], rows: int = 1) -> Iterator[EncodedFrame]:
    before = None
    for index, image in enumerate(images):
        view = view_of(Frame(index, index / 10, image), before)
        before = view.small_image
        yield EncodedFrame(view, *encode(image, rows))


def propagate(
    propagator: Propagator[Any], frames: Sequence[EncodedFrame], keys: Sequence[int] = (0,)
) -> list[ImageFeatures]:
    state, out = propagator.start(), []
    for index, frame in enumerate(frames):
        features, state = propagator.step(frame.view, frame.stem, frame.features if index in keys else None, state)
        out.append(features)
    return out


def distance(one: ImageFeatures, other: ImageFeatures, level: int) -> float:
    """Mean difference away from the border of the picture, two cells in."""
    stride, own = one.maps[level]
    inner = (..., slice(2, SIZE[0] // stride - 2), slice(2, SIZE[1] // stride - 2))
    return float((own[inner] - other.maps[level][1][inner]).abs().mean())


@pytest.mark.parametrize("name", sorted(PROPAGATORS))
@pytest.mark.parametrize("rows", [1, 3])
def test_a_key_frame_is_returned_unchanged(name: str, rows: int) -> None:
    frames = list(watch([texture(shift) for shift in range(4)], rows))
    for given, seen in zip(propagate(PROPAGATORS[name](), frames, range(4)), frames, strict=True):
        assert given is seen.features


@pytest.mark.parametrize("name", BETWEEN)
def test_a_still_object_keeps_its_features(name: str) -> None:
    frames = list(watch([texture()] * 4))
    for features in propagate(PROPAGATORS[name](), frames)[1:]:
        for level in range(2):
            assert distance(features, frames[0].features, level) < 0.02


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("rows", [1, 2])
def test_what_moves_takes_its_features_along(name: str, rows: int) -> None:
    frames = list(watch([texture(shift) for shift in (0, 4, 8)], rows))
    for features, seen in zip(propagate(PROPAGATORS[name](), frames), frames, strict=True):
        for level, allowed in ((0, 0.5), (1, 0.6)):
            held = distance(frames[0].features, seen.features, level)
            assert distance(features, seen.features, level) <= allowed * held
            assert features.levels[level].shape == seen.features.levels[level].shape


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("stride", [8, 14])
def test_a_coarse_stem_one_level_and_tokens_are_served(name: str, stride: int) -> None:
    """A plain ViT: patches as its stem, one map of the same stride, and tokens, which have no place to move."""
    propagator, out = PROPAGATORS[name](), []
    state = propagator.start()
    for seen in watch([texture(shift) for shift in (0, 4, 8)]):
        pixels = torch.from_numpy(seen.view.frame.image / np.float32(255)).permute(2, 0, 1)[None]
        cells = torch.nn.functional.adaptive_avg_pool2d(pixels, (-(-SIZE[0] // stride), -(-SIZE[1] // stride)))
        tokens = torch.arange(10.0).view(1, 5, 2) + len(out)
        fresh = ImageFeatures((tokens, cells), (None, stride), torch.tensor([SIZE]))
        features, state = propagator.step(seen.view, Stem(cells, stride), fresh if not out else None, state)
        out.append((features, fresh))
    for features, fresh in out[1:]:
        assert torch.equal(features.levels[0], out[0][1].levels[0]), "tokens are those of the key frame"
        assert features.strides == (None, stride) and features.levels[1].shape == fresh.levels[1].shape
        moved, held = ((x - fresh.levels[1]).abs().mean() for x in (features.levels[1], out[0][1].levels[1]))
        assert moved < held
    data = to_bytes(state)
    assert to_bytes(from_bytes(type(state), data)) == data


@pytest.mark.parametrize("name", BETWEEN)
def test_what_was_fused_with_words_is_copied(name: str) -> None:
    frames = list(watch([texture(shift) for shift in range(3)], rows=2))
    last = propagate(PROPAGATORS[name](), frames)[-1]
    assert last.words is frames[0].features.words and last.attention is frames[0].features.attention
    assert last.strides == (4, 8) and torch.equal(last.valid_px, frames[0].features.valid_px)


@pytest.mark.parametrize("name", BETWEEN)
def test_rows_travel_alike_and_apart(name: str) -> None:
    together = propagate(PROPAGATORS[name](), list(watch([texture(s) for s in (0, 3, 6)], rows=2)))[-1]
    alone = propagate(PROPAGATORS[name](), list(watch([texture(s) for s in (0, 3, 6)])))[-1]
    for both, one in zip(together.levels, alone.levels, strict=True):
        torch.testing.assert_close(both[:1], one)
        torch.testing.assert_close(both[1:], 2 * one)


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("at", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_restored_snapshot_continues_exactly(name: str, at: int, rows: int) -> None:
    propagator = PROPAGATORS[name]()
    frames, keys = list(watch([texture(shift) for shift in range(6)], rows)), (0, 3)
    wanted = propagate(propagator, frames, keys)
    state = propagator.start()
    for index, frame in enumerate(frames[:at]):
        _, state = propagator.step(frame.view, frame.stem, frame.features if index in keys else None, state)
    data = to_bytes(state)
    state = from_bytes(type(state), data)
    assert to_bytes(state) == data
    for index, frame in enumerate(frames[at:], at):
        features, state = propagator.step(frame.view, frame.stem, frame.features if index in keys else None, state)
        assert all(torch.equal(a, b) for a, b in zip(features.levels, wanted[index].levels, strict=True))


@pytest.mark.parametrize("name", sorted(PROPAGATORS))
def test_a_damaged_snapshot_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="damaged"):
        from_bytes(type(PROPAGATORS[name]().start()), b"this is no state")


@pytest.mark.parametrize("name", sorted(PROPAGATORS))
def test_the_first_frame_has_to_be_a_key_frame(name: str) -> None:
    (seen,) = watch([texture()])
    propagator = PROPAGATORS[name]()
    with pytest.raises(ValueError, match=r"expected (a key frame|features)"):
        propagator.step(seen.view, seen.stem, None, propagator.start())


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("size", [(1, 1), (5, 70), (17, 23)])
def test_tiny_images_are_propagated(name: str, size: tuple[int, int]) -> None:
    frames = list(watch([texture(shift, size) for shift in range(3)]))
    for features in propagate(PROPAGATORS[name](), frames):
        assert all(torch.isfinite(level).all() for level in features.levels)


@pytest.mark.parametrize("name", BETWEEN)
def test_the_dtype_of_features_stays(name: str) -> None:
    frames = list(watch([texture(shift) for shift in range(2)]))
    half = ImageFeatures(tuple(x.bfloat16() for x in frames[0].features.levels), (4, 8), frames[0].features.valid_px)
    propagator = PROPAGATORS[name]()
    _, state = propagator.step(frames[0].view, Stem(frames[0].stem.cells.bfloat16(), 4), half, propagator.start())
    state = from_bytes(type(state), to_bytes(state))
    features, _ = propagator.step(frames[1].view, Stem(frames[1].stem.cells.bfloat16(), 4), None, state)
    assert {level.dtype for level in features.levels} == {torch.bfloat16}


def session_of(segmenter: ImageSegmenter, propagator: Propagator[Any], key_frames: KeyFrames) -> StreamSession:
    return StreamSession(FeatureReader(segmenter, EXPRESSIONS, propagator), NoTracker(), key_frames)


def masks_of(session: StreamSession, images: np.ndarray) -> list[np.ndarray]:
    return [np.stack([r.mask for r in session.step(Frame(i, i / 10, image))]) for i, image in enumerate(images)]


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("keys", [(0, 2, 4), (0, 2, 5)])  # a key frame on the cut, one a frame later
def test_from_the_first_key_frame_after_a_cut_on_it_is_a_new_video(name: str, rows: int, keys: tuple[int, ...]) -> None:
    pictures = [*(texture(s) for s in range(4)), *(texture(s, seed=8) for s in range(4))]
    frames = list(watch(pictures, rows))
    assert [seen.view.cut for seen in frames] == [index == 4 for index in range(8)]
    begin = keys[-1]
    after = propagate(PROPAGATORS[name](), frames, keys)[begin:]
    alone = propagate(PROPAGATORS[name](), list(watch(pictures[begin:], rows)))
    for one, other in zip(after, alone, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.levels, other.levels, strict=True))


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("kind", ["colour_segmenter", "early_segmenter"])
@pytest.mark.parametrize("key_frames", [KeyFrames(3), KeyFrames(6, adaptive=True)])
def test_masks_between_key_frames_follow_what_moves(
    name: str, kind: str, key_frames: KeyFrames, frames: np.ndarray, request: pytest.FixtureRequest
) -> None:
    segmenter = request.getfixturevalue(kind)
    found = masks_of(session_of(segmenter, PROPAGATORS[name](), key_frames), frames[:9])
    wanted = masks_of(session_of(segmenter, NoPropagation(), KeyFrames(1)), frames[:9])
    for now, then in zip(found, wanted, strict=True):
        for mask, fresh in zip(now, then, strict=True):
            assert (mask & fresh).sum() >= 0.6 * (mask | fresh).sum()
