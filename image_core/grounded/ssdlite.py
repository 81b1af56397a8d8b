"""SSDLite (Liu et al., 2016; Sandler et al., 2018): a detector of COCO's 80 classes that is small enough for a CPU."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from timm.layers.helpers import make_divisible
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format
from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights
from torchvision.ops import nms

from image_core.convert import Rule, fill
from image_core.device import resolve_device
from image_core.errors import CheckpointError
from image_core.geometry.boxes import box_area, clip_boxes
from image_core.grounded.mobilenet_v2 import Convolution, MobileNetV2, depthwise
from image_core.grounded.parts import Detection
from image_core.grounded.resizing import BILINEAR, resized
from image_core.grounded.tfjs import convolutions, read_weights

COCO_IDS: tuple[str, ...] = tuple(SSDLite320_MobileNet_V3_Large_Weights.COCO_V1.meta["categories"][1:])
"""The names of COCO's ids 1 to 90; "N/A" where an id was never given."""

SIDE = 300
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
"""The maps after the backbone, each half as large as the one before: narrowed to, widened to."""

ANCHORS = (3, 6, 6, 6, 6, 6)
"""Anchors of a cell, for each map."""

CENTRE_STEP, SIZE_STEP = 0.1, 0.2
"""What a box is told in: shifts of the centre in tenths of its anchor's sides, log sizes in fifths."""

_EXTRAS: tuple[Rule, ...] = tuple(
    (rf"FeatureExtractor/MobilenetV2/layer_19_{theirs}", f"extras.{i}.{ours}")
    for i in range(len(EXTRAS))
    for theirs, ours in (
        (rf"1_Conv2d_{i + 2}_1x1_\d+", "narrow"),
        (rf"2_Conv2d_{i + 2}_3x3_s2_\d+_depthwise", "depthwise"),
        (rf"2_Conv2d_{i + 2}_3x3_s2_\d+", "widen"),
    )
)
LAYERS: tuple[Rule, ...] = (
    (r"FeatureExtractor/MobilenetV2/Conv", r"backbone.stem"),
    (r"FeatureExtractor/MobilenetV2/expanded_conv/(depthwise|project)", r"backbone.blocks.0.\1"),
    (r"FeatureExtractor/MobilenetV2/expanded_conv_(\d+)/(expand|depthwise|project)", r"backbone.blocks.\1.\2"),
    (r"FeatureExtractor/MobilenetV2/Conv_1", r"backbone.last"),
    *_EXTRAS,
    (r"BoxPredictor_(\d)/BoxEncodingPredictor_depthwise", r"boxes.\1.0"),
    (r"BoxPredictor_(\d)/BoxEncodingPredictor", r"boxes.\1.1"),
    (r"BoxPredictor_(\d)/ClassPredictor_depthwise", r"classes.\1.0"),
    (r"BoxPredictor_(\d)/ClassPredictor", r"classes.\1.1"),
)
OTHERS: tuple[Rule, ...] = ((r"Postprocessor/ExpandDims", r"anchors"),)
UNUSED = (
    r"Preprocessor/.+",
    r"BoxPredictor_\d/stack.*",
    r"MultipleGridAnchorGenerator/.+",
    r"(ConstantFolding/)?Postprocessor/.+/.+",
    r"Postprocessor/ExpandDims_1/dim",
)
"""Tensors of the released graph -> parts of `SSDLite`; the unused ones are sizes and factors that stand in the code."""


class SSDLite(nn.Module):
    """(B, 3, 300, 300) in [-1, 1] -> scores (B, A, 90) in [0, 1] and boxes (B, A, 4) of the A anchors.

    Boxes are ymin, xmin, ymax, xmax as fractions of the picture. width: factor of the channels.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.backbone = MobileNetV2(width)
        channels = list(self.backbone.channels)
        self.extras = nn.ModuleList()
        for narrowed, widened in EXTRAS:
            self.extras.append(Extra(channels[-1], make_divisible(narrowed * width), make_divisible(widened * width)))
            channels.append(make_divisible(widened * width))
        self.boxes = nn.ModuleList(predictor(c, 4 * n) for c, n in zip(channels, ANCHORS, strict=True))
        # The first class is the background.
        classes = len(COCO_IDS) + 1
        self.classes = nn.ModuleList(predictor(c, classes * n) for c, n in zip(channels, ANCHORS, strict=True))
        self.anchors: Tensor
        self.register_buffer("anchors", torch.zeros(1, anchor_count(), 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = list(self.backbone(x))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        scores = self._of_anchors(self.classes, maps, len(COCO_IDS) + 1).sigmoid()[..., 1:]
        return scores, self._decoded(self._of_anchors(self.boxes, maps, 4))

    @staticmethod
    def _of_anchors(predictors: nn.ModuleList, maps: list[Tensor], values: int) -> Tensor:
        """(B, A, values)."""
        drawn = [predict(features) for predict, features in zip(predictors, maps, strict=True)]
        return torch.cat([plane.permute(0, 2, 3, 1).reshape(len(plane), -1, values) for plane in drawn], 1)

    def _decoded(self, encoded: Tensor) -> Tensor:
        low, high = self.anchors.split(2, -1)
        centre = (low + high) / 2 + encoded[..., :2] * CENTRE_STEP * (high - low)
        half = (high - low) / 2 * (encoded[..., 2:] * SIZE_STEP).exp()
        return torch.cat([centre - half, centre + half], -1)


class Extra(nn.Module):
    """A map of half the size."""

    def __init__(self, inputs: int, narrowed: int, outputs: int) -> None:
        super().__init__()
        self.narrow = Convolution(inputs, narrowed, 1)
        self.depthwise = depthwise(narrowed, 2)
        self.widen = Convolution(narrowed, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.widen(self.depthwise(self.narrow(x)))


def predictor(inputs: int, outputs: int) -> nn.Sequential:
    """What every cell of a map says of its anchors."""
    return nn.Sequential(depthwise(inputs), nn.Conv2d(inputs, outputs, 1))


def anchor_count() -> int:
    """A: the anchors of all maps (1917)."""
    sides = [math.ceil(SIDE / (16 * 2**level)) for level in range(len(ANCHORS))]
    return sum(side**2 * anchors for side, anchors in zip(sides, ANCHORS, strict=True))


def read_ssdlite(model_json: Path) -> SSDLite:
    """The network of a tfjs graph model of the Object Detection API (`model.json`, its shards beside it).

    Its width is read off the first convolution. Raises `CheckpointError` for files that are not whole or of another
    network.
    """
    state = convolutions(read_weights(model_json), LAYERS, OTHERS, UNUSED, str(model_json))
    if "backbone.stem.weight" not in state:
        raise CheckpointError(f"{model_json}: expected SSDLite on MobileNetV2, got a model without its first layer")
    network = SSDLite(len(state["backbone.stem.weight"]) / 32)
    fill(network, state, str(model_json))
    return network


class SSDLiteDetector:
    """A `Detector`: boxes of `score` or more, none over a better one by more than `overlap` (IoU), at most `most`.

    An anchor speaks for its best class, and suppression does not look at classes: one object gets one box, whatever it
    is taken for. model_json: what `read_ssdlite` reads.
    """

    def __init__(
        self, model_json: Path, *, score: float = 0.2, overlap: float = 0.5, most: int = 30, device: str = "auto"
    ) -> None:
        self.score, self.overlap, self.most = score, overlap, most
        self.device = resolve_device(device)
        network = read_ssdlite(model_json).to(self.device).eval()
        self._network = convert_conv2d_weight_memory_format(network, torch.channels_last)
        self._named = [i for i, name in enumerate(COCO_IDS) if name != "N/A"]

    @torch.inference_mode()
    def detect(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> boxes inside the picture with COCO's names, the best first."""
        height, width = image.shape[:2]
        pixels = torch.from_numpy(resized(image, (SIDE, SIDE), BILINEAR) / np.float32(127.5) - 1)
        scores, boxes = (of[0].cpu() for of in self._network(pixels.permute(2, 0, 1)[None].to(self.device)))
        best, column = scores[:, self._named].max(1)
        pixels_xyxy = boxes[:, [1, 0, 3, 2]].numpy() * np.array([width, height] * 2, np.float32)
        inside = clip_boxes(pixels_xyxy, (height, width))
        usable = np.flatnonzero((best.numpy() >= self.score) & (box_area(inside) > 0))
        kept = usable[nms(torch.from_numpy(inside[usable]), best[usable], self.overlap)[: self.most].numpy()]
        return [
            Detection(tuple(inside[i].tolist()), float(best[i]), COCO_IDS[self._named[int(column[i])]]) for i in kept
        ]
