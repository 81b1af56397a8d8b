"""CGFormer: query tokens compete for the cells of the image; the last token stands for the target.

Source: "Contrastive Grouping with Transformer for Referring Image Segmentation" (Tang et al., CVPR 2023), known from
the notes of a seminar and from a description of the authors' release. The two differ, and `form` chooses:

  release  two tokens; only the last one attends to words, from the second level on; no residual; no contrastive term;
           the loss of the assignments has a second sigmoid; the mask's kernel runs over a border of one cell
  paper    N + 1 tokens that all attend to words at every level; a residual (Eq. 5); the contrastive term; no border

Words enter inside the encoder (`language_fused.py`). The decoder runs from deep to shallow: each step fuses two
neighbouring levels into a map of C channels, on which the tokens attend to words and group the cells
(`token_grouping.py`). The last token, through a linear layer, is the kernel of a 1x1 convolution over the finest map,
upsampled by 4. Presence: `presence_from_mask`.

Readings: N = 8; the contrastive term is InfoNCE over cosines with temperature 0.07 and weight 0.1, its negatives are
the other tokens of the pair and the other expressions of the batch; in the paper's form all tokens attend to words at
every level; the groupings of the second and third level share their weights in both forms, as released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.field_types import check_fields
from image_core.layers.blocks import mask_score, presence_from_mask
from image_core.layers.doubled_conv import DoubledConv
from image_core.layers.top_down import TopDownStep, upsample
from image_core.losses import at_size, bce_loss, dice_loss, dice_loss_of_probs
from image_core.models.language_fused import LanguageFusedConfig, LanguageFusedModel
from image_core.models.token_grouping import Form, Grouping, Load, Share
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures

OTHER_TOKENS = 8
"""N of the paper's form."""


@dataclass(frozen=True)
class CGFormerConfig(LanguageFusedConfig):
    """Sizes and readings of CGFormer. Lists over its three levels run from stride 16 to stride 4."""

    fusion_heads: tuple[int, ...] = (8, 8, 8, 8)
    form: Form = "release"
    tokens: int = 0  # number of tokens, with the target's; 0: as many as the form has, 2 or 9
    channels: int = 512
    grouping: Share = "hard"  # "soft" and "none": the ablations
    table_px: int = 480  # image side that the tables of positions fit; they are interpolated for other sizes
    dropout: float = 0.1  # of `Load` and `Grouping`
    dice_weight: float = 1.0
    bce_weight: float = 1.0
    share_weights: tuple[float, ...] = (0.001, 0.01, 0.1)  # of the dice on the last token's cells, one a level
    contrastive_weight: float = 0.1  # paper's form
    contrastive_temperature: float = 0.07

    def __post_init__(self) -> None:
        check_fields(self)
        super().__post_init__()
        if self.tokens < 0 or self.tokens == 1:
            raise ValueError(f"CGFormerConfig.tokens: expected 0 (the form's) or 2 and more, got {self.tokens}")
        if self.channels < 1:
            raise ValueError(f"CGFormerConfig.channels: expected at least 1, got {self.channels}")
        if self.table_px < 16 or self.table_px % 16:
            raise ValueError(f"CGFormerConfig.table_px: expected a multiple of 16, got {self.table_px}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"CGFormerConfig.dropout: expected 0 to below 1, got {self.dropout}")
        if len(self.share_weights) != 3:
            raise ValueError(f"CGFormerConfig.share_weights: expected 3, a level each, got {self.share_weights}")
        if min(self.dice_weight, self.bce_weight, self.contrastive_weight, *self.share_weights) < 0:
            raise ValueError("CGFormerConfig: expected weights of losses of 0 or more, got less")
        if not self.contrastive_temperature > 0:
            raise ValueError(
                f"CGFormerConfig.contrastive_temperature: expected above 0, got {self.contrastive_temperature}"
            )

    @property
    def token_count(self) -> int:
        """T, the number of tokens; the last one stands for the target."""
        return self.tokens or (2 if self.form == "release" else OTHER_TOKENS + 1)

    @property
    def is_contrastive(self) -> bool:
        """Whether the loss has a contrastive term (and the model the linear layer for it)."""
        return self.form == "paper" and self.contrastive_weight > 0


class LevelPositions(nn.Module):
    """A learned table of n x n position embeddings, interpolated (bicubic) to any grid: (1, h w, C)."""

    def __init__(self, n: int, channels: int) -> None:
        super().__init__()
        self.n = n
        self.table = nn.Parameter(torch.randn(n * n, channels) * channels**-0.5)

    def forward(self, cells: tuple[int, int]) -> Tensor:
        if cells == (self.n, self.n):
            return self.table[None]
        square = self.table.T.unflatten(1, (self.n, self.n))[None]
        return F.interpolate(square, size=cells, mode="bicubic", align_corners=False).flatten(2).transpose(1, 2)


class KernelHead(nn.Module):
    """The target's mask: two `DoubledConv`, a 1x1 convolution, and a 1x1 convolution whose kernel is made of the token.

    (N, C, h, w) and (N, C) -> (N, 4 h, 4 w). Both 1x1 convolutions are linear, so they are folded into one product with
    a vector. `border`: the release pads the map by one cell before the token's kernel, so that its mask has a frame of
    the kernel's bias, and resizes the mask (corners aligned) to the image's size.
    """

    def __init__(self, channels: int, border: bool) -> None:
        super().__init__()
        self.border = border
        self.first, self.second = DoubledConv(channels, channels), DoubledConv(channels, channels)
        self.project = nn.Linear(channels, channels)
        self.kernel = nn.Linear(channels, channels + 1)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        mask = self.convolved(x, token)
        return upsample(mask, mask.shape[2] - 2, mask.shape[3] - 2)[:, 0] if self.border else mask[:, 0]

    def convolved(self, x: Tensor, token: Tensor) -> Tensor:
        """Logits before the border is resized away: (N, 1, 4 h, 4 w), with `border` (N, 1, 4 h + 2, 4 w + 2)."""
        weights, bias = self.kernel(token).split([x.shape[1], 1], 1)
        folded = weights @ self.project.weight
        mask = self.second.forward_reduced(self.first(x), lambda y: torch.einsum("nchw,nc->nhw", y, folded)[:, None])
        mask = mask + (weights @ self.project.bias[:, None])[..., None, None]
        return (F.pad(mask, (1, 1, 1, 1)) if self.border else mask) + bias[..., None, None]


@dataclass(frozen=True)
class CGFormerExtras:
    """What the losses need besides the mask."""

    #: Share of each cell that goes to the target's token, (N, h_i, w_i) in [0, 1], strides 16, 8, 4; () for "none".
    shares: tuple[Tensor, ...]
    tokens: Tensor | None  # (N, T, C) after the last level; None without a contrastive term
    sentence: Tensor | None  # (N, C)


class CGFormer(LanguageFusedModel):
    """CGFormer over any pyramid and any text encoder. Early fusion: words enter inside the encoder.

    The mask is as large as the input.
    """

    mask_stride = 1
    config: CGFormerConfig

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: CGFormerConfig) -> None:
        super().__init__(vision=vision, text=text, config=config)
        c, release = config.channels, config.form == "release"
        finest, fine, middle, coarse = vision.channels
        self.tokens = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.token_count, c), std=0.02))
        self.fuses = nn.ModuleList(
            TopDownStep(deeper, finer, c, bias=True) for deeper, finer in ((coarse, middle), (c, fine), (c, finest))
        )
        self.positions = nn.ModuleList(LevelPositions(config.table_px // stride, c) for stride in (16, 8, 4))
        levels = range(1 if release else 0, 3)
        self.loads = nn.ModuleDict({str(i): Load(c, text.channels, config.dropout, last=release) for i in levels})
        self.groups = nn.ModuleList(Grouping(c, config.form, config.grouping, config.dropout) for _ in range(2))
        self.head = KernelHead(c, border=release)
        self.sentence = nn.Linear(text.channels, c) if config.is_contrastive else None

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        x, tokens, shares = self.read(image, text)
        mask_logits = self.head(x, tokens[:, -1])
        return Prediction(
            mask_logits=mask_logits,
            presence_logit=presence_from_mask(mask_logits),
            score=mask_score(mask_logits),
            extras=self._extras(tokens, shares, text) if self.training else None,
        )

    def read(self, image: ImageFeatures, text: TextFeatures) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The finest fused map (N, C, H/4, W/4), the tokens after the last level (N, T, C), and the cells that each
        token got at each level, (N, T, h_i, w_i), strides 16, 8, 4."""
        *finer, x = image.levels
        tokens = self.tokens.expand(len(x), -1, -1)
        shares = []
        for i, (level, fuse, position) in enumerate(zip(reversed(finer), self.fuses, self.positions, strict=True)):
            x = fuse(x, level)
            if str(i) in self.loads:
                tokens = self.loads[str(i)](tokens, text.words, text.word_pad_mask)
            h, w = x.shape[2:]
            cells = x.flatten(2).transpose(1, 2) + position((h, w))
            tokens, share = self.groups[min(i, 1)](tokens, cells)
            shares.append(share.unflatten(2, (h, w)))
        return x, tokens, shares

    def _extras(self, tokens: Tensor, shares: list[Tensor], text: TextFeatures) -> CGFormerExtras:
        return CGFormerExtras(
            shares=tuple(share[:, -1] for share in shares) if self.config.grouping != "none" else (),
            tokens=None if self.sentence is None else tokens,
            sentence=None if self.sentence is None else self.sentence(text.sentence),
        )

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """dice (over expressions that have a target) and bce; in training also shares, and contrastive in the paper's
        form.

        In the release's form, shares applies a sigmoid to values that are 0 or 1 already, as published.
        """
        c, logits, has_target = self.config, prediction.mask_logits, batch.has_target
        truth = at_size(batch.masks, logits)
        terms = {
            "dice": c.dice_weight * dice_loss(logits, truth, weight=has_target),
            "bce": c.bce_weight * bce_loss(logits, truth),
        }
        extras = prediction.extras
        if extras is not None and extras.shares:
            each = []
            for weight, share in zip(c.share_weights, extras.shares, strict=True):
                cells = F.interpolate(batch.masks[:, None], size=share.shape[1:], mode="nearest")[:, 0]
                probs = share.float().sigmoid() if c.form == "release" else share.float()
                each.append(weight * dice_loss_of_probs(probs, cells, weight=has_target))
            terms["shares"] = torch.stack(each).sum()
        if extras is not None and extras.tokens is not None:
            terms["contrastive"] = c.contrastive_weight * contrastive_loss(
                extras.tokens, extras.sentence, batch.expressions, has_target, c.contrastive_temperature
            )
        return terms


def contrastive_loss(
    tokens: Tensor, sentence: Tensor, expressions: tuple[str, ...], has_target: Tensor, temperature: float
) -> Tensor:
    """InfoNCE: -log(e(t, s) / (e(t, s) + sum_i e(t_i, s) + sum_j e(t, s_j))), e(a, b) = exp(cos(a, b) / temperature).

    tokens: (N, T, C), the last of which is the target's, t, the others are t_i; sentence: (N, C), s of the pair and s_j
    of the other expressions of the batch. Pairs with the same expression are no negatives of each other. The mean over
    pairs that have a target. The formula is ours: the sources only name the term.
    """
    t, s = F.normalize(tokens.float(), dim=-1), F.normalize(sentence.float(), dim=-1)
    within = torch.einsum("ntc,nc->nt", t, s) / temperature  # the last one is the positive
    across = t[:, -1] @ s.T / temperature
    rank = {expression: i for i, expression in enumerate(dict.fromkeys(expressions))}
    which = torch.tensor([rank[expression] for expression in expressions], device=across.device)
    across = across.masked_fill(which[:, None] == which, float("-inf"))
    loss = torch.cat([within, across], 1).logsumexp(1) - within[:, -1]
    share = has_target.to(loss.dtype)
    return (loss * share).sum() / share.sum().clamp(min=1)
