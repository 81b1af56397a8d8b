"""The laws of a video system for a contour model that fuses language in its encoder: SafaRi, small, random weights.

Its contours are arbitrary and jump with every change of the picture: what must hold, holds for them too.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.safari import Safari
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.records import to_record
from rvos.reading import PROPAGATORS
from rvos.tracking import TRACKERS
from rvos.tracking.tracker import NoTracker
from rvos.types import Frame, FrameRecord
from rvos.watch.session import StreamSession

EXPRESSIONS = ("the red star", "the big blue square on the left of the two circles", "a dog")
SYSTEMS = [
    (propagation, tracker, decode)
    for propagation, tracker in itertools.product(sorted(PROPAGATORS), sorted(TRACKERS))
    for decode in ("every", "key")
    if decode == "every" or (TRACKERS[tracker].between_decodes and not PROPAGATORS[propagation].between_key_frames)
]


@pytest.fixture(scope="module")
def image() -> ImageSegmenter:
    spec = ModelConfig(
        "safari",
        EncoderConfig("tiny_swin", options={"embed_dim": 8, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 2, 4)}),
        EncoderConfig("small", options={"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}),
        {
            "fused_layers": 2, "memory_stride": 16, "channels": 16, "heads": 2, "hidden": 16, "encoder_layers": 1,
            "decoder_layers": 1, "bins": 24, "points": 5, "gate_start": 0.0,
        },
        max_words=24,
    )  # fmt: skip
    torch.manual_seed(0)
    model = build_model(spec)
    assert isinstance(model, Safari)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
        head: Any = model.decoder.head[-1]
        head.weight.mul_(3.0)  # points that differ
        head.bias[model.decoder.end] = -50.0  # and always some
    preprocessing = Preprocessing(64, "keep_ratio", 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return ImageSegmenter(model, preprocessing)


@pytest.fixture(params=SYSTEMS, ids="-".join)
def system(image: ImageSegmenter, request: pytest.FixtureRequest) -> VideoSegmenter:
    propagation, tracker, decode = request.param
    key_frames = "every:3" if PROPAGATORS[propagation].between_key_frames or decode == "key" else "all"
    return VideoSegmenter(image, propagation, tracker, key_frames=key_frames, decode=decode)


@pytest.fixture
def clip(frames: np.ndarray) -> list[Frame]:
    """Seven frames, the last two of them another scene."""
    images = [*frames[:5], *(np.roll(255 - image, 20, 1) for image in frames[5:7])]
    return [Frame(index, index / 25, image) for index, image in enumerate(images)]


def records_of(session: StreamSession, frames: list[Frame]) -> list[list[FrameRecord]]:
    return [[to_record(result) for result in session.step(frame)] for frame in frames]


def test_a_killed_and_continued_run_writes_the_same_bytes(system: VideoSegmenter, clip: list[Frame]) -> None:
    wanted = records_of(system.session(EXPRESSIONS), clip)
    if isinstance(system.system.tracker, NoTracker):  # memory doubts what jumps
        assert any(record.present for records in wanted for record in records)
    session = system.session(EXPRESSIONS)
    for start, end in itertools.pairwise((0, 1, 4, len(clip))):
        snapshot = session.snapshot()
        session = system.session(EXPRESSIONS)
        session.restore(snapshot)
        assert records_of(session, clip[start:end]) == wanted[start:end]


def test_expressions_together_are_expressions_apart(system: VideoSegmenter, clip: list[Frame]) -> None:
    """Up to rounding: expressions side by side are padded to the longest, and sums are then taken in another order."""
    together = records_of(system.session(EXPRESSIONS), clip)
    for index, expression in enumerate(EXPRESSIONS):
        apart = records_of(system.session([expression]), clip)
        for records, (alone,) in zip(together, apart, strict=True):
            assert records[index].score == pytest.approx(alone.score, abs=1e-4)
            assert records[index].presence == pytest.approx(alone.presence, abs=1e-4)
            same = {"expression_index": 0, "score": alone.score, "presence": alone.presence}
            assert replace(records[index], **same) == alone


@pytest.mark.parametrize("propagation", sorted(PROPAGATORS))
def test_without_a_tracker_and_with_key_frames_alone_it_is_the_image_model(
    propagation: str, image: ImageSegmenter, clip: list[Frame]
) -> None:
    session = VideoSegmenter(image, propagation, "none", key_frames="all").session(EXPRESSIONS)
    for frame in clip:
        for result, alone in zip(session.step(frame), image.segment(frame.image, EXPRESSIONS), strict=True):
            np.testing.assert_array_equal(result.mask, alone.mask(frame.size))
            assert result.score == pytest.approx(alone.score, abs=1e-6)
