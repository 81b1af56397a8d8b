"""The one table of projects whose checkpoints can be converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from image_core.convert.cgformer import convert_cgformer
from image_core.convert.lavt import convert_lavt
from image_core.convert.partial_res import convert_partial_res
from image_core.convert.reading import Asked
from image_core.convert.rela import convert_rela
from image_core.convert.seqtr import convert_seqtr
from image_core.errors import ConfigError, UnknownNameError
from image_core.models.description import ModelConfig


@dataclass(frozen=True)
class Project:
    """A row of the table: the function, and what people should know of its files."""

    convert: Callable[[Path, Path, Asked], ModelConfig]
    summary: str
    #: The fields of `Asked` that this project reads, since no shape gives them -> their default, in words.
    usual: Mapping[str, str]


PROJECTS: dict[str, Project] = {
    "cgformer": Project(
        convert_cgformer,
        "CGFormer's network with BERT's vocabulary (vocab.txt)",
        {
            "max_words": "20 tokens an expression",
            "fusion_heads": "8 heads in each stage of the backbone",
            "size_px": "pictures of the side that its tables of positions are for",
        },
    ),
    "lavt": Project(
        convert_lavt,
        "LAVT's lavt or lavt_one with BERT's vocabulary (vocab.txt)",
        {
            "max_words": "20 tokens an expression",
            "fusion_heads": "1 head in each stage of the backbone unless its own arguments say others",
            "size_px": "pictures of 480 px unless its own arguments say others",
        },
    ),
    "partial_res": Project(
        convert_partial_res,
        "Partial-RES' segmentation model with its vocabulary (token_to_ix.pkl)",
        {"max_words": "15 tokens an expression", "size_px": "pictures of 640 px"},
    ),
    "rela": Project(
        convert_rela,
        "ReLA's GRES with a Swin backbone, with BERT's vocabulary (vocab.txt)",
        {
            "max_words": "20 tokens an expression",
            "fusion_heads": "1 head in each stage of the backbone",
            "heads": "heads of the pixel decoder that read 4 places each",
            "size_px": "pictures of 480 px",
        },
    ),
    "seqtr": Project(
        convert_seqtr,
        "SeqTR's segmentation model with its vocabulary (token_to_ix.pkl)",
        {"max_words": "15 tokens an expression", "heads": "8 heads", "size_px": "pictures of 640 px"},
    ),
}


def project(name: str) -> Project:
    """The row of `name`. Raises `UnknownNameError`."""
    row = PROJECTS.get(name.replace("-", "_").lower())
    if row is None:
        raise UnknownNameError("project", name, list(PROJECTS))
    return row


def convert(name: str, source: Path, out: Path, asked: Asked) -> ModelConfig:
    """The checkpoint `source` of the project `name` -> the model file `out`.

    Raises `UnknownNameError`, `ConfigError` for what this project has not, `CheckpointError` and `DataError`.
    """
    row = project(name)
    given = {f.name for f in fields(asked) if getattr(asked, f.name) is not None} - {"vocabulary"}
    if given - row.usual.keys():
        raise ConfigError(
            f"{name}: expected none of {', '.join(sorted(given - row.usual.keys()))}, as its shapes tell them or it "
            "has none: leave it out"
        )
    return row.convert(source, out, asked)
