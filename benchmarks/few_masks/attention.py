"""The attention maps of SafaRi's fused layers, and their share on the target."""

from __future__ import annotations

from typing import cast

import torch

from image_core.evaluation.samples import Samples
from image_core.models.attention_consistency import attention_share
from image_core.models.safari import Safari
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter


@torch.inference_mode()
def attention_of(segmenter: ImageSegmenter, sample: ImageSample) -> torch.Tensor:
    """(E, h, w): the attention map of the fused layers for each expression."""
    model = cast(Safari, segmenter.model)
    pixels, _ = segmenter.preprocessing.prepare(sample.image)
    return model.attention(model.encode_image(pixels[None], model.encode_text(sample.expressions)))


def attention_inside(segmenter: ImageSegmenter, samples: Samples) -> float:
    """Share of the attention of the fused layers inside the true mask, the mean over all expressions."""
    shares = []
    for index in range(len(samples)):
        sample = samples[index]
        shares.append(attention_share(attention_of(segmenter, sample), torch.from_numpy(sample.masks).float()))
    return float(torch.cat(shares).mean())
