"""The clip that benchmarks run on: the demonstration's, at any size and length."""

from __future__ import annotations

from pathlib import Path

import cv2

from rvos.synthetic.demo_clip import FRAME_COUNT, RATE, draw_frame
from rvos.video import VideoWriter

EXPRESSIONS = ("the red circle", "the blue star")


def write_clip(path: Path, frame_count: int, size: tuple[int, int]) -> None:
    """The demonstration's frames forwards and backwards, over and over, enlarged to `size` (height, width)."""
    once = [cv2.resize(draw_frame(i), size[::-1], interpolation=cv2.INTER_CUBIC) for i in range(FRAME_COUNT)]
    there_and_back = once + once[-2:0:-1]
    with VideoWriter(path, size, rate=RATE) as writer:
        for index in range(frame_count):
            writer.write(there_and_back[index % len(there_and_back)], index / RATE)
