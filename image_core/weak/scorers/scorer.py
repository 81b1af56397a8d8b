"""The way to name SpARC's scorer."""

from __future__ import annotations

from pathlib import Path

from image_core.weak.scorers.clip import ClipScorer
from image_core.weak.scorers.pair import load_pair_scorer
from image_core.weak.sparc import Scorer


def build_scorer(name: str, *, device: str = "auto") -> Scorer:
    """A file of our image-text pair (*.safetensors), or CLIP by hub name or local folder, several joined by commas.

    Raises `CheckpointError` for a file that is no pair, and what `ClipScorer` raises.
    """
    if name.endswith(".safetensors"):
        return load_pair_scorer(Path(name), device)
    return ClipScorer([part.strip() for part in name.split(",") if part.strip()], device=device)
