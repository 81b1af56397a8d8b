"""Video systems for benchmarks, built of named parts, and a loop that runs several of them on one clip."""

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
"""Added to every presence logit, so that a tracker is timed on a target that is present."""


@dataclass(frozen=True)
class VideoParts:
    """The parts that process the frames between key frames."""

    propagation: str = "none"
    tracker: str = "none"
    key_frames: str = "all"
    decode: str = "every"

    def around(self, image: ImageSegmenter) -> VideoSegmenter:
        """The video system around an image model."""
        return VideoSegmenter(image, self.propagation, self.tracker, key_frames=self.key_frames, decode=self.decode)


def random_segmenter(experiment: str, seed: int = 0) -> ImageSegmenter:
    """The model of `configs/experiment/<experiment>.yaml` with random weights and its own preprocessing, in float32 on
    the processor: speed does not depend on trained weights. Nothing is downloaded: the text encoder has its real size
    and our small vocabulary."""
    settings = train_config([f"experiment={experiment}", "data.root=nowhere"])
    vision = replace(settings.model.vision, pretrained=False)
    spec = replace(settings.model, vision=vision, text=replace(settings.model.text, pretrained=False))
    torch.manual_seed(seed)
    model = build_model(spec)
    model.presence_offset.fill_(SURE)
    return ImageSegmenter(model, settings.preprocessing)


Step = Callable[[str, StreamSession, Frame], Results]
"""(name of a session, the session, a frame) -> the results of the frame."""


def in_turn(sessions: Mapping[str, StreamSession], frames: Sequence[Frame], step: Step) -> Iterator[dict[str, Results]]:
    """For each frame, session -> results. All sessions process a frame before the next one is read, so that the load of
    the machine affects all of them alike."""
    for frame in frames:
        yield {name: step(name, session, frame) for name, session in sessions.items()}
