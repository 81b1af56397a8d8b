"""Maskers of the hub as parts of `Grounded`: SAM and similar networks, prompted with boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from image_core.grounded.parts import Box
from image_core.hub.loading import Network, Placement, read_network, repeat_short_side
from image_core.hub.sources import Source
from image_core.promptable import PredictedMask

_CLASSES_OF = {
    "sam": ("SamModel", "SamProcessor"),
    "sam_hq": ("SamHQModel", "SamHQProcessor"),
    "sam2": ("Sam2Model", "Sam2Processor"),
    "sam2_video": ("Sam2Model", "Sam2Processor"),
    "edgetam": ("EdgeTamModel", "Sam2Processor"),
    "edgetam_video": ("EdgeTamModel", "Sam2Processor"),
}
MASKERS = tuple(_CLASSES_OF)
"""Values of `model_type` in config.json; a checkpoint for videos holds the network for images, too."""


@dataclass(frozen=True)
class ImageEmbedding:
    """An image and its embedding."""

    #: (H, W, 3) uint8 RGB
    image: np.ndarray
    #: Keyword arguments of the network's `forward` in place of pixels.
    model_inputs: Mapping[str, Any]


class HubMasker:
    """A `Masker` and a `PromptableMasker`: SAM (Kirillov et al., ICCV 2023), SAM-HQ (Ke et al., NeurIPS 2023), SAM 2
    (Ravi et al., 2024) or EdgeTAM (Zhou et al., CVPR 2025).

    The image is encoded once. Boxes are decoded one by one, so a mask does not depend on the other boxes, bit for bit;
    on the CPU this is as fast as a batch.
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> N pairs: mask (H, W) bool, and the network's estimate of its IoU
        with the true mask, in [0, 1]. Without boxes nothing is computed."""
        if not len(boxes_xyxy):
            return []
        predictions = self._predict(self.encode_image(image), boxes_xyxy, multimask_output=False)
        return [(one.mask, one.quality) for (one,) in predictions]

    def predict_masks(self, embedding: ImageEmbedding, boxes_xyxy: Sequence[Box]) -> list[list[PredictedMask]]:
        """An image embedding and N boxes in pixels -> all masks that the network predicts for each box."""
        return self._predict(embedding, boxes_xyxy, multimask_output=True)

    def encode_image(self, image: np.ndarray) -> ImageEmbedding:
        """(H, W, 3) uint8 RGB -> the image embedding."""
        repeated_image, _ = repeat_short_side(image)
        with self.network.inference():
            features = self.network.model.get_image_embeddings(self.network.preprocess(repeated_image)["pixel_values"])
        if isinstance(features, tuple):  # SAM-HQ
            return ImageEmbedding(image, {"image_embeddings": features[0], "intermediate_embeddings": features[1]})
        return ImageEmbedding(image, {"image_embeddings": features})

    def _predict(
        self, embedding: ImageEmbedding, boxes_xyxy: Sequence[Box], multimask_output: bool
    ) -> list[list[PredictedMask]]:
        """For each box the network's single mask, or with `multimask_output` all of its masks."""
        processor, model = self.network.processor, self.network.model
        repeated_image, (rows, columns) = repeat_short_side(embedding.image)
        input_boxes = [[[x0 * columns, y0 * rows, x1 * columns, y1 * rows] for x0, y0, x1, y1 in boxes_xyxy]]
        inputs = processor(
            images=repeated_image, input_boxes=input_boxes, input_data_format="channels_last", return_tensors="pt"
        )
        sizes = [inputs[key] for key in ("original_sizes", "reshaped_input_sizes") if key in inputs]
        predictions = []
        with self.network.inference():
            for box in inputs["input_boxes"].float().to(self.network.device)[0]:
                outputs = model(
                    **embedding.model_inputs, input_boxes=box[None, None], multimask_output=multimask_output
                )
                masks = processor.post_process_masks(outputs.pred_masks.float().cpu(), *sizes)[0][0]
                qualities = outputs.iou_scores.float().clamp(0, 1)[0, 0].tolist()
                pairs = zip(masks.numpy()[:, ::rows, ::columns], qualities, strict=True)
                predictions.append([PredictedMask(mask, quality) for mask, quality in pairs])
        return predictions


def read_masker(source: Source, placement: Placement) -> HubMasker:
    """A masker of one of `MASKERS`. Raises `CheckpointError` as `read_network` does."""
    return HubMasker(read_network(source, *_CLASSES_OF[source.model_type], placement))
