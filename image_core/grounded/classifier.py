"""EfficientNet-lite2 (Tan and Le, 2019): the ImageNet class of what is in a box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from image_core.convert.state_dicts import Rule, load_weights, read_state_dict, rename_keys
from image_core.device import resolve_device
from image_core.grounded.parts import Box
from image_core.grounded.resizing import BICUBIC, resized
from image_core.vision_libraries import ImageNetInfo, timm

SIDE_PX = 260
MEAN, DEVIATION = 0.498, 0.502
CPU_BATCH, CUDA_BATCH = 1, 16
"""Crops in a batch. On a CPU, batches of two to four take as long as single crops, and of eight longer; rounding would
depend on the batch."""

ENDS: tuple[Rule, ...] = (
    (r"_conv_stem\.(.+)", r"conv_stem.\1"),
    (r"_bn0\.(.+)", r"bn1.\1"),
    (r"_conv_head\.(.+)", r"conv_head.\1"),
    (r"_bn1\.(.+)", r"bn2.\1"),
    (r"_fc\.(.+)", r"classifier.\1"),
)
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
"""Keys of the release -> timm's; the first block has no expansion."""


def rules(blocks_of_stages: Sequence[int]) -> Iterator[Rule]:
    """Renaming rules for the blocks: the release numbers them consecutively, timm within each stage."""
    yield from ENDS
    places = [(stage, i) for stage, count in enumerate(blocks_of_stages) for i in range(count)]
    for number, (stage, i) in enumerate(places):
        for theirs, ours in (BLOCK if number else FIRST_BLOCK).items():
            yield rf"_blocks\.{number}\.{theirs}\.(.+)", rf"blocks.{stage}.{i}.{ours}.\1"


class EfficientNetLite2:
    """A `Classifier` of ImageNet's 1000 classes.

    weights: the release's .pth, of which tensors alone are read. Raises `CheckpointError` for another file.
    """

    def __init__(self, weights: Path, *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self.synsets = tuple(ImageNetInfo("imagenet-1k").label_names())
        network = timm.create_model("tf_efficientnet_lite2", pretrained=False)
        blocks = [len(list(stage.children())) for stage in network.get_submodule("blocks").children()]
        load_weights(network, rename_keys(read_state_dict(weights), list(rules(blocks)), str(weights)), str(weights))
        _fold(network.eval())
        self._network = convert_conv2d_weight_memory_format(network.to(self.device), torch.channels_last)
        self._batch = CUDA_BATCH if self.device.type == "cuda" else CPU_BATCH

    @torch.inference_mode()
    def classify(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> np.ndarray:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> (N, 1000) float32 probabilities of what is in each.

        Boxes are widened to whole pixels and cut to the image; one that holds no pixel of it gets the nearest one.
        """
        crops = [resized(crop(image, box), (SIDE_PX, SIDE_PX), BICUBIC) for box in boxes_xyxy]
        rows = [np.zeros((0, len(self.synsets)), np.float32)]
        for start in range(0, len(crops), self._batch):
            stacked = np.stack(crops[start : start + self._batch])
            pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).to(self.device)
            logits = self._network((pixels / 255 - MEAN) / DEVIATION)
            rows.append(logits.softmax(1).cpu().numpy())
        return np.concatenate(rows)


def _fold(module: nn.Module) -> None:
    """Fold batch norms into the convolutions before them and keep their activations: a quarter less time on a CPU."""
    for (name, layer), (after, norm) in pairwise(list(module.named_children())):
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.register_module(name, fuse_conv_bn_eval(layer, norm))
            module.register_module(after, norm.get_submodule("act"))
    for child in module.children():
        _fold(child)


def crop(image: np.ndarray, box_xyxy: Box) -> np.ndarray:
    """The pixels of (H, W, 3) that a box touches, at least one."""
    (x0, x1), (y0, y1) = (
        _span(low, high, side)
        for low, high, side in zip(box_xyxy[:2], box_xyxy[2:], (image.shape[1], image.shape[0]), strict=True)
    )
    return image[y0:y1, x0:x1]


def _span(low: float, high: float, side: int) -> tuple[int, int]:
    first = min(max(int(np.floor(low)), 0), side - 1)
    return first, min(max(int(np.ceil(high)), first + 1), side)
