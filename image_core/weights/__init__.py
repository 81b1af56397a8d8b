"""The embedded checkpoints: small files that come with the package, each with its card (`<name>.md`)."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "s2rm_tiny"


def embedded_models() -> dict[str, Path]:
    """Name -> file of every checkpoint in this folder."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.safetensors"))}
