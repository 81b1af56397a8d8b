"""Partial-RES: SeqTR with a task token and point-modulated attention in its decoder, for training with few masks.

Source: "Learning to Segment Every Referring Object Point by Point" (Qu et al., CVPR 2023), its supplement, and what is
known of its release. No weights of its segmentation model are published. What is not described here is as in SeqTR
(`models/seqtr.py`). New are a sentence token in the memory (`PartialRES.build_memory`) and three parts of the decoder
(`PartialRES.make_decoder`): a learnt first input [TASK], co-content teacher forcing, CCTF (`layers/co_content.py`), and
point-modulated attention, PMA (`layers/point_attention.py`).

Learning from few masks, as published: (1) train on the boxes of all images (`task="box"`); (2) from these weights, on
the masks of x % of them; (3) keep the masks predicted for the rest that agree with their box (`weak/validity.py`,
projection loss below 0.1), and do (2) again with both.

Readings and departures:
- `cctf_transposed`: the release reads a row for an x and a column for a y. Its weights need True.
- The lines of CCTF and the size in PMA count only cells that are no padding, so that they do not depend on the batch.
- Step (1) trains this network, [TASK] and modulation included; the release starts from plain SeqTR. A box's first
  coordinate has loss weight 1 (1.5 in SeqTR), and its sequence has no end token. For an expression without a target the
  true sequence is four end tokens, which only `presence_logit` reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.geometry.contours import quantise
from image_core.geometry.masks import bounding_box
from image_core.layers.co_content import CoContent
from image_core.layers.point_attention import PointModulation
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import Memory, padding_cells, sine_position_of_valid
from image_core.models.contour import SequenceExtras, contour_decoder, padded_px
from image_core.models.seqtr import SeqTR, SeqTRConfig
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures

Task = Literal["mask", "box"]

_RECTANGLE = [0, 1, 2, 1, 2, 3, 0, 3]
"""Indices into (x0, y0, x1, y1) that give the four corners of the outline."""


@dataclass(frozen=True)
class PartialResConfig(SeqTRConfig):
    """SeqTR's fields and two more."""

    cctf_transposed: bool = False  # an x reads a row and a y a column, for weights of the release
    task: Task = "mask"  # what a sequence encodes: a mask's contour, or its box (step 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task == "box" and self.points < 2:
            raise ValueError(f"PartialResConfig.points: expected at least 2, the corners of a box, got {self.points}")


class PartialRES(SeqTR):
    """SeqTR's network with the sentence in its memory and a decoder with Partial-RES' three parts.

    With `task="box"` a sequence is two corners, the outermost pixels of the mask, and the filled box is the answer. All
    tensors are those of `task="mask"`, so that one can start from the other's file.
    """

    config: PartialResConfig

    def make_decoder(self) -> CoordinateDecoder:
        """With [TASK], co-content and modulation."""
        config = self.config
        return contour_decoder(
            config,
            task=nn.Embedding(1, config.channels),
            co_content=CoContent(config.bins, config.cctf_transposed),
            modulations=[PointModulation(config.channels, config.heads) for _ in range(config.decoder_layers)],
        )

    def build_memory(self, image: ImageFeatures, text: TextFeatures) -> Memory:
        """N rows of each -> z = encoder(GN(conv1x1([F_1, ..., F_hw, tanh(y)]))), h w + 1 tokens, the sentence last.

        The sentence token has position zero and is never padding; the group norm runs over all tokens.
        """
        joined = self.join(image, text)
        sentence = torch.tanh(self.sentence(text.sentence))
        columns = torch.cat([joined.flatten(2), sentence[:, :, None]], dim=2)
        tokens = self.to_tokens(columns[..., None])[..., 0].transpose(1, 2)
        h, w = joined.shape[-2:]
        pad_mask = padding_cells(image.valid_px, (h, w), self.config.memory_stride)
        position = sine_position_of_valid(pad_mask, self.config.channels, joined.dtype)
        position, pad_mask = F.pad(position, (0, 0, 0, 1)), F.pad(pad_mask.flatten(1), (0, 1))
        return self.encode(tokens, position, pad_mask, cells=(h, w))

    def targets(self, batch: ImageBatch) -> Tensor:
        """(N, 2 points) long: contours as tokens; of boxes (N, 4): two corners."""
        if self.config.task == "mask":
            return super().targets(batch)
        frame_px = padded_px(batch.valid_px[batch.frame_index], self.size_multiple)
        return box_tokens(batch.masks, frame_px, self.config.bins)

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Tensor | None = None) -> Prediction:
        """A box is answered as the rectangle that it fills."""
        if self.config.task == "mask":
            return super().decode(image, text, targets)
        memory = self.build_memory(image, text)
        if targets is None:
            generated = self.decoder.generate(memory, coordinates=4)
            return self._to_prediction(generated.tokens[:, _RECTANGLE], generated.logits[:, _RECTANGLE], image)
        logits = self.decoder(memory, targets[:, :-1])
        tokens = logits[..., : self.decoder.end].argmax(-1)
        prediction = self._to_prediction(tokens[:, _RECTANGLE], logits[:, _RECTANGLE], image)
        return replace(prediction, extras=SequenceExtras(logits, targets, memory.cell_logits))


def box_tokens(masks: Tensor, frame_px: Tensor, bins: int) -> Tensor:
    """(N, H, W) masks in {0, 1} -> (N, 4) long: x0, y0, x1, y1 of the outermost pixels; `bins` = end for empty masks.

    frame_px: (N, 2) sides that coordinates are relative to. All parts of a mask count.
    """
    rows = np.full((len(masks), 4), bins, np.int64)
    for row, mask, (height, width) in zip(rows, masks.cpu().numpy() > 0.5, frame_px.tolist(), strict=True):
        box = bounding_box(mask)
        if box is not None:
            x0, y0, x1, y1 = box
            corners = np.array([[x0, y0], [x1 - 1, y1 - 1]])
            row[:] = quantise(corners, (height, width), bins).reshape(-1)
    return torch.from_numpy(rows).to(masks.device)
