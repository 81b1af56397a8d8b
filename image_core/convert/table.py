"""The one table of projects whose checkpoints can be converted. The names alone cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from image_core.convert.options import ConvertOptions, check_source
from image_core.errors import ConfigError
from image_core.lazy_table import LazyTable
from image_core.models.description import ModelConfig

Converter = Callable[[Path, Path, ConvertOptions], ModelConfig]
"""A published file, the model file to write, and what was asked -> the model's description."""


@dataclass(frozen=True)
class Project:
    """A row of the table: a project and the options of its conversion."""

    summary: str
    #: The fields of `ConvertOptions` that this project reads, since no shape gives them -> their default, in words.
    defaults: Mapping[str, str]


CONVERTERS: LazyTable[Converter] = LazyTable(
    "project",
    {
        "cgformer": "image_core.convert.cgformer:convert_cgformer",
        "lavt": "image_core.convert.lavt:convert_lavt",
        "partial_res": "image_core.convert.partial_res:convert_partial_res",
        "rela": "image_core.convert.rela:convert_rela",
        "seqtr": "image_core.convert.seqtr:convert_seqtr",
    },
)
"""Name -> function. Their modules import torch."""

PROJECTS: dict[str, Project] = {
    "cgformer": Project(
        "CGFormer's network with BERT's vocabulary (vocab.txt)",
        {
            "max_words": "20 tokens an expression",
            "fusion_heads": "8 heads in each stage of the backbone",
            "size_px": "pictures of the side that its tables of positions are for",
        },
    ),
    "lavt": Project(
        "LAVT's lavt or lavt_one with BERT's vocabulary (vocab.txt)",
        {
            "max_words": "20 tokens an expression",
            "fusion_heads": "1 head in each stage of the backbone unless its own arguments say others",
            "size_px": "pictures of 480 px unless its own arguments say others",
        },
    ),
    "partial_res": Project(
        "Partial-RES' segmentation model with its vocabulary (token_to_ix.pkl)",
        {"max_words": "15 tokens an expression", "size_px": "pictures of 640 px"},
    ),
    "rela": Project(
        "ReLA's GRES with a Swin backbone, with BERT's vocabulary (vocab.txt)",
        {
            "max_words": "20 tokens an expression",
            "fusion_heads": "1 head in each stage of the backbone",
            "heads": "heads of the pixel decoder that read 4 places each",
            "size_px": "pictures of 480 px",
        },
    ),
    "seqtr": Project(
        "SeqTR's segmentation model with its vocabulary (token_to_ix.pkl)",
        {"max_words": "15 tokens an expression", "heads": "8 heads", "size_px": "pictures of 640 px"},
    ),
}


def project(name: str) -> Project:
    """The row of `name`. Raises `UnknownNameError`."""
    return PROJECTS[CONVERTERS.canonical_name(name.lower())]


def convert(name: str, source: Path, out: Path, options: ConvertOptions) -> ModelConfig:
    """The checkpoint `source` of the project `name` -> the model file `out`.

    Raises `UnknownNameError`, `ConfigError` for what this project has not, `CheckpointError` and `DataError`; what is
    named and not there before anything heavy is imported.
    """
    entry = project(name)
    given = {f.name for f in fields(options) if getattr(options, f.name) is not None} - {"vocabulary"}
    if given - entry.defaults.keys():
        raise ConfigError(
            f"{name}: expected none of {', '.join(sorted(given - entry.defaults.keys()))}, which its shapes "
            "determine or it does not have: leave it out"
        )
    check_source(source)
    options.check_vocabulary()
    return CONVERTERS.find(name.lower())(source, out, options)
