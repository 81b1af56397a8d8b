"""The fusion block of HARIS, human-like attention with feedback, and the plain cross-attention it is compared with.

Source: "HARIS: Human-Like Attention for Reference Image Segmentation" (arXiv 2405.10707), read without its formulas:
the text tells what each step does, the arithmetic is a reading.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from image_core.layers.blocks import CrossAttention


class LanguageWeighted(nn.Module):
    """Cells attend to words: LN(F_v + softmax over words(A) F_t U_t), (N, P, d)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.values = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, vision: Tensor, words: Tensor, similar: Tensor, pad_mask: Tensor) -> Tensor:
        """similar: (N, P, L), A; pad_mask: (N, L) bool."""
        weights = similar.masked_fill(pad_mask[:, None], -math.inf).softmax(-1)
        return self.norm(vision + weights @ self.values(words))


class VisionWeighted(nn.Module):
    """Words attend to cells: LN(F_t + softmax over cells(A^T) F_v U_v), (N, L, d)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.values = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, vision: Tensor, words: Tensor, similar: Tensor, cell_pad: Tensor) -> Tensor:
        """similar: (N, P, L), A; cell_pad: (N, P) bool."""
        weights = similar.transpose(1, 2).masked_fill(cell_pad[:, None], -math.inf).softmax(-1)
        return self.norm(words + weights @ self.values(vision))


class HumanLikeAttention(nn.Module):
    """Cells and words attend to each other; the result of this first pass is fed back into a second pass of the cells.

      A = (F_v W_v)(F_t W_t)^T / sqrt(d)                                           similarity, one head (Eq. 1)
      V = LW(F_v, F_t), T = VW(F_v, F_t)                                           both ways (Eq. 2)
      V' = LW(F_v + MLP(V * sigmoid(W_s s)), F_t)                                  feedback (Eq. 3), the same LW again
    s is the sentence vector. The symbols of Eq. 3 could not be read: that the sentence gates the cells of the first
    pass, and how, is a reading.

    Without `language_weighted` the cells are returned unchanged, and there is no feedback; without `vision_weighted`
    the words are.
    """

    def __init__(
        self, channels: int, sentence_channels: int, *, feedback: bool, language_weighted: bool, vision_weighted: bool
    ) -> None:
        super().__init__()
        # No biases: a bias of the cells would have no effect on the softmax over cells, nor one of the words on that
        # over words.
        self.vision_to_similarity = nn.Linear(channels, channels, bias=False)
        self.words_to_similarity = nn.Linear(channels, channels, bias=False)
        self.language_weighted = LanguageWeighted(channels) if language_weighted else None
        self.vision_weighted = VisionWeighted(channels) if vision_weighted else None
        self.gate = nn.Linear(sentence_channels, channels) if feedback and language_weighted else None
        if self.gate is not None:
            self.feedback = nn.Sequential(
                nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, channels)
            )

    def forward(
        self, vision: Tensor, words: Tensor, sentence: Tensor, pad_mask: Tensor, cell_pad: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(N, P, d), (N, L, d), (N, C), (N, L) bool, (N, P) bool -> cells (N, P, d) and words (N, L, d)."""
        similar = self._similarity(vision, words)
        seen = words if self.vision_weighted is None else self.vision_weighted(vision, words, similar, cell_pad)
        if self.language_weighted is None:
            return vision, seen
        first = self.language_weighted(vision, words, similar, pad_mask)
        if self.gate is None:
            return first, seen
        again = vision + self.feedback(first * self.gate(sentence).sigmoid()[:, None])
        return self.language_weighted(again, words, self._similarity(again, words), pad_mask), seen

    def _similarity(self, vision: Tensor, words: Tensor) -> Tensor:
        q, k = self.vision_to_similarity(vision), self.words_to_similarity(words)
        return (q * q.shape[-1] ** -0.5) @ k.transpose(1, 2)


class PlainAttention(nn.Module):
    """The ablation, multi-head cross-attention: LN(F_v + CA(F_v, F_t)). The words are returned unchanged."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention = CrossAttention(channels, channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, vision: Tensor, words: Tensor, sentence: Tensor, pad_mask: Tensor, cell_pad: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As `HumanLikeAttention`."""
        return self.norm(vision + self.attention(vision, words, pad_mask)), words
