"""Video systems for benchmarks, each of named parts, and what runs several of them over one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from image_core.models.table import build_model
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.configuration import train_config
from rvos.types import Frame
from rvos.watch.session import StreamSession
from rvos.watch.stream import Results

SURE = 4.0
"""Added to every presence logit: a tracker is not timed on a target that it takes to be away."""


@dataclass(frozen=True)
class VideoParts:
    """How features and masks get to the frames between key frames."""

    propagation: str = "none"
    tracker: str = "none"
    key_frames: str = "all"
    decode: str = "every"

    def around(self, image: ImageSegmenter) -> VideoSegmenter:
        """The video system around an image model."""
        return VideoSegmenter(image, self.propagation, self.tracker, key_frames=self.key_frames, decode=self.decode)


def random_segmenter(experiment: str, seed: int = 0) -> ImageSegmenter:
    """The model of `configs/experiment/<experiment>.yaml` with random weights and its own preprocessing, in float32 on
    the processor: speed does not depend on what a model has learned. No hub is asked: the text encoder has its real
    size and our small vocabulary."""
    settings = train_config([f"experiment={experiment}", "data.root=nowhere"])
    vision = replace(settings.model.vision, pretrained=False)
    spec = replace(settings.model, vision=vision, text=replace(settings.model.text, pretrained=False))
    torch.manual_seed(seed)
    model = build_model(spec)
    model.presence_offset.fill_(SURE)
    return ImageSegmenter(model, settings.preprocessing)


Step = Callable[[str, StreamSession, Frame], Results]
"""Gives a frame to a session whose name comes first."""


def in_turn(sessions: Mapping[str, StreamSession], frames: Sequence[Frame], step: Step) -> Iterator[dict[str, Results]]:
    """By session the results of each frame. All take a frame before the next one comes: whatever else the machine does,
    it does to all of them."""
    for frame in frames:
        yield {name: step(name, session, frame) for name, session in sessions.items()}
