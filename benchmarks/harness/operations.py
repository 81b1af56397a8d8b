"""Floating-point operations of a model, counted on the meta device, without computing and without weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from image_core.models.base import Trainable
from image_core.models.contour import ContourModel
from image_core.models.description import ModelConfig
from image_core.models.table import build_model


def operations(model: Trainable, side_px: int, expressions: int, words: int) -> float:
    """GFLOP of one image with a number of expressions of `words` words each."""
    images = torch.zeros(1, 3, side_px, side_px, device="meta")
    longest = " ".join(["red"] * words)  # cut to what the model takes
    frame_index = torch.zeros(expressions, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter:
        text = model.encode_text([longest] * expressions)
        features = model.encode_pairs(images, text, frame_index)
        if isinstance(model, ContourModel):
            model.decoder.generate(model.build_memory(features, text))  # tracing and filling are numpy's
        else:
            model.decode(features, text)
    return counter.get_total_flops() / 1e9


def weightless(config: ModelConfig) -> Trainable:
    """The model on the meta device, where only shapes are computed."""
    vision, text = (replace(part, pretrained=False) for part in (config.vision, config.text))
    with torch.device("meta"):
        model = build_model(replace(config, vision=vision, text=text)).eval()
    return model.requires_grad_(False)  # the counter reads the gradient of every parameter that requires one
