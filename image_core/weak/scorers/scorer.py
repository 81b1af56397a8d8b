"""The way to name SpARC's scorer."""

from __future__ import annotations

from pathlib import Path

from image_core.device_names import Precision
from image_core.hub.sources import find_source
from image_core.identity import ModelIdentity, file_identity
from image_core.weak.scorers.clip import ClipScorer
from image_core.weak.scorers.pair import load_pair_scorer
from image_core.weak.sparc import Scorer

_PAIR = ".safetensors"


def build_scorer(name: str, *, device: str = "auto", precision: Precision = "fp32") -> Scorer:
    """A file of our image-text pair (*.safetensors), or CLIP by hub name or local folder, several joined by commas.

    precision: of CLIP; the pair computes in fp32. Raises `CheckpointError` for a file that is no pair, and what
    `ClipScorer` raises.
    """
    if name.endswith(_PAIR):
        return load_pair_scorer(Path(name), device)
    return ClipScorer(_names(name), device=device, precision=precision)


def identify_scorer(name: str) -> ModelIdentity:
    """What a run records of the scorer of that name, known without its weights. Its name is one that `build_scorer`
    makes the same scorer of, also when a repository has gone on. Raises `CheckpointError` or `ConfigError`."""
    if name.endswith(_PAIR):
        return file_identity(name, Path(name))
    sources = [find_source(part) for part in _names(name)]
    licences = dict.fromkeys(source.licence for source in sources if source.licence)
    revisions = [source.revision for source in sources]
    return ModelIdentity(",".join(s.text for s in sources), ",".join(revisions), "image-text", ", ".join(licences))


def _names(name: str) -> list[str]:
    return [part.strip() for part in name.split(",") if part.strip()]
