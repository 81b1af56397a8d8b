"""SeqTR: the mask's contour, predicted as a sequence of coordinate tokens.

Source: "SeqTR: A Simple yet Universal Network for Visual Grounding" (Zhu et al., ECCV 2022), and what is known of its
release. Its repository has no licence; this is written from a description and agrees with its figures (parity test).

Picture (strides 8, 16, 32 with C8, C16, C32 channels; published DarkNet-53: 256, 512, 1024) and sentence y (C):
  t16 = [conv3x3(avgpool2(v8)); v16],   t32 = [conv3x3(avgpool2(t16)); v32],   x = conv1x1(conv3x3(t32))    (N, C, h, w)
  every convolution with batch norm and leaky ReLU; h, w at stride 32
  F = tanh(x) * tanh(y)                 the sentence is the maximum over the words of a bidirectional GRU
Memory: z = GN(conv1x1(F)) as h w tokens of width d, six encoder layers, sine positions on queries and keys, padding of
the picture masked:
  z <- LN(z + SA(z)),  z <- LN(z + FFN(z))
Sequence: the points p_1 .. p_n of the contour as tokens floor(coordinate / side * bins), x and y in turn, then `end`.
Step t reads the tokens before it (zero at the first) and the memory, three decoder layers (`layers/sequence_decoder`):
  P(s_t | s_<t, picture, sentence) = softmax(MLP(decoder(s_<t, z)))                       over bins + 1 tokens
Training is teacher forcing with label-smoothed cross-entropy; a target that is `end` counts a tenth. In testing the
likeliest token is taken, up to the first `end`, and the polygon is filled.

The contour of training: the largest part's outer outline, every ceil(n / N)-th point of it, N = `points`; for a share
of the pictures in random order. What a contour cannot say is not learnt: holes are filled and smaller parts left out.

Readings and departures, each with its place:
- `bin_offset` 0.5: a token is decoded to the middle of its bin; the published decoding is its lower edge (0.0), half a
  bin (0.32 px of 640) to the left of what was quantised.
- Polygons are filled with the outline inside (`geometry/contours.py`), by OpenCV and not by COCO's rasteriser; two
  points are a line, which the release hands to a rule for boxes.
- `presence_logit`: log-odds of a first point against `end` (ours: the published data have no absent targets). An
  expression without a target is taught as a sequence of ends. `score`: mean probability of the tokens taken.
- Sides are those of each picture padded to a multiple of 32 px by itself, as published, whatever the batch pads.
- `sentence`: a linear map where the text encoder's width is not `fusion_channels` (ours; the published widths agree).
- Late fusion: all but F is free of language, and a frame is encoded once for all expressions. Level 0 of the features
  is the stem, which this model does not decode from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.darknet import DarknetConv
from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import STRIDES, VisionEncoder
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import EncoderLayer, Memory, sine_position_of_valid
from image_core.models.base import ImageModel
from image_core.models.contour import contour_prediction, contour_tokens, padded_px, token_loss
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures, size_of


@dataclass(frozen=True)
class SeqTRConfig:
    """Sizes and readings of SeqTR; the defaults are the published ones, for RefCOCO.

    fusion_channels: C of the fused map; channels: d of the transformer; heads, hidden (feed-forward), encoder_layers,
    decoder_layers, dropout: of the transformer; bins: values of a coordinate; points: most points of a contour
    (18 for RefCOCO, 12 for RefCOCO+ and RefCOCOg); shuffle_share: share of training pictures whose points come in
    random order (0.2 where there are 12 points); smoothing: of the labels; end_weight: of targets that are the end;
    bin_offset: where in its bin a token lies (reading: 0.5, the middle; 0.0 as published).
    """

    fusion_channels: int = 1024
    channels: int = 256
    heads: int = 8
    hidden: int = 1024
    encoder_layers: int = 6
    decoder_layers: int = 3
    dropout: float = 0.1
    bins: int = 1000
    points: int = 18
    shuffle_share: float = 0.0
    smoothing: float = 0.1
    end_weight: float = 0.1
    bin_offset: float = 0.5

    def __post_init__(self) -> None:
        if self.channels % self.heads or self.channels % 4:
            raise ValueError(
                f"SeqTRConfig.channels: came {self.channels}, wanted a multiple of heads ({self.heads}) and of 4"
            )
        for name in ("fusion_channels", "hidden", "encoder_layers", "decoder_layers", "bins", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"SeqTRConfig.{name}: came {getattr(self, name)}, wanted at least 1")
        for name in ("dropout", "shuffle_share", "smoothing", "end_weight", "bin_offset"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"SeqTRConfig.{name}: came {getattr(self, name)}, wanted 0 to 1")


class BottomUpFusion(nn.Module):
    """Strides 8, 16, 32 -> one map (F, C, h, w) at stride 32: finer maps are pooled, convolved and put in front."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.fine_down = DarknetConv(fine, fine, 3)
        self.middle_down = DarknetConv(fine + middle, fine + middle, 3)
        both = fine + middle + coarse
        self.project = nn.Sequential(DarknetConv(both, both, 3), DarknetConv(both, channels, 1))

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        middle = torch.cat([self.fine_down(F.avg_pool2d(fine, 2)), middle], dim=1)
        coarse = torch.cat([self.middle_down(F.avg_pool2d(middle, 2)), coarse], dim=1)
        return self.project(coarse)


@dataclass(frozen=True)
class SeqTRExtras:
    """Of training: token_logits (N, 2 points + 1, bins + 1), and the tokens (N, 2 points + 1) they should have said."""

    token_logits: Tensor
    token_targets: Tensor


class SeqTR(ImageModel):
    """SeqTR's segmentation model over any pyramid with strides 4 to 32 and any text encoder."""

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: SeqTRConfig) -> None:
        super().__init__(config)
        if vision.strides != STRIDES:
            raise ValueError(f"SeqTR: came encoder strides {vision.strides}, wanted {STRIDES}")
        self.vision, self.text = vision, text
        self.fusion = BottomUpFusion(vision.channels[1:], config.fusion_channels)
        same = text.channels == config.fusion_channels
        self.sentence = nn.Identity() if same else nn.Linear(text.channels, config.fusion_channels)
        c = config.channels
        self.to_tokens = nn.Sequential(
            nn.Conv2d(config.fusion_channels, c, 1), nn.GroupNorm(math.gcd(32, c // 2), c)
        )  # 32 groups as published; fewer in narrow models, two channels a group at least
        self.encoder = nn.ModuleList(
            EncoderLayer(c, config.heads, config.hidden, config.dropout) for _ in range(config.encoder_layers)
        )
        self.decoder = CoordinateDecoder(
            channels=c,
            heads=config.heads,
            hidden=config.hidden,
            layers=config.decoder_layers,
            bins=config.bins,
            points=config.points,
            dropout=config.dropout,
        )

    @property
    def size_multiple(self) -> int:
        return max(self.vision.size_multiple, STRIDES[-1])

    def encode_text(self, expressions: Sequence[str]) -> TextFeatures:
        return self.text(expressions)

    def encode_stem(self, images: Tensor) -> Tensor:
        return self.vision.stem(images)

    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """The stem (stride 4) and the fused map x (stride 32, fusion_channels); no text."""
        h, w = size_of(images, self.size_multiple)
        first, *rest = self.vision(images, stem=stem)
        if valid_px is None:
            valid_px = torch.tensor([[h, w]], device=images.device).expand(images.shape[0], 2)
        return ImageFeatures(levels=(first, self.fusion(*rest)), strides=(4, 32), valid_px=valid_px)

    def join(self, image: ImageFeatures, text: TextFeatures) -> Tensor:
        """N rows of each -> F = tanh(x) * tanh(y), (N, fusion_channels, h, w)."""
        return torch.tanh(image.levels[1]) * torch.tanh(self.sentence(text.sentence))[:, :, None, None]

    def remember(self, joined: Tensor, valid_px: Tensor) -> Memory:
        """F (N, fusion_channels, h, w) -> the encoder's h w tokens; a cell is padding where its first pixel is."""
        h, w = joined.shape[-2:]
        starts = [torch.arange(n, device=joined.device) * 32 for n in (h, w)]
        rows, columns = (s[None] >= valid_px[:, i, None] for i, s in enumerate(starts))
        pad_mask = rows[:, :, None] | columns[:, None, :]
        position = sine_position_of_valid(pad_mask, self.config.channels, joined.dtype)
        tokens = self.to_tokens(joined).flatten(2).transpose(1, 2)
        flat_mask = pad_mask.flatten(1)
        for layer in self.encoder:
            tokens = layer(tokens, position, flat_mask)
        return Memory(tokens, position, flat_mask)

    def targets(self, batch: ImageBatch) -> Tensor:
        """(N, 2 points) long: the contours of the true masks as tokens, ended where they are shorter."""
        seed = int(torch.randint(2**31, (), device="cpu").item()) if self.config.shuffle_share > 0 else 0
        return contour_tokens(
            batch.masks,
            padded_px(batch.valid_px[batch.frame_index], self.size_multiple),
            points=self.config.points,
            bins=self.config.bins,
            shuffle_share=self.config.shuffle_share,
            rng=np.random.default_rng(seed),
        )

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Tensor | None = None) -> Prediction:
        """`targets` (N, 2 points) long: the true tokens, read in place of the model's own (training)."""
        memory = self.remember(self.join(image, text), image.valid_px)
        if targets is None:
            generated = self.decoder.generate(memory)
            return self._answer(generated.tokens, generated.logits, image)
        logits = self.decoder(memory, targets)
        end = torch.full_like(targets[:, :1], self.decoder.end)
        answer = self._answer(logits.argmax(-1), logits, image)
        return replace(answer, extras=SeqTRExtras(logits, torch.cat([targets, end], dim=1)))

    def _answer(self, tokens: Tensor, logits: Tensor, image: ImageFeatures) -> Prediction:
        h, w = (4 * n for n in image.levels[0].shape[-2:])
        return contour_prediction(
            tokens,
            logits.detach(),
            size=(h, w),
            valid_px=image.valid_px,
            frame_px=padded_px(image.valid_px, self.size_multiple),
            offset=self.config.bin_offset,
        )

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """tokens: label-smoothed cross-entropy. Raises `ValueError` for a prediction made without targets."""
        extras = prediction.extras
        if not isinstance(extras, SeqTRExtras):
            raise ValueError("SeqTR.losses: came a prediction made without targets, wanted one of training")
        c = self.config
        loss = token_loss(extras.token_logits, extras.token_targets, smoothing=c.smoothing, end_weight=c.end_weight)
        return {"tokens": loss}
