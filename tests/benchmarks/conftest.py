"""The fixtures of `tests/rvos` that benchmarks need too."""

from __future__ import annotations

from tests.rvos.conftest import colour_segmenter, frames, segmenter_of

__all__ = ["colour_segmenter", "frames", "segmenter_of"]
