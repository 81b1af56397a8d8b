"""The full-scale experiments as image models with random weights: speed does not depend on what they learned."""

from __future__ import annotations

from dataclasses import replace

import torch

from image_core.checkpoint import LoadedModel, Provenance
from image_core.models.table import build_model
from image_core.segmenter import ImageSegmenter
from rvos.configuration import train_settings

SURE = 4.0
"""Added to every presence logit: a tracker is not timed on a target that it takes to be away."""


def random_segmenter(experiment: str, seed: int = 0) -> ImageSegmenter:
    """The model of `configs/experiment/<experiment>.yaml` with its own preprocessing, in float32 on the processor. No
    hub is asked: the text encoder has its real size and our small vocabulary."""
    settings = train_settings([f"experiment={experiment}", "data.root=nowhere"])
    vision = replace(settings.model.vision, pretrained=False)
    spec = replace(settings.model, vision=vision, text=replace(settings.model.text, pretrained=False))
    torch.manual_seed(seed)
    model = build_model(spec)
    model.presence_offset.fill_(SURE)
    return ImageSegmenter(LoadedModel(model, spec, settings.preprocessing, Provenance()), "cpu", "fp32")
