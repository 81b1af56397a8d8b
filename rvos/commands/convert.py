"""`rvos convert`: a published checkpoint into a model file of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from image_core.errors import RvosError
from rvos.commands import options


def convert(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="cgformer, lavt, partial_res, rela or seqtr.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="The published file (.pth or .safetensors).")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The model file to write (.safetensors).")],
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            "--vocabulary",
            metavar="FILE",
            help="Its words; by default token_to_ix.pkl, vocab.txt or tokenizer.json beside IN.",
        ),
    ] = None,
    words: Annotated[
        int | None,
        typer.Option("--words", metavar="N", help="Tokens an expression had in training (SeqTR on RefCOCOg: 20)."),
    ] = None,
    fusion_heads: Annotated[
        str | None,
        typer.Option(
            "--fusion-heads",
            metavar="N[,N,N,N]",
            help="Heads of the attention to words in each stage of the backbone, which no file tells; as published, "
            "if not given.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Bring a published checkpoint into a model file that every command takes (--model OUT)."""
    from image_core.convert.reading import Asked
    from image_core.convert.table import convert as convert_checkpoint
    from image_core.convert.table import project as project_of

    project_of(project)
    if out.suffix != ".safetensors":
        raise RvosError(f"OUT: expected a name that ends in .safetensors, got {out}")
    if out.exists() and not overwrite:
        raise RvosError(f"OUT {out}: is there already; take another name, or --overwrite")
    if not out.parent.is_dir():
        raise RvosError(f"OUT {out}: there is no folder {out.parent}; make it first")
    if words is not None and words < 1:
        raise RvosError(f"--words: expected 1 or more, got {words}")
    spec = convert_checkpoint(project, source, out, Asked(vocabulary, words, _heads(fusion_heads)))
    if as_json:
        print(json.dumps({"model": str(out), "bytes": out.stat().st_size, "description": spec.to_dict()}))
        return
    print(f"model: {out}")
    print(f"kind: {spec.name}, {out.stat().st_size / 1e6:.1f} MB")


def _heads(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RvosError(f"--fusion-heads: expected numbers such as 8 or 1,2,4,8, got '{text}'")
    return tuple(map(int, parts))
