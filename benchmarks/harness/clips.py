"""The clips that benchmarks run on: the demonstration's, at any size and length, and synthetic videos as frames."""

from __future__ import annotations

from pathlib import Path

import cv2

from rvos.synthetic.dataset import VideoSample
from rvos.synthetic.demo_clip import FRAME_COUNT, RATE, draw_frame
from rvos.types import Frame
from rvos.video.writer import VideoWriter

EXPRESSIONS = ("the red circle", "the blue star")


def demo_frames(frame_count: int, size: tuple[int, int]) -> list[Frame]:
    """The frames of the demonstration, repeated and enlarged to `size` (height, width)."""
    images = (draw_frame(index % FRAME_COUNT) for index in range(frame_count))
    enlarged = (cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC) for image in images)
    return [Frame(index, index / RATE, image) for index, image in enumerate(enlarged)]


def write_demo_clip(path: Path, frame_count: int, size: tuple[int, int]) -> None:
    """Write a video file of the demonstration's frames, played forwards and backwards in turn, enlarged to `size`
    (height, width)."""
    once = [frame.image for frame in demo_frames(FRAME_COUNT, size)]
    there_and_back = once + once[-2:0:-1]
    with VideoWriter(path, size, rate=RATE) as writer:
        for index in range(frame_count):
            writer.write(there_and_back[index % len(there_and_back)], index / RATE)


def frames_of(sample: VideoSample) -> tuple[Frame, ...]:
    """The frames of a synthetic video."""
    return tuple(Frame(index, index / sample.rate, image) for index, image in enumerate(sample.frames))
