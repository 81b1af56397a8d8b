"""The options of a conversion, and checks that the named files exist. Light to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image_core.errors import CheckpointError, DataError


@dataclass(frozen=True)
class ConvertOptions:
    """Properties of a model that its checkpoint does not contain. None: as published."""

    #: The vocabulary file; None: the file of the usual name next to the checkpoint.
    vocabulary: Path | None = None
    #: Tokens per expression in training.
    max_words: int | None = None
    #: Attention heads inside the backbone, one number per stage or one for all.
    fusion_heads: tuple[int, ...] | None = None
    #: Attention heads of the transformer after the encoders.
    heads: int | None = None
    #: Side of the images in training.
    size_px: int | None = None

    def check_vocabulary(self) -> None:
        """Raise `DataError` if a vocabulary file is given and does not exist."""
        if self.vocabulary is not None and not self.vocabulary.is_file():
            raise DataError(f"{self.vocabulary}: no such file: give the words of the checkpoint")


def check_source(source: Path) -> None:
    """Raise `CheckpointError` if the published file does not exist."""
    if not source.is_file():
        raise CheckpointError(f"{source}: no such file: give a published checkpoint")
