"""Somebody else's model in one file: transformers' CLIPSeg, built with random weights from a tiny configuration.

    rvos segment clip.mp4 "the dog" --model tests.clipseg_model:random_clipseg --out DIR

With trained weights nothing changes but the constructor (`CLIPSegForImageSegmentation.from_pretrained`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from transformers import AutoTokenizer, CLIPSegConfig, CLIPSegForImageSegmentation

from image_core import encoders
from image_core.answer import DenseMap, MaskAnswer

SIDE_PX = 64
VOCABULARY = Path(encoders.__file__).parent / "small_vocabulary"
LAYERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}


class ClipSeg:
    """A picture and E texts -> a map each; its presence is that of the surest cell."""

    def __init__(self, network: CLIPSegForImageSegmentation, tokenizer: AutoTokenizer) -> None:
        self.network, self.tokenizer = network.eval(), tokenizer

    @torch.inference_mode()
    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        small = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1
        text = self.tokenizer(list(expressions), padding=True, return_tensors="pt")  # pyright: ignore[reportCallIssue]
        logits = self.network(
            pixel_values=pixels.expand(len(expressions), -1, -1, -1),
            input_ids=text["input_ids"],
            attention_mask=text["attention_mask"],
        ).logits.view(len(expressions), SIDE_PX, SIDE_PX)
        presence = logits.flatten(1).amax(1).sigmoid().tolist()
        return [MaskAnswer.of_map(DenseMap(m.numpy()), p, score=p) for m, p in zip(logits, presence, strict=True)]


def random_clipseg() -> ClipSeg:
    tokenizer = AutoTokenizer.from_pretrained(VOCABULARY)
    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 32, **ends}
    config = CLIPSegConfig(
        text_config=LAYERS | words,
        vision_config=LAYERS | {"image_size": SIDE_PX, "patch_size": 16},
        projection_dim=32,
        extract_layers=[0, 1],
        reduce_dim=16,
        decoder_num_attention_heads=2,
    )
    return ClipSeg(CLIPSegForImageSegmentation(config), tokenizer)
