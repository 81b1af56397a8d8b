"""Partial-RES' release: SeqTR's, and two parts of its decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from torch import Tensor

from image_core.convert.seqtr import SEQTR, convert_seqtr, seqtr_description
from image_core.convert.state_dicts import non_defaults
from image_core.models.description import ModelConfig
from image_core.models.partial_res import PartialResConfig

PARTIAL_RES = replace(
    SEQTR,
    rules=(
        *SEQTR.rules,
        (r"head\.transformer\.task_prompt\.weight", r"decoder.task.weight"),
        (r"head\.transformer\.decoder\.layers\.(\d+)\.point\.(\d\..+)", r"decoder.layers.\1.point.mlp.\2"),
    ),
)


def partial_res_description(state: Mapping[str, Tensor], max_words: int = 15) -> ModelConfig:
    """`seqtr_description` of Partial-RES' tensors, which were trained with rows and columns swapped.

    The number of heads follows from the point modulation, which has four outputs a head.
    """
    spec = seqtr_description(state, max_words)
    points = state.get("head.transformer.decoder.layers.0.point.4.weight")
    heads = {} if points is None else non_defaults({"heads": len(points) // 4}, PartialResConfig)
    return replace(spec, name="partial_res", config={**spec.config, **heads, "cctf_transposed": True})


convert_partial_res = partial(convert_seqtr, table=PARTIAL_RES, description=partial_res_description)
"""As `convert_seqtr`."""
