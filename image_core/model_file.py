"""The header of a model file, and how other files are told apart from model files. Light to import: no torch.

The file is of safetensors. Its metadata key "rvos" is JSON: the format version, the model's description, its
preprocessing, its tokenizer and its provenance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from image_core.errors import CheckpointError

FORMAT_VERSION = 1
KEY = "rvos"
_PARTS = {"model": dict, "preprocessing": dict, "tokenizer": str, "provenance": dict}
_FOREIGN_PREFIXES = {  # prefixes that tell a known project's file, and what to do with it
    "vis_enc.darknet": "SeqTR",
    "backbone.layers.0.pwam_fusion": "CGFormer",
    "sem_seg_head.predictor": "ReLA",
    "backbone.layers.0.fusion": "LAVT",
}


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header alone, without the weights. Raises `CheckpointError` as `open_model_file` does."""
    with open_model_file(Path(path), "np") as (header, _):
        return header


@contextmanager
def open_model_file(path: Path, framework: Literal["pt", "np"]) -> Iterator[tuple[dict[str, Any], safe_open]]:
    """The checked header, and the open file, which gives tensors of `framework` (torch or numpy).

    Raises `CheckpointError`, in one line, for a file that is missing, truncated, a pickle or another project's.
    """
    if not path.is_file():
        given = "a folder" if path.is_dir() else "none"
        raise CheckpointError(
            f"model file {path}: expected a file, got {given}; give a .safetensors file, or a name from `rvos models`"
        )
    try:
        with safe_open(path, framework=framework) as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise CheckpointError(f"model file {path}: {_describe_foreign(list(file.keys()))}")
            yield _header(path, metadata[KEY]), file
    except SafetensorError as error:
        # Asked only now: the first bytes of a good file are a length, and can look like those of a pickle.
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK" or start[:1] == b"\x80":
            raise CheckpointError(
                f"model file {path}: expected a .safetensors file of ours, got a pickle, which can run code and is "
                "never loaded; `rvos convert` makes a model file of a known project's"
            ) from error
        raise CheckpointError(
            f"model file {path}: not a whole safetensors file ({' '.join(str(error).split())}); "
            "download or copy it again"
        ) from error


def _header(path: Path, text: str) -> dict[str, Any]:
    """The checked header: of this version, with every part in its place."""
    try:
        header = json.loads(text)
    except json.JSONDecodeError as error:
        raise damaged(path, f"is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise damaged(path, f"is damaged: expected an object, got {type(header).__name__}")
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"model file {path}: expected format version {FORMAT_VERSION}, got {version}; update rvos"
        )
    wrong = [name for name, kind in _PARTS.items() if not isinstance(header.get(name), kind)]
    if wrong:
        raise damaged(path, f"lacks {', '.join(wrong)}")
    return header


def damaged(path: Path, reason: str) -> CheckpointError:
    """The error for a file whose header is not valid."""
    return CheckpointError(f"model file {path}: its header {reason}; download or copy it again, or update rvos")


def _describe_foreign(keys: list[str]) -> str:
    for prefix, project in _FOREIGN_PREFIXES.items():
        if any(key.removeprefix("module.").startswith(prefix) for key in keys):
            return f"looks like a {project} checkpoint; convert it with `rvos convert {project.lower()} IN OUT`"
    shown = ", ".join(keys[:3]) or "no tensors"
    return f"expected a model file written by `rvos train` or `rvos convert`, got another file ({shown}, ...)"
