"""CGFormer's two steps at a level: the tokens attend to the words (`Load`), then compete for the cells (`Grouping`).

Source: "Contrastive Grouping with Transformer for Referring Image Segmentation" (Tang et al., CVPR 2023), sections 3.2
and 3.3, known from the notes of a seminar; and a description of the authors' release, which differs. N pairs, T tokens,
L words, P cells, C channels.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.many_rows import linear_many_rows

Form = Literal["release", "paper"]
Share = Literal["hard", "soft", "none"]


class TokenMLP(nn.Module):
    """C -> 2 C -> C with GELU and dropout behind each."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(F.gelu(self.fc1(x)))))


class Load(nn.Module):
    """Tokens attend to words: (N, T, C) -> (N, T, C), T <- MLP(LN(T + CA(LN(T), LN(words)))), one head, no biases.

    `last`: only the last token attends, as released; the others skip CA.
    """

    def __init__(self, channels: int, text_channels: int, dropout: float, last: bool) -> None:
        super().__init__()
        self.last, self.attention_dropout = last, dropout
        self.norm_tokens, self.norm_words = nn.LayerNorm(channels), nn.LayerNorm(text_channels)
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(text_channels, channels, bias=False)
        self.to_v = nn.Linear(text_channels, channels, bias=False)
        self.out, self.dropout = nn.Linear(channels, channels), nn.Dropout(dropout)
        self.norm, self.mlp = nn.LayerNorm(channels), TokenMLP(channels, 0.0)

    def forward(self, tokens: Tensor, words: Tensor, pad_mask: Tensor) -> Tensor:
        """pad_mask: (N, L) bool, True on padding."""
        attending = tokens[:, -1:] if self.last else tokens
        normed_words = self.norm_words(words)
        attended = F.scaled_dot_product_attention(
            self.to_q(self.norm_tokens(attending)),
            self.to_k(normed_words),
            self.to_v(normed_words),
            attn_mask=~pad_mask[:, None],
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        attending = attending + self.dropout(self.out(attended))
        tokens = torch.cat([tokens[:, :-1], attending], 1) if self.last else attending
        return self.mlp(self.norm(tokens))


class Grouping(nn.Module):
    """Assigns each cell to one token and updates the tokens: (N, T, C), (N, P, C) -> (N, T, C), shares S (N, T, P).

      S = softmax over tokens((cos(W_q LN(T), W_k D) + G) / tau),  D = LN(cells),  G Gumbel noise, in training only
      hard: S becomes one-hot for each cell, with the gradient of the softmax; soft: S itself
      release: T <- MLP(LN(W_o (S W_v D / (n + 1)) + T)),  n the sum of S over cells
      paper:   T <- MLP(S W_k D / n) + T                   (Eq. 5; that D there is W_k D is a reading)
    The release also draws noise at inference, so its published figures depend on chance; here inference is
    deterministic. "none" is the ablation: ordinary attention of tokens over cells, which gives no assignment.

    In the release tau = exp(min(p, 0)), where p starts at 1 and so has no gradient: here p is a buffer. In the paper
    tau is learned, as exp(p) from p = 0.
    """

    def __init__(self, channels: int, form: Form, share: Share, dropout: float) -> None:
        super().__init__()
        self.form, self.share = form, share
        self.norm_cells, self.norm_tokens = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.to_q, self.to_k = nn.Linear(channels, channels), nn.Linear(channels, channels)
        if form == "release":
            self.to_v, self.out = nn.Linear(channels, channels), nn.Linear(channels, channels)
            self.norm, self.dropout = nn.LayerNorm(channels), nn.Dropout(dropout)
        self.mlp = TokenMLP(channels, dropout)
        if form == "release":
            self.register_buffer("log_temperature", torch.ones(1))
        elif share != "none":
            self.log_temperature = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        cells = self.norm_cells(cells)
        q, k = self.to_q(self.norm_tokens(tokens)), linear_many_rows(self.to_k, cells)
        if self.share == "none":
            shares = ((q * q.shape[-1] ** -0.5) @ k.transpose(1, 2)).softmax(-1)
            weights = shares
        else:
            shares = self._shares(F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(1, 2))
            count = shares.sum(-1, keepdim=True)
            weights = shares / (count + 1 if self.form == "release" else count.clamp(min=1))
        if self.form == "paper":
            return self.mlp(weights @ k) + tokens, shares
        # W_v of a weighted sum is the weighted sum of W_v: T products in place of P.
        total = weights.sum(-1, keepdim=True)
        gathered = F.linear(weights @ cells, self.to_v.weight) + total * self.to_v.bias
        return self.mlp(self.norm(self.dropout(self.out(gathered)) + tokens)), shares

    def _shares(self, similar: Tensor) -> Tensor:
        log_temperature = self.log_temperature.clamp(max=0) if self.form == "release" else self.log_temperature
        if self.training:
            similar = similar + gumbel_noise(similar)
        soft = (similar / log_temperature.exp()).softmax(1)
        if self.share == "soft":
            return soft
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
        return hard - soft.detach() + soft


def gumbel_noise(like: Tensor) -> Tensor:
    """-log(-log(u)), u uniform. The argmax of logits plus this noise is a sample from their softmax."""
    return -torch.empty_like(like).exponential_().log()
