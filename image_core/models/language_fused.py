"""The encoder of LAVT, CGFormer and ReLA: each level of a pyramid is fused with the words before the next is computed.

Source: LAVT (Yang et al., CVPR 2022), section 3. With x_i the output of stage i of the encoder, and t the words:
  y_i = PWA_i(x_i, t),  level i = LN_i(y_i),  input of stage i + 1 = x_i + gate_i(y_i) * y_i
PWA and gate are in `layers/pixel_word.py`. The first stage is computed before fusion, once an image.

Any encoder with strides 4 to 32 will do. Swin v1, the published one, gets the windows of its code for segmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import STRIDES, VisionEncoder
from image_core.layers.pixel_word import LanguageGate, PixelWordAttention
from image_core.models.base import EarlyFusionModel
from image_core.types import ImageFeatures, TextFeatures


@dataclass(frozen=True)
class LanguageFusedConfig:
    """Fields of the fusion inside the encoder, beside which each paper has its own."""

    fusion_heads: tuple[int, ...] = (1, 1, 1, 1)  # of the pixel-word attention of each level, fine to coarse
    fusion_gates: bool = True  # False: the next stage gets x_i alone, without the gated y_i

    def __post_init__(self) -> None:
        if len(self.fusion_heads) != len(STRIDES):
            raise ValueError(
                f"{type(self).__name__}.fusion_heads: expected {len(STRIDES)} numbers, one a level, "
                f"got {self.fusion_heads}"
            )


class FusedPyramid(nn.Module):
    """Attention, gate and norm of each level. Stem and stages belong to the encoder."""

    def __init__(self, channels: Sequence[int], text_channels: int, heads: Sequence[int], gates: bool) -> None:
        super().__init__()
        self.attention = nn.ModuleList(
            PixelWordAttention(c, text_channels, h) for c, h in zip(channels, heads, strict=True)
        )
        self.gates = nn.ModuleList(LanguageGate(c) if gates else Ungated() for c in channels[:-1])
        self.norms = nn.ModuleList(nn.LayerNorm(c) for c in channels)

    def forward(self, stem: Tensor, stages: Sequence[nn.Module], text: TextFeatures) -> tuple[Tensor, ...]:
        """The stem's map (N, C_0, h, w) and N rows of text -> a map (N, C_i, h_i, w_i) of each level."""
        levels, x = [], stem
        for i, (attention, norm) in enumerate(zip(self.attention, self.norms, strict=True)):
            if i > 0:
                x = stages[i - 1](x)
            pixels = x.flatten(2).transpose(1, 2)
            fused = attention(pixels, text.words, text.word_pad_mask)
            levels.append(norm(fused).transpose(1, 2).unflatten(2, x.shape[2:]))
            if i < len(self.gates):
                x = self.gates[i](pixels, fused).transpose(1, 2).unflatten(2, x.shape[2:])
        return tuple(levels)


class Ungated(nn.Module):
    """The next stage gets no language features: (N, P, C) twice -> the first."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class LanguageFusedModel(EarlyFusionModel):
    """A model whose image features are the fused levels at strides 4, 8, 16, 32. Early fusion.

    Raises `ValueError` for encoders without these strides.
    """

    config: LanguageFusedConfig

    def __init__(
        self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: LanguageFusedConfig
    ) -> None:
        super().__init__(vision, text, config)
        if vision.strides != STRIDES:
            raise ValueError(f"expected an encoder with strides {STRIDES}, got {vision.strides}")
        vision.use_segmentation_windows()
        self.fusion = FusedPyramid(vision.channels, text.channels, config.fusion_heads, config.fusion_gates)

    def encode_before_fusion(self, stem: Tensor) -> tuple[Tensor, ...]:
        """The stem, first stage included: words enter after it."""
        return (stem,)

    def encode_fused(self, before: tuple[Tensor, ...], text: TextFeatures, valid_px: Tensor) -> ImageFeatures:
        """The four levels (N, C_i, H / s_i, W / s_i) of N pairs."""
        return ImageFeatures(self.fusion(before[0], list(self.vision.stages), text), STRIDES, valid_px)
