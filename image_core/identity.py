"""What a run records of an image model, so that nobody continues it with another one. Light to import."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from image_core.errors import CheckpointError


@dataclass(frozen=True)
class ModelIdentity:
    """Which model this is. Two models of equal identity give equal answers."""

    #: As it was asked for, or what it calls itself.
    name: str
    #: SHA-256 of its file, or the pinned revision of a hub model; "" where there is neither.
    revision: str = ""
    #: What makes a `MaskModel` of it: feature_model, python, or the name of an adapter.
    adapter: str = "python"
    #: Licence of the weights, "" where it is not known.
    licence: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def file_identity(name: str, path: Path) -> ModelIdentity:
    """That of a model file of ours. Raises `CheckpointError` where it is not there."""
    return ModelIdentity(name, digest_of(path), "feature_model")


def name_of(kind: type) -> str:
    """`module:Class`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def check_model_file(path: Path) -> None:
    """Raise `CheckpointError` where there is no such file."""
    if not path.is_file():
        raise CheckpointError(
            f"model file {path}: expected a .safetensors file or a name from `rvos models`, got nothing there"
        )


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises `CheckpointError` where there is none."""
    check_model_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
