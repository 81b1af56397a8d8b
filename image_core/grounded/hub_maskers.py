"""Maskers of the hub as parts of `Grounded`: SAM and its kin, asked with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from image_core.grounded.parts import Box
from image_core.hub.loading import Network, Where, read_network, thickened
from image_core.hub.sources import Source

_CLASSES_OF = {
    "sam": ("SamModel", "SamProcessor"),
    "sam_hq": ("SamHQModel", "SamHQProcessor"),
    "sam2": ("Sam2Model", "Sam2Processor"),
    "sam2_video": ("Sam2Model", "Sam2Processor"),
    "edgetam": ("EdgeTamModel", "Sam2Processor"),
    "edgetam_video": ("EdgeTamModel", "Sam2Processor"),
}
MASKERS = tuple(_CLASSES_OF)
"""Values of `model_type` in config.json; a checkpoint for videos holds the network for pictures, too."""


class HubMasker:
    """A `Masker`: SAM (Kirillov et al., ICCV 2023), SAM-HQ (Ke et al., NeurIPS 2023), SAM 2 (Ravi et al., 2024) or
    EdgeTAM (Zhou et al., CVPR 2025).

    The picture is encoded once. Boxes are decoded one after the other: a mask does not depend, to the bit, on the other
    boxes, and on the CPU it costs what a batch of them costs.
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> N pairs: mask (H, W) bool, and the overlap with the true one
        that the network expects, in [0, 1]. Without boxes nothing is computed."""
        if not len(boxes_xyxy):
            return []
        processor, model = self.network.processor, self.network.model
        shown, (rows, columns) = thickened(image)
        asked = [[[x0 * columns, y0 * rows, x1 * columns, y1 * rows] for x0, y0, x1, y1 in boxes_xyxy]]
        inputs = processor(images=shown, input_boxes=asked, input_data_format="channels_last", return_tensors="pt")
        sizes = [inputs[key] for key in ("original_sizes", "reshaped_input_sizes") if key in inputs]
        with self.network.asked():
            seen = self._encoded(inputs["pixel_values"])
            boxes = inputs["input_boxes"].float().to(self.network.device)
            answers = [model(**seen, input_boxes=box[None, None], multimask_output=False) for box in boxes[0]]
            drawn = [processor.post_process_masks(a.pred_masks.float().cpu(), *sizes)[0][0, 0] for a in answers]
        qualities = [float(answer.iou_scores.float().clamp(0, 1)[0, 0, 0]) for answer in answers]
        return [(mask.numpy()[::rows, ::columns], quality) for mask, quality in zip(drawn, qualities, strict=True)]

    def _encoded(self, pixels: Any) -> dict[str, Any]:
        """What `forward` takes instead of the picture."""
        seen = self.network.model.get_image_embeddings(pixels.to(self.network.device))
        if isinstance(seen, tuple):  # SAM-HQ
            return {"image_embeddings": seen[0], "intermediate_embeddings": seen[1]}
        return {"image_embeddings": seen}


def read_masker(source: Source, where: Where) -> HubMasker:
    """A masker of one of `MASKERS`. Raises `CheckpointError` as `read_network` does."""
    return HubMasker(read_network(source, *_CLASSES_OF[source.model_type], where))
