"""The configurations that the laws of models run over: every model of the table, ablations and readings included."""

from __future__ import annotations

from typing import Any

from image_core.models.description import EncoderConfig

VARIANTS: dict[str, dict[str, Any]] = {
    "s2rm": {},
    "s2rm as trained": {"update": "side_by_side", "presence_head": True, "bce_weight": 1.0, "auxiliary_weight": 0.4},
    "s2rm overwrite": {"update": "overwrite"},
    "s2rm accumulate": {"update": "accumulate"},
    "s2rm side by side": {"update": "side_by_side"},
    "s2rm no shift, side by side": {"max_steps": (1, 1, 1), "update": "side_by_side"},
    "s2rm lattice": {"max_steps": (4, 4, 2)},
    "s2rm every row, side by side": {"max_steps": (0, 0, 0), "update": "side_by_side"},
    "s2rm no balancing": {"balancing": "none"},
    "s2rm group balancing": {"balancing": "group"},
    "s2rm no casg attention": {"casg_attention": False},
    "s2rm l2v alone": {"directions": ("l2v",)},
    "s2rm v2l alone": {"directions": ("v2l",)},
    "s2rm rows alone": {"axes": ("row",)},
    "s2rm columns alone": {"axes": ("column",)},
    "s2rm presence head": {"presence_head": True},
    "s2rm no position": {"position": False},
    "s2rm one level": {"fused_strides": (32,), "max_steps": (2,), "presence_head": True, "auxiliary_weight": 0.4},
    "seqtr": {},
    "seqtr published encoders": {"fusion_channels": 16, "shuffle_share": 0.5, "bin_offset": 0.0},
    "partial_res": {},
    "partial_res cells": {"cell_weight": 1.0, "start_from_cells": True},
    "partial_res boxes": {"task": "box", "cctf_transposed": True},
    "safari": {},
    "safari no gates, words to picture": {"gate": "none", "amcr_source": "t2i", "cross_norm": False},
    "safari cells": {"cell_weight": 1.0, "start_from_cells": True, "amcr_words": "first"},
    "safari no amcr, stride 16": {"amcr_weight": 0.0, "memory_stride": 16, "fused_layers": 3},
    "haris": {"trainable": "all", "position_in_tokens": True},
    "haris sam and clip, frozen": {},
    "haris sam and clip, adapters": {"trainable": "adapters"},
    "haris sam and clip, all": {"trainable": "all"},
    "haris no hierarchy": {"hierarchy": False},
    "haris averaged words": {"decoder": "averaged_words"},
    "haris plain attention": {"block": "cross_attention"},
    "haris no feedback": {"feedback": False},
    "haris no vision-weighted attention": {"vision_weighted": False},
    "haris no language-weighted attention": {"language_weighted": False},
    "lavt": {},
    "lavt dice, no gates": {"loss": "dice", "fusion_gates": False},
    "lavt convolutions, words by a GRU": {"fusion_heads": (1, 1, 1, 1)},
    "rela": {},
    "rela paper": {"form": "paper", "fusion_heads": (1, 2, 2, 4)},
    "rela paper, no words, hard split": {"form": "paper", "language_attention": False, "looks": "squares"},
    "rela no regions, no minimap": {"region_attention": False, "minimap_weight": 0.0, "fusion_gates": False},
    "cgformer": {},
    "cgformer paper": {"form": "paper"},
    "cgformer paper, other encoder": {"form": "paper", "tokens": 3},
    "cgformer soft": {"grouping": "soft"},
    "cgformer no groups": {"grouping": "none", "fusion_gates": False},
    "cgformer paper, no groups": {"form": "paper", "grouping": "none", "contrastive_weight": 0.0},
}
_SAM = {"hidden_size": 12, "num_attention_heads": 2, "image_size": 64, "window_size": 2, "mlp_dim": 12}
_CLIP = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_SAM_AND_CLIP = (
    EncoderConfig("tiny_sam", options=_SAM),
    EncoderConfig("openai/clip-vit-base-patch32", options=_CLIP | {"max_position_embeddings": 24}),
)
_BERT = _CLIP | {"num_hidden_layers": 1, "max_position_embeddings": 24}
_CONVOLUTIONS = EncoderConfig("tiny", options={"channels": (8, 8, 16, 16), "layers": (1, 1, 1, 1)})
OTHER_ENCODERS = {
    "cgformer paper, other encoder": (_CONVOLUTIONS, EncoderConfig("small", options=_BERT)),
    "haris sam and clip, frozen": _SAM_AND_CLIP,
    "haris sam and clip, adapters": _SAM_AND_CLIP,
    "haris sam and clip, all": _SAM_AND_CLIP,
    "lavt convolutions, words by a GRU": (_CONVOLUTIONS, EncoderConfig("gru", options={"embedding": 8, "hidden": 8})),
    "seqtr published encoders": (
        EncoderConfig("darknet53", options={"width": 2, "blocks": (1, 1, 1, 1, 1)}),
        EncoderConfig("gru", options={"embedding": 8, "hidden": 8}),
    ),
}
"""Variants with encoders of another kind than their model has in the laws: SeqTR's and HARIS' are those of their
publications."""
OWN_PATHS = (
    "lavt",
    "lavt dice, no gates",
    "rela",
    "rela paper, no words, hard split",
    "s2rm",
    "s2rm as trained",
    "s2rm overwrite",
    "s2rm accumulate",
    "s2rm one level",
    "seqtr",
    "partial_res",
    "safari",
    "haris",
    "cgformer",
    "cgformer paper",
)
"""Between them they run every line that makes a tensor."""
CONTOURS = ("seqtr", "partial_res", "safari")
"""Models that trace and fill outlines in numpy: what that needs is no tensor of the device."""
