"""SSDLite (Liu et al., 2016; Sandler et al., 2018): a detector of COCO's 80 classes that is small enough for a CPU."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from image_core.convert.state_dicts import Rule, load_weights
from image_core.device import resolve_device
from image_core.errors import CheckpointError
from image_core.geometry.boxes import box_area, box_iou_matrix, clip_boxes
from image_core.grounded.mobilenet_v2 import Convolution, MobileNetV2, depthwise
from image_core.grounded.parts import Detection
from image_core.grounded.resizing import BILINEAR, resized
from image_core.grounded.tfjs import convolutions, read_weights
from image_core.vision_libraries import SSDLite320_MobileNet_V3_Large_Weights, make_divisible, nms

COCO_IDS: tuple[str, ...] = tuple(SSDLite320_MobileNet_V3_Large_Weights.COCO_V1.meta["categories"][1:])
"""The names of COCO's ids 1 to 90; "N/A" where an id was never given."""

SIDE_PX = 300
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
"""The maps after the backbone, each half as large as the one before: narrowed to, widened to."""

ANCHORS = (3, 6, 6, 6, 6, 6)
"""Anchors of a cell, for each map."""

MIN_LABEL_SCORE = 0.05
"""Least score of a box's further names."""
STEP_SHARE, CUT_SHARE = 0.6, 0.02
"""Windows: the largest step from one to the next, and the distance to an edge below which a box counts as cut by it;
both as shares of a window's side. Proposed."""

CENTRE_STEP, SIZE_STEP = 0.1, 0.2
"""Units of the box encoding: shifts of the centre in tenths of its anchor's sides, log sizes in fifths."""

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

    Boxes are ymin, xmin, ymax, xmax as fractions of the image. width: factor of the channels.
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
        scores = self._per_anchor(self.classes, maps, len(COCO_IDS) + 1).sigmoid()[..., 1:]
        return scores, self._decode_boxes(self._per_anchor(self.boxes, maps, 4))

    @staticmethod
    def _per_anchor(predictors: nn.ModuleList, maps: list[Tensor], values: int) -> Tensor:
        """(B, A, values)."""
        outputs = [predict(features) for predict, features in zip(predictors, maps, strict=True)]
        return torch.cat([plane.permute(0, 2, 3, 1).reshape(len(plane), -1, values) for plane in outputs], 1)

    def _decode_boxes(self, encoded: Tensor) -> Tensor:
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
    """The prediction head of a map: the values of all anchors at each cell."""
    return nn.Sequential(depthwise(inputs), nn.Conv2d(inputs, outputs, 1))


def anchor_count() -> int:
    """A: the anchors of all maps (1917)."""
    sides = [math.ceil(SIDE_PX / (16 * 2**level)) for level in range(len(ANCHORS))]
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
    load_weights(network, state, str(model_json))
    return network


class SSDLiteDetector:
    """A `Detector`: boxes of `score` or more, none over a better one by more than `overlap` (IoU), at most `max_boxes`.

    The network sees the whole image, squashed to a square as in training, and overlapping squares of its shorter side
    (`max_squares` at most), in which it finds what is small or distorted in the whole. Suppression ignores classes:
    one object gets one box, with the names of all boxes that it suppressed. model_json: what `read_ssdlite` reads.
    """

    def __init__(
        self,
        model_json: Path,
        *,
        score: float = 0.2,
        overlap: float = 0.5,
        max_boxes: int = 30,
        max_squares: int = 6,
        device: str = "auto",
    ) -> None:
        self.score, self.overlap, self.max_boxes, self.max_squares = score, overlap, max_boxes, max_squares
        self.device = resolve_device(device)
        network = read_ssdlite(model_json).to(self.device).eval()
        self._network = convert_conv2d_weight_memory_format(network, torch.channels_last)
        self._named = [i for i, name in enumerate(COCO_IDS) if name != "N/A"]

    def detect(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> boxes inside the image with COCO's names, the best first."""
        height, width = image.shape[:2]
        windows_found = [self._detect_window(image, window) for window in windows(height, width, self.max_squares)]
        scores, boxes = (np.concatenate(parts) for parts in zip(*windows_found, strict=True))
        best = torch.from_numpy(scores.max(1))
        kept = nms(torch.from_numpy(boxes), best, self.overlap)[: self.max_boxes].numpy()
        if not len(kept):
            return []
        # Of all boxes that overlap a kept box, the best score of each name.
        same = box_iou_matrix(boxes[kept], boxes) > self.overlap
        return [self._named_box(boxes[k], scores[k], scores[row].max(0)) for k, row in zip(kept, same, strict=True)]

    def _named_box(self, box: np.ndarray, own: np.ndarray, label_scores: np.ndarray) -> Detection:
        x0, y0, x1, y1 = box.tolist()
        first = own.argmax()
        others = {
            self._name(i): float(label_scores[i]) for i in np.flatnonzero(label_scores >= MIN_LABEL_SCORE) if i != first
        }
        return Detection((x0, y0, x1, y1), float(own[first]), self._name(first), others)

    def _name(self, column: int | np.intp) -> str:
        return COCO_IDS[self._named[column]]

    @torch.inference_mode()
    def _detect_window(self, image: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Scores (N, 80) and boxes (N, 4), pixels of the whole image, of the anchors of `score` or more. A box at an
        edge of the window inside the image is left out: it is cut there, and another window has it whole."""
        height, width = image.shape[:2]
        x0, y0, x1, y1 = window
        pixels = torch.from_numpy(resized(image[y0:y1, x0:x1], (SIDE_PX, SIDE_PX), BILINEAR) / np.float32(127.5) - 1)
        scores, boxes = (of[0].cpu() for of in self._network(pixels.permute(2, 0, 1)[None].to(self.device)))
        scores = scores[:, self._named].numpy()
        sides, corner = np.array([x1 - x0, y1 - y0] * 2, np.float32), np.array([x0, y0] * 2, np.float32)
        in_image = clip_boxes(boxes[:, [1, 0, 3, 2]].numpy() * sides, (y1 - y0, x1 - x0)) + corner
        inner = np.array([x0 > 0, y0 > 0, x1 < width, y1 < height])
        cut = (np.abs(in_image - np.array(window, np.float32)) < CUT_SHARE * sides) & inner
        usable = (scores.max(1) >= self.score) & (box_area(in_image) > 0) & ~cut.any(1)
        return scores[usable], in_image[usable].astype(np.float32)


Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole pixels."""


def windows(height: int, width: int, max_squares: int) -> list[Window]:
    """The whole image and, if it is no square, squares of its shorter side. They overlap, unless that would take more
    than `max_squares`."""
    side, long = sorted((height, width))
    count = min(1 + math.ceil((long - side) / (side * STEP_SHARE)), max_squares)
    starts = [round(start) for start in np.linspace(0, long - side, count)] if long > side else []
    squares = [(s, 0, s + side, side) if width > height else (0, s, side, s + side) for s in starts]
    return [(0, 0, width, height), *squares]
