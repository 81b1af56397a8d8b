"""What a conversion is asked for, and whether the files that it names are there. Light to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image_core.errors import CheckpointError, DataError


@dataclass(frozen=True)
class Asked:
    """What a file does not tell of its model. None: as published."""

    #: The file with its words; None: the one of the usual name beside the checkpoint.
    vocabulary: Path | None = None
    #: Tokens that an expression had in training.
    max_words: int | None = None
    #: Heads of the attention inside the backbone, one number a stage or one for all.
    fusion_heads: tuple[int, ...] | None = None
    #: Heads of the transformer behind the encoders.
    heads: int | None = None
    #: The side of the pictures in training.
    size_px: int | None = None

    def check_vocabulary(self) -> None:
        """Raise `DataError` where a file with words is named and is not there."""
        if self.vocabulary is not None and not self.vocabulary.is_file():
            raise DataError(f"{self.vocabulary}: no such file: give the words of the checkpoint")


def check_source(source: Path) -> None:
    """Raise `CheckpointError` where a published file is not there."""
    if not source.is_file():
        raise CheckpointError(f"{source}: no such file: give a published checkpoint")
