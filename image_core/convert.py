"""Published checkpoints into ours: a table of key patterns for each project, strict in both directions.

A file is a state dict, or holds one under a known name; averaged weights are taken where there are both. Nothing of it
runs: pickles are read as tensors and plain values alone. Every tensor must match one pattern, and the model that the
shapes describe must be filled to the last tensor.
"""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from image_core.checkpoint import Provenance, save_model
from image_core.data.annotation_files import read_json, read_plain_pickle
from image_core.encoders.darknet import LEVEL_ENDS, darknet53
from image_core.encoders.gru import GruConfig, GruTextEncoder, fixed_length, word_tokenizer
from image_core.errors import CheckpointError, DataError, UnknownNameError
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.seqtr import SeqTRConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing

Rule = tuple[str, str]
"""A pattern of a whole published key, and our key; `{q,k,v}` in ours shares a stacked tensor out, equal rows each."""

_ATTENTION: tuple[Rule, ...] = tuple(
    (rf"head\.transformer\.(encoder|decoder)\.layers\.(\d+)\.{theirs}\.{key}", rf"\1.layers.\2.{ours}.{mine}")
    for theirs, ours in (("self_attn", "self_attention"), ("multihead_attn", "cross_attention"))
    for key, mine in (
        (r"in_proj_(weight|bias)", r"to_{q,k,v}.\3"),
        (r"out_proj\.(weight|bias)", r"out.\3"),
    )
)

SEQTR: tuple[Rule, ...] = (
    (r"vis_enc\.darknet\.(\d+)\.(.+)", r"vision.<\1>.\1.\2"),
    (r"lan_enc\.embedding\.weight", r"text.embedding.weight"),
    (r"lan_enc\.lstm\.(.+)", r"text.gru.\1"),
    (r"fusion\.down_bot2mid\.1\.(.+)", r"fusion.fine_down.\1"),
    (r"fusion\.down_mid2top\.1\.(.+)", r"fusion.middle_down.\1"),
    (r"fusion\.top_project\.(\d)\.(.+)", r"fusion.project.\1.\2"),
    (r"head\.transformer\.input_proj\.conv\.(.+)", r"to_tokens.0.\1"),
    (r"head\.transformer\.input_proj\.gn\.(.+)", r"to_tokens.1.\1"),
    *_ATTENTION,
    (
        r"head\.transformer\.(encoder|decoder)\.layers\.(\d+)\.(linear\d)\.(.+)",
        r"\1.layers.\2.feed_forward.\3.\4",
    ),
    (r"head\.transformer\.(encoder|decoder)\.layers\.(\d+)\.(norm\d\..+)", r"\1.layers.\2.\3"),
    (r"head\.transformer\.decoder\.norm\.(.+)", r"decoder.norm.\1"),
    (r"head\.transformer\.query_embedding\.weight", r"decoder.embedding.weight"),
    (r"head\.transformer\.seq_positional_encoding\.embedding\.weight", r"decoder.position.weight"),
    (r"head\.predictor\.0\.fc\.(.+)", r"decoder.head.0.\1"),
    (r"head\.predictor\.1\.fc\.(.+)", r"decoder.head.2.\1"),
    (r"head\.predictor\.2\.fc\.(.+)", r"decoder.head.4.\1"),
)
"""SeqTR's release, single task. Encoder layers lie bare in our model, and `<i>` is the part that holds module i."""

PARTIAL_RES: tuple[Rule, ...] = (
    *SEQTR,
    (r"head\.transformer\.task_prompt\.weight", r"decoder.task.weight"),
    (r"head\.transformer\.decoder\.layers\.(\d+)\.point\.(\d\..+)", r"decoder.layers.\1.point.mlp.\2"),
)
"""Partial-RES' release: SeqTR's, and two parts of its decoder."""


def renamed(state: Mapping[str, Tensor], rules: Sequence[Rule], source: str = "checkpoint") -> dict[str, Tensor]:
    """Published keys -> our keys. Raises `CheckpointError` for keys that no rule, or more than one, knows."""
    ours: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        names = [match.expand(target) for pattern, target in rules if (match := re.fullmatch(pattern, key))]
        if len(names) != 1:
            unknown.append(key)
            continue
        name = _place(names[0])
        if "{q,k,v}" in name:
            parts = {name.replace("{q,k,v}", part): rows for part, rows in zip("qkv", value.chunk(3), strict=True)}
        else:
            parts = {name: value}
        ours |= parts
    if unknown:
        raise CheckpointError(f"{source}: {_told(unknown, 'not of this project as it is known')}")
    return ours


def _place(name: str) -> str:
    """Encoder layers are a bare list in our model; a DarkNet module lies in the stem or a stage by its number."""
    name = re.sub(r"^encoder\.layers\.", "encoder.", name)

    def part(match: re.Match[str]) -> str:
        level = sum(int(match[1]) > end for end in LEVEL_ENDS)
        return "stem" if level == 0 else f"stages.{level - 1}"

    return re.sub(r"<(\d+)>", part, name)


def seqtr_description(state: Mapping[str, Tensor], max_words: int = 15) -> ModelConfig:
    """The model that SeqTR's published tensors belong to, read off their shapes; 8 heads, as every release has.

    Only what differs from the published sizes is named, so that it equals a configuration that says as little.
    Raises `CheckpointError` when one of the tensors that tell the sizes is missing.
    """

    def shape(key: str) -> Sequence[int]:
        if key not in state:
            raise CheckpointError(
                f"SeqTR checkpoint: expected a segmentation model with its encoders, got none with a tensor '{key}'"
            )
        return state[key].shape

    def count(pattern: str) -> int:
        return len({match[1] for key in state if (match := re.match(pattern, key))})

    tokens, channels = shape("head.transformer.query_embedding.weight")
    embedding = shape("lan_enc.embedding.weight")[1]
    hidden = shape("lan_enc.lstm.weight_hh_l0")[1]
    width = shape("vis_enc.darknet.0.conv.weight")[0]
    vision = {
        "width": width,
        "blocks": tuple(count(rf"vis_enc\.darknet\.{i}\.module_list\.(\d+)\.") for i in (2, 4, 6, 8, 10)),
    }
    config = {
        "fusion_channels": shape("fusion.top_project.1.conv.weight")[0],
        "channels": channels,
        "hidden": shape("head.transformer.decoder.layers.0.linear1.weight")[0],
        "encoder_layers": count(r"head\.transformer\.encoder\.layers\.(\d+)\."),
        "decoder_layers": count(r"head\.transformer\.decoder\.layers\.(\d+)\."),
        "bins": tokens - 1,
        "points": (shape("head.transformer.seq_positional_encoding.embedding.weight")[0] - 1) // 2,
        "bin_offset": 0.0,
    }
    return ModelConfig(
        name="seqtr",
        vision=EncoderConfig("darknet53", options=_differing(vision, darknet53)),
        text=EncoderConfig("gru", options=_differing({"embedding": embedding, "hidden": hidden}, GruConfig)),
        config=_differing(config, SeqTRConfig),
        max_words=max_words,
    )


def partial_res_description(state: Mapping[str, Tensor], max_words: int = 15) -> ModelConfig:
    """`seqtr_description` of Partial-RES' tensors, which were learnt with rows and columns in each other's place."""
    spec = seqtr_description(state, max_words)
    return replace(spec, name="partial_res", config={**spec.config, "cctf_transposed": True})


def _differing(values: Mapping[str, Any], made_by: Callable[..., Any]) -> dict[str, Any]:
    """The values that are not the defaults of the function or class they go to."""
    defaults = inspect.signature(made_by).parameters
    return {name: value for name, value in values.items() if value != defaults[name].default}


def convert_seqtr(
    source: Path,
    out: Path,
    vocabulary: Path | None = None,
    max_words: int = 15,
    *,
    rules: Sequence[Rule] = SEQTR,
    description: Callable[[Mapping[str, Tensor], int], ModelConfig] = seqtr_description,
) -> ModelConfig:
    """A segmentation checkpoint of SeqTR's family and its vocabulary -> a model file of ours, 640 px as published.

    vocabulary: the release's token_to_ix, a pickle or JSON of word -> row, with PAD and UNK; None: the one of that name
    beside `source`. max_words: tokens an expression had in training (15; 20 for RefCOCOg). Raises `CheckpointError` or
    `DataError`.
    """
    state = read_published(source)
    vocabulary = vocabulary or next(
        (path for path in (source.with_name(f"token_to_ix.{kind}") for kind in ("pkl", "json")) if path.is_file()), None
    )
    if vocabulary is None:
        raise DataError(f"{source}: no token_to_ix.pkl or .json beside it; put it there, or name it (--vocabulary)")
    spec = description(state, max_words)
    words = _vocabulary(vocabulary, state["lan_enc.embedding.weight"].shape[0])
    options = cast(dict[str, Any], spec.text.options)
    text = GruTextEncoder(
        GruConfig(vocabulary=state["lan_enc.embedding.weight"].shape[0], **options),
        fixed_length(word_tokenizer(words), max_words),
    )
    model = build_model(spec, tokenizer_json=text.tokenizer_json())
    fill(model, renamed(state, rules, str(source)), str(source))
    preprocessing = Preprocessing(640, "keep_ratio", 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), pixel_scale=1.0)
    provenance = Provenance(data=f"converted from {spec.name}'s {source.name}", words=tuple(sorted(words)))
    save_model(out, model, spec, preprocessing, provenance)
    return spec


def fill(model: torch.nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load strictly; presence calibration is ours and stays. Raises `CheckpointError` for all else that differs."""
    own = model.state_dict()
    wanted = {key for key in own if key not in ("presence_scale", "presence_offset")}
    differing = sorted(k for k in wanted & state.keys() if own[k].shape != state[k].shape)
    faults = [
        _told(sorted(keys), label)
        for label, keys in (
            ("missing", wanted - state.keys()),
            ("unexpected", state.keys() - wanted),
            ("of another shape", differing),
        )
        if keys
    ]
    if faults:
        raise CheckpointError(f"{source}: tensors do not fit the model they describe: {'; '.join(faults)}")
    model.load_state_dict({**own, **state}, strict=True)


def read_published(source: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or a torch file: averaged weights before plain ones, `module.` taken off."""
    if not source.is_file():
        raise CheckpointError(f"{source}: no such file: give a published checkpoint")
    try:
        if source.suffix == ".safetensors":
            content: Any = load_file(source)
        else:
            content = torch.load(source, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{source}: expected a file of tensors and plain values, got one that cannot be read "
            f"({type(error).__name__}): check that it is whole and that its suffix is right"
        ) from error
    for name in ("ema_state_dict", "model_ema", "state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
            break
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{source}: expected a state dict of tensors, got {type(content).__name__}")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _vocabulary(path: Path, rows: int) -> dict[str, int]:
    words = read_json(path) if path.suffix == ".json" else read_plain_pickle(path)
    if not isinstance(words, dict) or not {"PAD", "UNK"} <= words.keys():
        raise DataError(f"{path}: expected word -> row with PAD and UNK among the words, got {type(words).__name__}")
    if not all(type(row) is int for row in words.values()) or sorted(words.values()) != list(range(rows)):
        raise DataError(f"{path}: expected {rows} words, one for each of the checkpoint's rows, got {len(words)}")
    return {str(word): int(row) for word, row in words.items()}


def _told(keys: Sequence[str], label: str) -> str:
    return f"{len(keys)} {label} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"


@dataclass(frozen=True)
class Project:
    """A row of the table: the function, and what people should know of its files."""

    convert: Callable[[Path, Path, Path | None, int], ModelConfig]
    summary: str


PROJECTS: dict[str, Project] = {
    "partial_res": Project(
        partial(convert_seqtr, rules=PARTIAL_RES, description=partial_res_description),
        "Partial-RES' segmentation model with its vocabulary (token_to_ix.pkl)",
    ),
    "seqtr": Project(convert_seqtr, "SeqTR's segmentation model with its vocabulary (token_to_ix.pkl)"),
}


def project(name: str) -> Project:
    """The row of `name`. Raises `UnknownNameError`."""
    row = PROJECTS.get(name.replace("-", "_").lower())
    if row is None:
        raise UnknownNameError("project", name, list(PROJECTS))
    return row
