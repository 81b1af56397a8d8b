"""Which frames of a video are looked at, and which of those go through the whole encoder."""

from __future__ import annotations

from rvos.sampling.frames import FrameReader, Sampling, Stride, Uniform, parse_sampling
from rvos.sampling.key_frames import KeyFrames, KeyFrameState, parse_key_frames

__all__ = [
    "FrameReader",
    "KeyFrameState",
    "KeyFrames",
    "Sampling",
    "Stride",
    "Uniform",
    "parse_key_frames",
    "parse_sampling",
]
