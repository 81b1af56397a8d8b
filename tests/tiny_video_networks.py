"""Networks of transformers for videos, in sizes for tests: random weights, written as published ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.tiny_networks import (
    DECODER,
    PROMPTS,
    clip_tokenizer,
    hiera,
    made,
    pyramid,
    repvit,
    sam3_config,
    sam3_vision,
    saved,
)


def write_sam2_video(folder: Path) -> Path:
    return _write_video(folder, "Sam2", *hiera())


def write_edgetam_video(folder: Path) -> Path:
    perceiver = {"perceiver_resampler_num_latents": 4, "perceiver_resampler_num_latents_2d": 4}
    return _write_video(
        folder, "EdgeTam", *repvit(), **perceiver, memory_attention_mlp_hidden_size=16,
        memory_attention_rope_k_sizes=[2, 2], perceiver_resampler_num_layers=1,
    )  # fmt: skip


VIDEO = {
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 1,
    "memory_encoder_hidden_size": 128,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 16,
    "memory_fuser_num_layers": 1,
}
"""transformers has 64 channels of memory and positions of 128 written into the code."""


def _write_video(folder: Path, kind: str, backbone: Any, channels: list[int], **fields: Any) -> Path:
    config = made(
        f"{kind}VideoConfig",
        vision_config=pyramid(kind, backbone, channels, 128),
        prompt_encoder_config=made(f"{kind}VideoPromptEncoderConfig", **(PROMPTS | {"hidden_size": 128})),
        mask_decoder_config=made(f"{kind}VideoMaskDecoderConfig", **(DECODER | {"hidden_size": 128})),
        image_size=64,
        memory_attention_rope_feat_sizes=[4, 4],
        **(VIDEO | fields),
    )
    torch.manual_seed(0)
    images = made("Sam2ImageProcessor", size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})
    frames = made("Sam2VideoVideoProcessor", size={"height": 64, "width": 64})
    return saved(
        folder, seeing(made(f"{kind}VideoModel", config)), made("Sam2VideoProcessor", images, frames, target_size=64)
    )


def seeing(model: Any) -> Any:
    """The same network, sure that the object is to be seen and where, and with a memory that is heard: random weights
    are of neither kind."""
    torch.nn.init.constant_(model.mask_decoder.pred_obj_score_head.proj_out.bias, 4.0)
    with torch.no_grad():
        for drawing in model.mask_decoder.output_hypernetworks_mlps:
            drawing.proj_out.weight *= 5000
    for parameter in model.memory_attention.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def write_sam3_video(folder: Path) -> Path:
    """Detector and tracker in one checkpoint, as SAM 3 is published."""
    tokenizer = clip_tokenizer(32)
    tracker = made(
        "Sam3TrackerVideoConfig",
        vision_config=sam3_vision(128),
        prompt_encoder_config=made(
            "Sam3TrackerVideoPromptEncoderConfig", **(PROMPTS | {"hidden_size": 128, "patch_size": 14})
        ),
        mask_decoder_config=made("Sam3TrackerVideoMaskDecoderConfig", **(DECODER | {"hidden_size": 128})),
        image_size=56,
        **VIDEO,
    )
    config = made("Sam3VideoConfig", detector_config=sam3_config(tokenizer, 128), tracker_config=tracker)
    torch.manual_seed(0)
    model = made("Sam3VideoModel", config)
    torch.nn.init.constant_(model.detector_model.detr_decoder.presence_head.layer3.bias, 4.0)
    seeing(model.tracker_model)
    images = made("Sam3ImageProcessor", size={"height": 56, "width": 56}, mask_size={"height": 16, "width": 16})
    frames = made("Sam2VideoVideoProcessor", size={"height": 56, "width": 56})
    processor = made("Sam3VideoProcessor", images, frames, tokenizer, target_size=56)
    return saved(folder, model, processor)


VIDEO_WRITERS: dict[str, Callable[[Path], Path]] = {
    "sam2_video": write_sam2_video,
    "edgetam_video": write_edgetam_video,
    "sam3_video": write_sam3_video,
}
