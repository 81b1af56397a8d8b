"""SeqTR: the mask's contour, predicted as a sequence of coordinate tokens.

Source: "SeqTR: A Simple yet Universal Network for Visual Grounding" (Zhu et al., ECCV 2022), and what is known of its
release. Its repository has no licence; this is written from a description and agrees with its figures (parity test).

`BottomUpFusion` joins the image's features at three strides into one map x. With the sentence vector y it becomes
F = tanh(x) * tanh(y) (`SeqTR.join`), and GN(conv1x1(F)) are the tokens of a transformer encoder, whose output is the
memory z (`SeqTR.encode_joined`). A decoder reads a contour from z, coordinate by coordinate (`models/contour.py`,
`layers/sequence_decoder.py`):
  P(s_t | s_<t, image, expression) = softmax(MLP(decoder(s_<t, z)))    over bins + 1 tokens
At inference decoding is greedy, up to the first `end`, and the polygon is filled. One contour cannot describe every
mask: holes are filled and smaller parts left out. Late fusion: a frame is encoded once for all expressions.

Readings and departures:
- `bin_offset` 0.5 decodes a token to the middle of its bin. Published is the lower edge (0.0), half a bin off.
- Polygons are filled by OpenCV, the outline included. Two points are filled as a line, which the release treats by its
  rule for boxes, and one point as a pixel, for which the release gives nothing.
- `presence_logit` is ours, since the published data have no absent targets: the true sequence of an expression without
  a target is all `end`.
- `memory_stride` 16 (ours): x at stride 16, [t16; v32 upsampled], where stride 32 would leave too few cells.
- Coordinates are relative to each image padded by itself to a multiple of 32 px, as published, whatever the batch
  pads.
- `sentence` is a linear layer where the text encoder's width is not `fusion_channels`; the published widths are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.darknet import DarknetConv
from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import STRIDES, VisionEncoder
from image_core.layers.blocks import resize_to
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import Memory, padding_cells, sine_position_of_valid
from image_core.models.base import whole_px
from image_core.models.contour import (
    ContourConfig,
    ContourModel,
    contour_decoder,
    transformer_encoder,
)
from image_core.types import ImageFeatures, TextFeatures, size_of


@dataclass(frozen=True)
class SeqTRConfig(ContourConfig):
    """The sequence transformer's fields and those of the fusion."""

    fusion_channels: int = 1024  # C of the fused map
    memory_stride: int = 32  # 32, or 16 (ours) for small images

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory_stride not in (16, 32):
            raise ValueError(f"SeqTRConfig.memory_stride: expected 16 or 32, got {self.memory_stride}")
        if self.fusion_channels < 1:
            raise ValueError(f"SeqTRConfig.fusion_channels: expected at least 1, got {self.fusion_channels}")


class BottomUpFusion(nn.Module):
    """Strides 8, 16, 32 -> one map (F, C, h, w) at stride 32: finer maps are pooled, convolved and concatenated.

      t16 = [conv3x3(avgpool2(v8)); v16],  t32 = [conv3x3(avgpool2(t16)); v32],  x = conv1x1(conv3x3(t32))
    Every convolution has batch norm and leaky ReLU. With stride 16, t32 is replaced by [t16; v32 upsampled].
    """

    def __init__(self, widths: Sequence[int], channels: int, stride: int) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.fine_down = DarknetConv(fine, fine, 3)
        self.middle_down = DarknetConv(fine + middle, fine + middle, 3) if stride == 32 else None
        both = fine + middle + coarse
        self.project = nn.Sequential(DarknetConv(both, both, 3), DarknetConv(both, channels, 1))

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        middle = torch.cat([self.fine_down(F.avg_pool2d(fine, 2)), middle], dim=1)
        if self.middle_down is None:
            return self.project(torch.cat([middle, resize_to(coarse, middle)], dim=1))
        return self.project(torch.cat([self.middle_down(F.avg_pool2d(middle, 2)), coarse], dim=1))


class SeqTR(ContourModel):
    """SeqTR's segmentation model over any pyramid with strides 4 to 32 and any text encoder."""

    config: SeqTRConfig

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: SeqTRConfig) -> None:
        super().__init__(vision, text, config)
        if vision.strides != STRIDES:
            raise ValueError(f"SeqTR: expected an encoder with strides {STRIDES}, got {vision.strides}")
        self.fusion = BottomUpFusion(vision.channels[1:], config.fusion_channels, config.memory_stride)
        same = text.channels == config.fusion_channels
        self.sentence = nn.Identity() if same else nn.Linear(text.channels, config.fusion_channels)
        c = config.channels
        self.to_tokens = nn.Sequential(
            nn.Conv2d(config.fusion_channels, c, 1), nn.GroupNorm(math.gcd(32, c // 2), c)
        )  # 32 groups as published; fewer in narrow models, two channels a group at least
        self.encoder = transformer_encoder(config)
        self.decoder = self.make_decoder()

    def make_decoder(self) -> CoordinateDecoder:
        """The decoder that reads the contour from the memory. Subclasses with another decoder override this."""
        return contour_decoder(self.config)

    @property
    def size_multiple(self) -> int:
        return max(self.vision.size_multiple, STRIDES[-1])

    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """The stem (stride 4) and the fused map x (`memory_stride`, fusion_channels); no text."""
        size_of(images, self.size_multiple)
        first, *rest = self.vision(images, stem=stem)
        return ImageFeatures(
            levels=(first, self.fusion(*rest)),
            strides=(4, self.config.memory_stride),
            valid_px=whole_px(images, valid_px),
        )

    def join(self, image: ImageFeatures, text: TextFeatures) -> Tensor:
        """N rows of each -> F = tanh(x) * tanh(y), (N, fusion_channels, h, w)."""
        return torch.tanh(image.levels[1]) * torch.tanh(self.sentence(text.sentence))[:, :, None, None]

    def build_memory(self, image: ImageFeatures, text: TextFeatures) -> Memory:
        """N rows of each -> F through the encoder."""
        return self.encode_joined(self.join(image, text), image.valid_px)

    def encode_joined(self, joined: Tensor, valid_px: Tensor) -> Memory:
        """F (N, fusion_channels, h, w) -> the encoder's h w tokens; padding is masked."""
        h, w = joined.shape[-2:]
        pad_mask = padding_cells(valid_px, (h, w), self.config.memory_stride)
        position = sine_position_of_valid(pad_mask, self.config.channels, joined.dtype)
        return self.encode(self.to_tokens(joined).flatten(2).transpose(1, 2), position, pad_mask.flatten(1), (h, w))
