"""SAM's prompt encoder and mask decoder (Kirillov et al., 2023, appendix A), for boxes.

An image has thousands of cells, and there are seven tokens. Where the two attend to each other, the projection of the
cells is multiplied into the tokens first: the result is the same, with half the work.

In training, images were padded to a square, and the tokens have learned to use the padding. Masks tend to be worse
without it, but it may be coarse: here it has half the resolution, and in attention each of its cells counts as four.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.convert.state_dicts import Rule, load_weights, rename_keys
from image_core.errors import CheckpointError
from image_core.grounded.onnx_tensors import FIX, read_tensors

NUM_HEADS = 8
NUM_MASKS = 4
"""Masks that are predicted for a prompt. The first is for prompts of several points, and is never used for a box."""

PADDING_STRIDE = 2
"""Cells of an embedding in a cell of its padding, along each side."""

_PROMPT_ENCODER = r"model\.prompt_encoder\."
RULES: tuple[Rule, ...] = (
    (r"mask_decoder\.(.+)", r"\1"),
    (r"transformer/layers\.(\d)/(\w+)/(\w+)/MatMul:1", r"transformer.layers.\1.\2.\3.weight"),
    (r"transformer/(final_attn_token_to_image)/(\w+)/MatMul:1", r"transformer.\1.\2.weight"),
    (r"output_upscaling/output_upscaling\.1/Mul:0", r"output_upscaling.1.weight"),
    (r"output_upscaling/output_upscaling\.1/Add_1:1", r"output_upscaling.1.bias"),
    (r"Expand_1:0", r"output_tokens"),
    (r"Mul_9:1", r"no_mask"),
    (_PROMPT_ENCODER + r"pe_layer\.positional_encoding_gaussian_matrix", r"frequencies"),
    (_PROMPT_ENCODER + r"point_embeddings\.2\.weight", r"upper_left"),
    (_PROMPT_ENCODER + r"point_embeddings\.3\.weight", r"lower_right"),
)
"""Tensors of the released file -> parts of `BoxDecoder`."""
GRID_TENSOR = "pe_layer/Constant"
UNUSED = re.compile(
    _PROMPT_ENCODER
    + r"(mask_downscaling\..+|not_a_point_embed.+|point_embeddings\.[01]\..+)|mask_downscaling/.+|Constant_\d+"
)
"""Tensors that are not used: those of prompts that are no boxes, and of the graph's arithmetic."""


class Attention(nn.Module):
    """Attention of several heads between tokens (N, T, C), or between them and an image's cells (1 or N, P, C)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(channels, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, channels)
        self.scale = (inner // NUM_HEADS) ** -0.5

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Tokens to tokens."""
        q, k, v = _split_heads(self.q_proj(queries)), _split_heads(self.k_proj(keys)), _split_heads(self.v_proj(values))
        weights = (q @ k.mT * self.scale).softmax(-1)
        return self.out_proj(_merge_heads(weights @ v))

    def attend_to_cells(self, queries: Tensor, cell_keys: Tensor, cells: Tensor, counts: Tensor) -> Tensor:
        """Tokens attend to cells: (N, T, C). cell_keys: cells plus position embeddings, from which keys are made.
        counts: (P,) above 0, as how many cells each one counts."""
        projected_queries = _split_heads(self.q_proj(queries)) @ _by_head(self.k_proj.weight)
        # The bias of the keys adds the same to all cells, which has no effect on the softmax.
        weights = (projected_queries.flatten(1, 2) @ cell_keys.mT * self.scale + counts.log()).softmax(-1)
        attended = (weights @ cells).unflatten(1, (NUM_HEADS, -1)) @ _by_head(self.v_proj.weight).mT
        return self.out_proj(_merge_heads(attended) + self.v_proj.bias)

    def attend_from_cells(self, cell_queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Cells attend to tokens: (N, P, C)."""
        k, v = _split_heads(self.k_proj(keys)), _split_heads(self.v_proj(values))
        offset = k @ self.q_proj.bias.view(NUM_HEADS, -1, 1)
        projected_keys = (k @ _by_head(self.q_proj.weight)).flatten(1, 2)
        scores = (projected_keys @ cell_queries.mT).unflatten(1, (NUM_HEADS, -1)) + offset
        weights = (scores * self.scale).softmax(2).flatten(1, 2)
        projected_values = v @ _by_head(self.out_proj.weight.T)
        return weights.mT @ projected_values.flatten(1, 2) + self.out_proj.bias


def _split_heads(x: Tensor) -> Tensor:
    """(N, T, inner) -> (N, heads, T, inner / heads)."""
    return x.unflatten(-1, (NUM_HEADS, -1)).transpose(1, 2)


def _merge_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _by_head(weight: Tensor) -> Tensor:
    """(inner, C) -> (heads, inner / heads, C)."""
    return weight.unflatten(0, (NUM_HEADS, -1))


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(channels))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


class TwoWayLayer(nn.Module):
    """Tokens attend to each other, then to the cells; then the cells attend to the tokens."""

    def __init__(self, channels: int, hidden: int, is_first: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.self_attn = Attention(channels, channels)
        self.cross_attn_token_to_image = Attention(channels, channels // 2)
        self.cross_attn_image_to_token = Attention(channels, channels // 2)
        self.mlp = nn.ModuleDict({"lin1": nn.Linear(channels, hidden), "lin2": nn.Linear(hidden, channels)})
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(channels) for _ in range(4))

    def forward(
        self, tokens: Tensor, cells: Tensor, prompts: Tensor, positions: Tensor, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """tokens, prompts: (N, T, C); cells: (1 or N, P, C); positions: (P, C); counts: (P,)."""
        if self.is_first:
            tokens = self.norm1(self.self_attn(tokens, tokens, tokens))
        else:
            tokens_with_prompts = tokens + prompts
            tokens = self.norm1(tokens + self.self_attn(tokens_with_prompts, tokens_with_prompts, tokens))
        cells_with_positions = cells + positions
        attended = self.cross_attn_token_to_image.attend_to_cells(tokens + prompts, cells_with_positions, cells, counts)
        tokens = self.norm2(tokens + attended)
        tokens = self.norm3(tokens + self.mlp["lin2"](self.mlp["lin1"](tokens).relu()))
        update = self.cross_attn_image_to_token.attend_from_cells(cells_with_positions, tokens + prompts, tokens)
        return tokens, self.norm4(cells + update)


class TwoWayTransformer(nn.Module):
    """Prompts (N, T, C), cells (1, P, C), their places (P, C) and counts (P,) -> tokens (N, T, C), cells (N, P, C)."""

    def __init__(self, channels: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(channels, hidden, is_first=i == 0) for i in range(layers))
        self.final_attn_token_to_image = Attention(channels, channels // 2)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(self, prompts: Tensor, cells: Tensor, positions: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        tokens = prompts
        for layer in self.layers:
            tokens, cells = layer(tokens, cells, prompts, positions, counts)
        attended = self.final_attn_token_to_image.attend_to_cells(tokens + prompts, cells + positions, cells, counts)
        return self.norm_final_attn(tokens + attended), cells


class Cells(NamedTuple):
    """What the decoder gets of an image: P cells. The first h * w become the mask; the others are padding, which is
    only attended to."""

    values: Tensor  # (1, P, C)
    positions: Tensor  # (P, C), position embeddings
    counts: Tensor  # (P,): as how many cells each one counts in attention
    height: int  # h
    width: int  # w


class BoxDecoder(nn.Module):
    """An embedding and boxes in its image -> the masks of what fills them.

    channels: of the embedding. hidden, layers: of the transformer. side: cells of the square that images were padded
    to in training; positions are relative to it.
    """

    def __init__(self, channels: int, hidden: int, layers: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.frequencies = nn.Parameter(torch.zeros(2, channels // 2))
        self.upper_left, self.lower_right = (nn.Parameter(torch.zeros(1, channels)) for _ in range(2))
        self.no_mask = nn.Parameter(torch.zeros(channels))
        self.output_tokens = nn.Parameter(torch.zeros(1, 1 + NUM_MASKS, channels))
        self.transformer = TwoWayTransformer(channels, hidden, layers)
        quarter, eighth = channels // 4, channels // 8
        # Transposed convolutions of 2 x 2 with a stride of 2: each cell becomes four, each by its own linear layer.
        upscaling = nn.Linear(channels, 4 * quarter), nn.LayerNorm(quarter, 1e-6), nn.Linear(quarter, 4 * eighth)
        self.output_upscaling = nn.ModuleDict(dict(zip(("0", "1", "3"), upscaling, strict=True)))
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(channels, channels, channels, eighth) for _ in range(NUM_MASKS)
        )
        self.iou_prediction_head = MLP(channels, channels, channels, NUM_MASKS)

    def cells_of(self, embedding: Tensor, padding: Tensor) -> Cells:
        """What all boxes of an image share. embedding: (1, C, h, w). padding: (1, C, side / 2, side / 2) of the whole
        square, of which the part beside the embedding is used."""
        height, width = embedding.shape[-2:]
        counts = self._padding_counts(height, width)
        is_padding = counts > 0
        values = (
            torch.cat([embedding.flatten(2), padding.flatten(2)[..., is_padding]], -1).mT.contiguous() + self.no_mask
        )
        positions = torch.cat(
            [self._grid(height, width), self._grid(*padding.shape[-2:], step=PADDING_STRIDE)[is_padding]]
        )
        return Cells(values, positions, torch.cat([counts.new_ones(height * width), counts[is_padding]]), height, width)

    def forward(self, cells_of_image: Cells, boxes: Tensor, multimask_output: bool = False) -> tuple[Tensor, Tensor]:
        """Boxes x0, y0, x1, y1 in cells (N, 4) -> log-odds (N, M, 4 h, 4 w) and estimates of their IoU with the true
        mask, (N, M) in about [0, 1]. M is 1, the mask of the best estimate, or with `multimask_output` `NUM_MASKS` - 1,
        all but the first."""
        height, width = cells_of_image.height, cells_of_image.width
        tokens, cells = self.transformer(
            self._prompts(boxes), cells_of_image.values, cells_of_image.positions, cells_of_image.counts
        )
        cells = cells[:, : height * width]
        ious = self.iou_prediction_head(tokens[:, 0])[:, 1:]
        filters = torch.stack([mlp(tokens[:, 2 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps[1:])], 1)
        if not multimask_output:
            best, each = ious.argmax(1), torch.arange(len(ious), device=ious.device)
            filters, ious = filters[each, best, None], ious[each, best, None]
        logits = self._upscale(cells) @ filters.mT
        planes = logits.view(-1, height, width, 2, 2, 2, 2, filters.shape[1]).permute(0, 7, 1, 3, 5, 2, 4, 6)
        return planes.reshape(len(boxes), -1, 4 * height, 4 * width), ious

    def _prompts(self, boxes: Tensor) -> Tensor:
        """(N, T, C): the output tokens, from which masks and IoU are computed, and two corners."""
        corners = self._position_embeddings(boxes.view(-1, 2, 2)) + torch.cat([self.upper_left, self.lower_right])
        return torch.cat([self.output_tokens.expand(len(boxes), -1, -1), corners], 1)

    def _padding_counts(self, height: int, width: int) -> Tensor:
        """(side / 2 * side / 2,): how many of the cells in each coarse cell lie outside an embedding."""
        outside = self.frequencies.new_ones(1, self.side, self.side)
        outside[:, :height, :width] = 0
        return F.avg_pool2d(outside, PADDING_STRIDE, divisor_override=1).flatten()

    def _grid(self, height: int, width: int, step: int = 1) -> Tensor:
        """(P, C): position embeddings of cells that are `step` cells large."""
        rows, columns = (step * (torch.arange(n, device=self.frequencies.device) + 0.5) for n in (height, width))
        return self._position_embeddings(torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)).flatten(0, 1)

    def _position_embeddings(self, xy: Tensor) -> Tensor:
        """(..., 2) in cells -> (..., C), position embeddings."""
        waves = 2 * math.pi * ((2 * xy / self.side - 1) @ self.frequencies)
        return torch.cat([waves.sin(), waves.cos()], -1)

    def _upscale(self, cells: Tensor) -> Tensor:
        """(N, P, C) -> (N, P * 16, C / 8)."""
        first, norm, second = (self.output_upscaling[name] for name in ("0", "1", "3"))
        halves = F.gelu(norm(first(cells).unflatten(-1, (4, -1))))
        return F.gelu(second(halves)).reshape(len(cells), 16 * cells.shape[1], -1)


def read_decoder(path: Path) -> BoxDecoder:
    """The network of MobileSAM's `decoder.onnx`; its sizes are read off the tensors.

    Raises `CheckpointError` for a file that is not whole, or of another network.
    """
    tensors = {name: tensor for name, tensor in read_tensors(path).items() if not UNUSED.fullmatch(name)}
    grid = tensors.pop(GRID_TENSOR, None)
    state = rename_keys(tensors, RULES, str(path))
    widening = state.get("transformer.layers.0.mlp.lin1.weight")
    if grid is None or widening is None:
        raise CheckpointError(f"{path}: expected SAM's mask decoder, got another model: {FIX}")
    hidden, channels = widening.shape
    layers = len({name.split(".")[2] for name in state if name.startswith("transformer.layers.")})
    network = BoxDecoder(channels, hidden, layers, len(grid))
    load_weights(network, state | _as_linear(state), str(path))
    return network


def _as_linear(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The transposed convolutions as linear layers."""
    linear = {}
    for name in ("output_upscaling.0", "output_upscaling.3"):
        weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
        if weight is not None and weight.ndim == 4 and bias is not None:
            linear |= {f"{name}.weight": weight.permute(2, 3, 1, 0).flatten(0, 2), f"{name}.bias": bias.repeat(4)}
    return linear
