"""`rvos convert`: convert a published checkpoint to a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import RvosError
from rvos.commands import options

_OPTIONS = {"max_words": "--words", "fusion_heads": "--fusion-heads", "heads": "--heads", "size_px": "--size"}


def convert(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="cgformer, lavt, partial_res, rela or seqtr.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="The published checkpoint (.pth or .safetensors).")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The model file to write (.safetensors).")],
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            "--vocabulary",
            metavar="FILE",
            help="Vocabulary file. Default: token_to_ix.pkl, vocab.txt or tokenizer.json beside IN.",
        ),
    ] = None,
    words: Annotated[
        int | None,
        typer.Option("--words", metavar="N", help="Tokens per expression in training (SeqTR on RefCOCOg: 20)."),
    ] = None,
    fusion_heads: Annotated[
        str | None,
        typer.Option(
            "--fusion-heads",
            metavar="N[,N,N,N]",
            help="Attention heads of the language fusion in each stage of the backbone (1; CGFormer 8).",
        ),
    ] = None,
    heads: Annotated[
        int | None,
        typer.Option(
            "--heads",
            metavar="N",
            help="Heads of SeqTR's transformer (8), or of ReLA's pixel decoder (so many that each samples 4 points).",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="PX", help="Side of the images in training (480; SeqTR and Partial-RES 640)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Convert a published checkpoint to a model file. Every command accepts it as --model OUT."""
    from image_core.convert.options import ConvertOptions
    from image_core.convert.table import convert as convert_checkpoint
    from image_core.convert.table import project as project_of

    project_of(project)
    if out.suffix != ".safetensors":
        raise RvosError(f"OUT: expected a name that ends in .safetensors, got {out}")
    if out.exists() and not overwrite:
        raise RvosError(
            f"OUT {out}: expected a new file, got one that exists: choose another name, or pass --overwrite"
        )
    if not out.parent.is_dir():
        raise RvosError(
            f"OUT {out}: expected an existing folder, got {out.parent}, which does not exist: create it first"
        )
    for option, number in (("--words", words), ("--heads", heads), ("--size", size)):
        if number is not None and number < 1:
            raise RvosError(f"{option}: expected 1 or more, got {number}")
    asked = ConvertOptions(vocabulary, words, _parse_heads(fusion_heads), heads, size)
    spec = convert_checkpoint(project, source, out, asked)
    assumed = {_OPTIONS[key]: text for key, text in project_of(project).defaults.items() if getattr(asked, key) is None}
    if as_json:
        figures = {"model": str(out), "bytes": out.stat().st_size, "description": spec.to_dict(), "taken": assumed}
        print(json.dumps(figures))
        return
    print(f"model: {out}")
    print(f"kind: {spec.name}, {out.stat().st_size / 1e6:.1f} MB")
    for option, text in assumed.items():
        print(f"assumed, because the checkpoint does not say it: {text} (change it with {option})")


def _parse_heads(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RvosError(f"--fusion-heads: expected numbers such as 8 or 1,2,4,8, got '{text}'")
    return tuple(map(int, parts))
