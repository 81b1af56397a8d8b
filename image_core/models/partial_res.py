"""Partial-RES: SeqTR whose decoder is told its task and looks at the picture point by point, for few masks.

Source: "Learning to Segment Every Referring Object Point by Point" (Qu et al., CVPR 2023), its supplement, and what is
known of its release. No weights of its segmentation model are published. What is not said here is SeqTR's
(`models/seqtr.py`): the fused map F, encoder, coordinate tokens, loss, and the polygon that is filled.

Memory, M = h w + 1 tokens: the cells of F, and the sentence as one more, through SeqTR's projection together (its group
norm counts all M) and through the encoder together; the sentence has position zero and is no padding:
  z = encoder(GN(conv1x1([F_1, ..., F_hw, tanh(y)])))
Sequence: step 0 reads a learnt vector [TASK] in place of zero; step t > 0 reads
  e(s_t) + c(s_t)                                                            co-content (`layers/co_content.py`)
  c(x) = mean of z over the picture's column floor(x / bins * (w - 1)),  c(y) = the same of the row
true tokens in training, the model's own in testing. Each decoder layer adds to the logits of its cross-attention
  b(q, g, h) = -1/8 sum_d s_d^2 (p_d size_d - (g_d + 1/2))^2                 (`layers/point_attention.py`)
with a centre p and a scale s from query q for head h, over the cells g alone.

Learning from few masks, as published: (1) SeqTR is trained on the boxes of all pictures; (2) from these weights, on the
masks of x % of them; (3) the masks predicted for the rest are kept where they agree with their box (`weak/validity.py`,
projection loss below 0.1), and (2) is done again with both. The points of a kept mask are not the predicted ones: its
outline is sampled evenly again, which `targets` does with every mask, true or pseudo.
`task="box"` is step (1): a sequence of two corners, the outermost pixels of the mask; the filled box is the answer. All
tensors are those of `task="mask"`, so that step (2) can start from its file.

Readings and departures, each with its place:
- `cctf_transposed`: the release reads a row for an x and a column for a y, in training and in testing. Weights learnt
  so need True; False is what is meant.
- Lines, and the size in b, count the cells that are no padding, whatever a batch pads. A picture by itself has none.
- Modulation does not start at zero: at zero it could never learn (`layers/point_attention.py`).
- Step (1) trains this network, [TASK] and modulation included; the release starts from plain SeqTR. A box's first
  coordinate has weight 1 (1.5 in SeqTR), and its sequence has no end; an expression without a target is taught as four
  ends, which only `presence_logit` reads.
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
from image_core.layers.transformer import Memory, sine_position_of_valid
from image_core.models.contour import SequenceExtras, contour_decoder, padded_px, padding_cells
from image_core.models.seqtr import SeqTR, SeqTRConfig
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures

Task = Literal["mask", "box"]

_RECTANGLE = [0, 1, 2, 1, 2, 3, 0, 3]
"""Of x0, y0, x1, y1: the outline's four corners."""


@dataclass(frozen=True)
class PartialResConfig(SeqTRConfig):
    """SeqTR's fields; cctf_transposed: an x reads a row and a y a column, for weights of the release; task: what a
    sequence tells, a mask's contour or its box (the first stage)."""

    cctf_transposed: bool = False
    task: Task = "mask"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task == "box" and self.points < 2:
            raise ValueError(f"PartialResConfig.points: expected at least 2, the corners of a box, got {self.points}")


class PartialRES(SeqTR):
    """SeqTR's network with the sentence in its memory and a decoder with Partial-RES' three parts."""

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

    def remember(self, image: ImageFeatures, text: TextFeatures) -> Memory:
        """N rows of each -> h w + 1 tokens, the sentence last."""
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
        memory = self.remember(image, text)
        if targets is None:
            generated = self.decoder.generate(memory, coordinates=4)
            return self._answer(generated.tokens[:, _RECTANGLE], generated.logits[:, _RECTANGLE], image)
        logits = self.decoder(memory, targets[:, :-1])
        tokens = logits[..., : self.decoder.end].argmax(-1)
        answer = self._answer(tokens[:, _RECTANGLE], logits[:, _RECTANGLE], image)
        return replace(answer, extras=SequenceExtras(logits, targets))


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
