"""The image encoder of SAM (Kirillov et al., ICCV 2023) as a stem and three stages, all at stride 16.

transformers' encoder takes images of one size only and returns only the last block. Here its table of positions is
interpolated to the grid of the image; transformers itself interpolates the tables of the blocks and pads windows.
transformers is imported only when an encoder is built, and the hub only when weights are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from image_core.errors import ConfigError

STRIDE = 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

SAM_ENCODERS: dict[str, dict[str, Any]] = {
    "facebook/sam-vit-base": {},
    "facebook/sam-vit-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "global_attn_indexes": (5, 11, 17, 23),
    },
    "facebook/sam-vit-huge": {
        "hidden_size": 1280,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "global_attn_indexes": (7, 15, 23, 31),
    },
    "tiny_sam": {
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 128,
        "window_size": 4,
        "global_attn_indexes": (2,),
        "mlp_dim": 96,
    },
}
"""Hub names, and one of ours -> the fields that differ from the defaults of transformers' `SamVisionConfig`. With them
an encoder can be rebuilt without the hub."""

_ARCHITECTURE_FIELDS = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "mlp_dim", "image_size", "patch_size"),
    *("window_size", "global_attn_indexes", "use_abs_pos", "use_rel_pos", "qkv_bias", "hidden_act", "layer_norm_eps"),
)
"""Fields of a configuration that define the architecture."""


class SamStem(nn.Module):
    """Patches and their learned positions: (F, 3, H, W) -> (F, H/16, W/16, C), the table interpolated to that grid."""

    def __init__(self, patches: nn.Module, positions: nn.Parameter) -> None:
        super().__init__()
        self.patches = patches
        self.positions = positions  # (1, h, w, C)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images)
        table = self.positions.permute(0, 3, 1, 2)
        if table.shape[2:] != x.shape[2:]:
            table = F.interpolate(table, size=x.shape[2:], mode="bicubic", align_corners=False)
        return (x + table).permute(0, 2, 3, 1)


def sam_modules(
    name: str, *, pretrained: bool, folder: Path | None, options: Mapping[str, Any]
) -> tuple[list[list[nn.Module]], int]:
    """The modules of the stem and of three stages, each a third of the blocks, NHWC from the stem on; their channels.

    name: of `SAM_ENCODERS`; options: fields of `SamVisionConfig`, over those of the name. pretrained: weights of the
    hub's repository of that name; folder: those of a folder in its format. Raises `ConfigError` for options that cannot
    be used or are not those of the weights, `CheckpointError` for weights that cannot be read.
    """
    config = _config(name, options)
    if folder is None and pretrained and "/" not in name:
        raise ConfigError(
            f"vision encoder '{name}': expected no pretrained, as it has no published weights, got it: leave it out"
        )
    encoder = _load_pretrained(name, folder, config) if pretrained or folder is not None else _build_untrained(config)
    if encoder.pos_embed is None:
        raise ConfigError(f"vision encoder '{name}': expected use_abs_pos, got an encoder without positions")
    blocks = list(encoder.layers)
    ends = [0, *(round(len(blocks) * share / 3) for share in (1, 2, 3))]
    stem = SamStem(encoder.patch_embed.projection, encoder.pos_embed)
    return [[stem], *(blocks[a:b] for a, b in pairwise(ends))], config.hidden_size


def _config(name: str, options: Mapping[str, Any]) -> Any:
    from transformers import SamVisionConfig

    unknown = sorted(set(options) - set(_ARCHITECTURE_FIELDS))
    if unknown:
        raise ConfigError(
            f"vision encoder '{name}': expected options of {', '.join(_ARCHITECTURE_FIELDS)}, got {unknown}"
        )
    # The default of random weights, 1e-10, would leave nothing to learn from.
    config: Any = SamVisionConfig(initializer_range=0.02, **{**SAM_ENCODERS[name], **options})
    if config.num_hidden_layers < 3 or config.patch_size != STRIDE or config.image_size % STRIDE:
        raise ConfigError(
            f"vision encoder '{name}': expected 3 blocks or more, patches of {STRIDE} px and an image_size that "
            f"divides by it, got {config.num_hidden_layers}, {config.patch_size} and {config.image_size}"
        )
    return config


def _build_untrained(config: Any) -> Any:
    from transformers import SamVisionModel

    model: Any = SamVisionModel
    return model._from_config(config, attn_implementation="sdpa").train().vision_encoder


def _load_pretrained(name: str, folder: Path | None, config: Any) -> Any:
    from image_core.hub.loading import Placement, read_network
    from image_core.hub.sources import find_source

    source = find_source(name if folder is None else str(folder))
    encoder = read_network(source, "SamModel", "SamProcessor", Placement("cpu")).model.vision_encoder
    stored = {field: _plain(getattr(encoder.config, field)) for field in _ARCHITECTURE_FIELDS}
    differing = {field: value for field, value in stored.items() if value != _plain(getattr(config, field))}
    if differing:
        raise ConfigError(
            f"vision encoder '{name}': expected weights of its sizes, got others in {source.name}: "
            f"set options to what they have, {differing}"
        )
    return encoder.train().requires_grad_(True)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
