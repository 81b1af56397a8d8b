"""DeepLabv3 (Chen et al., 2017) on MobileNetV2 as the detector of `photo`, in place of SSDLite.

python -m benchmarks.accuracy.deeplab

downloads the released network (8 MB, Apache-2.0) with npm into the cache folder, checks it, and prints its path. Only
real_video uses it, to compare the two detectors.

The network classifies every pixel as background or one of VOC's 20 classes. A connected region of a class counts as one
object, so people who touch are one box, and an object behind a pole is two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harness.command import Benchmark
from image_core.convert.state_dicts import Rule, load_weights
from image_core.device import resolve_device
from image_core.errors import CheckpointError
from image_core.grounded.mobilenet_v2 import STAGES, InvertedResidual, MobileNetV2
from image_core.grounded.parts import Detection
from image_core.grounded.resizing import BILINEAR, resized
from image_core.grounded.ssdlite import MIN_LABEL_SCORE
from image_core.grounded.tfjs import convolutions, read_weights
from image_core.weights.archive import unpack
from image_core.weights.cache import faults_of, folder_of, paths_of
from image_core.weights.managers import Npm
from image_core.weights.manifest import Bundle, Package, PackagedFile

BENCHMARK = Benchmark(__file__, __doc__)

NAMES = (
    *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog"),
    *("horse", "motorcycle", "person", "potted plant", "sheep", "couch", "train", "tv"),
)
"""VOC's classes 1 to 20 in their order, in COCO's spelling; 0 is the background."""

SIDE = 513
"""Side of the network's input in pixels."""
HEAD = 256
"""Channels of the head."""

DILATED: Mapping[int, int] = {**dict.fromkeys(range(7, 14), 2), **dict.fromkeys(range(14, 17), 4)}
"""Block -> dilation of its filter, which replaces the two strides of 2 from stride 8 to 32."""
UNSTRIDED = 6, 13
"""The blocks with a stride of 2 in MobileNetV2, which have a stride of 1 here."""

PACKAGE = Package(
    manager="npm",
    name="@codait/max-image-segmenter",
    version="0.3.0",
    download_bytes=7_845_049,
    licence="Apache-2.0",
    title="DeepLabv3-MobileNetV2",
    what="VOC's classes of every pixel, 513 px, tfjs",
)
BUNDLE = Bundle(
    name="deeplab",
    summary="a network that classifies pixels, for one benchmark",
    files=tuple(
        PackagedFile(name, PACKAGE, f"package/model/{name}", size, sha256)
        for name, size, sha256 in (
            ("model.json", 120_344, "d454099ce682e2f7cb5689e9bf167f8437f1c84171982d980758b045d310aa80"),
            ("group1-shard1of3", 4_194_304, "e1501ed0cb05c223055a6dc722bbec872dadccfebb770aecf59ad830c45b0117"),
            ("group1-shard2of3", 4_194_304, "a97acd1e7e2108776e9d112b21211e17c3ce66c72eca4fde8352784dfbb042e9"),
            ("group1-shard3of3", 28_156, "f6caff3822c8cfa842f8f82c8f77019b550c490d6b24c17528fd3c9d03627ea4"),
        )
    ),
)

LAYERS: tuple[Rule, ...] = (
    (r"MobilenetV2/Conv", r"stem"),
    (r"MobilenetV2/expanded_conv/(depthwise|project)", r"blocks.0.\1"),
    (r"MobilenetV2/expanded_conv_(\d+)/(expand|depthwise|project)", r"blocks.\1.\2"),
    (r"aspp0", r"local"),
    (r"image_pooling", r"pooled"),
    (r"concat_projection", r"joined"),
    (r"logits/semantic", r"classes"),
)
UNUSED = (
    r"(mul_1|sub_1|ToFloat)/x",
    r"Reshape",
    r"(stack|strided_slice|ResizeBilinear|SemanticPredictions|Assert)(_\d+)?(/.+)?",
    r"MobilenetV2/.+/(SpaceToBatchND|BatchToSpaceND)/.+",
)
"""Tensors of the released graph -> parts of `DeepLab`; unused ones are sizes and factors that are constants here."""
NORMS = {"Scaled": "mul", "Offset": "sub"}
"""Names of folded batch norms in this export -> in that of the detector, for which a reader exists."""


class DeepLab(nn.Module):
    """(B, 3, 513, 513) in [-1, 1] -> logits (B, 21, 513, 513) of the background and `NAMES`.

    Computed at a stride of 8. The head is the smallest of section 3.3 of the paper: a 1 x 1 convolution of each
    cell, and of the mean of all cells.
    """

    def __init__(self) -> None:
        super().__init__()
        backbone = MobileNetV2()
        self.stem, self.blocks = backbone.stem, backbone.blocks
        for index, block in enumerate(self.blocks):
            depthwise = cast(nn.Conv2d, cast(InvertedResidual, block).depthwise)
            spread = DILATED.get(index, 1)
            depthwise.dilation = spread, spread
            if index in UNSTRIDED:
                depthwise.stride = 1, 1
        narrow = STAGES[-1][1]
        self.local, self.pooled = nn.Conv2d(narrow, HEAD, 1), nn.Conv2d(narrow, HEAD, 1)
        self.joined = nn.Conv2d(2 * HEAD, HEAD, 1)
        self.classes = nn.Conv2d(HEAD, len(NAMES) + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        local = self.local(x).relu()
        pooled = self.pooled(x.mean((2, 3), keepdim=True)).relu().expand_as(local)
        logits = self.classes(self.joined(torch.cat([pooled, local], 1)).relu())
        return F.interpolate(logits, size, mode="bilinear", align_corners=True)


def read_deeplab(model_json: Path) -> DeepLab:
    """The network of the released graph (`model.json`, its shards beside it). Raises `CheckpointError` for files that
    are damaged or of another network."""
    weights = {}
    for name, values in read_weights(model_json).items():
        layer, _, part = name.rpartition("/FusedBatchNorm/")
        weights[f"{layer}/batchnorm/{NORMS[part]}" if part in NORMS else name] = values
    network = DeepLab()
    load_weights(network, convolutions(weights, LAYERS, (), UNUSED, str(model_json)), str(model_json))
    return network


class DeepLabDetector:
    """A `Detector`: see `detections_of`. model_json: what `read_deeplab` reads."""

    def __init__(self, model_json: Path, *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self._network = read_deeplab(model_json).to(self.device).eval()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> boxes inside the image with COCO's names, the best first."""
        return detections_of(self.probabilities(image), (image.shape[0], image.shape[1]))

    @torch.inference_mode()
    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (21, h, w) float32 of the image at a longer side of 513 pixels."""
        height, width = (max(1, round(side * SIDE / max(image.shape[:2]))) for side in image.shape[:2])
        pixels = torch.from_numpy(resized(image, (height, width), BILINEAR) / np.float32(127.5) - 1)
        # The release pads to the square with the mean colour.
        square = F.pad(pixels.permute(2, 0, 1), (0, SIDE - width, 0, SIDE - height))
        return self._network(square[None].to(self.device))[0, :, :height, :width].softmax(0).cpu().numpy()


def detections_of(probabilities: np.ndarray, size: tuple[int, int], least_share: float = 0.002) -> list[Detection]:
    """(21, h, w) that sum to one, and an image's (height, width) -> boxes in its pixels, the best first.

    One box per connected region (8-neighbourhood) of pixels with the same most likely class, if it fills more than
    `least_share` of the image. Its score, and the scores of the other classes, are means over the region.
    """
    likeliest = probabilities.argmax(0).astype(np.uint8)
    height, width = likeliest.shape
    scale = np.array([size[1] / width, size[0] / height] * 2)
    detections = []
    for number, name in enumerate(NAMES, 1):
        count, regions, stats, _ = cv2.connectedComponentsWithStats((likeliest == number).astype(np.uint8))
        for region in range(1, count):
            x, y, w, h, area = stats[region].tolist()
            if area <= least_share * likeliest.size:
                continue
            means = probabilities[1:, regions == region].mean(1).tolist()
            others = {
                other: mean
                for other, mean in zip(NAMES, means, strict=True)
                if other != name and mean >= MIN_LABEL_SCORE
            }
            x0, y0, x1, y1 = (np.array([x, y, x + w, y + h]) * scale).tolist()
            detections.append(Detection((x0, y0, x1, y1), means[number - 1], name, others))
    return sorted(detections, key=lambda one: -one.score)


def local_copy() -> Path:
    """The path of the downloaded `model.json`. Raises `CheckpointError` if it or a shard is missing or damaged."""
    if faults := faults_of(BUNDLE):
        found = ", ".join(f"{name} is {fault}" for name, fault in faults.items())
        raise CheckpointError(
            f"{folder_of(BUNDLE)}: expected {PACKAGE.title}, got: {found}: run `python -m benchmarks.accuracy.deeplab`"
        )
    return paths_of(BUNDLE)["model.json"]


def main() -> None:
    BENCHMARK.parser(writes=False).parse_args()
    if faults_of(BUNDLE):
        with TemporaryDirectory() as work:
            archive = Npm().download(PACKAGE, Path(work, "package"), Path(work, "tools"), lambda count: None)
            unpack(archive, BUNDLE.files, folder_of(BUNDLE))
    print(local_copy())


if __name__ == "__main__":
    BENCHMARK.start(main)
