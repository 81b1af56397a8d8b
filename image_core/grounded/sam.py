"""MobileSAM (Zhang et al., 2023) in ONNX: masks of the objects that fill boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as errors

from image_core.errors import CheckpointError
from image_core.grounded.parts import Box
from image_core.grounded.resizing import BILINEAR, resized

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)

BOX_CORNERS = np.array([[2, 3]], np.float32)
"""How the decoder's points are marked: upper left and lower right corner of a box."""

ENCODER_INPUTS = {"input"}
DECODER_INPUTS = {
    "image_embeddings",
    "point_coords",
    "point_labels",
    "mask_input",
    "has_mask_input",
    "orig_im_size",
}

UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented)
"""What onnxruntime raises for a file that is no model, or one that it cannot run."""


class MobileSam:
    """A `Masker`: a picture is encoded once, and its boxes are decoded one after another.

    encoder, decoder: the two ONNX files. The side of the encoder's square input (1024 px in the release) is read off
    the file; a picture is scaled so that its longer side fills it. The decoder takes one prompt a call: the release
    fixes that, and with it undone eight boxes together cost what eight calls do. threads: of each of the two.

    Raises `CheckpointError` for files that are not whole or of another model.
    """

    def __init__(self, encoder: Path, decoder: Path, *, threads: int = 1) -> None:
        self._encoder = _session(encoder, ENCODER_INPUTS, threads)
        self._decoder = _session(decoder, DECODER_INPUTS, threads)
        shape = self._encoder.get_inputs()[0].shape
        if len(shape) != 4 or not isinstance(shape[2], int) or shape[2] != shape[3]:
            raise CheckpointError(f"{encoder}: expected an encoder of pictures (batch, 3, side, side), got {shape}")
        self.side_px = shape[2]
        self._no_mask = np.zeros((1, 1, self.side_px // 4, self.side_px // 4), np.float32)

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> N pairs: mask (H, W) bool, and the overlap with the true one
        that the network expects, in [0, 1]. Without boxes nothing is computed."""
        if not len(boxes_xyxy):
            return []
        scale = self.side_px / max(image.shape[:2])
        embedding = np.asarray(self._encoder.run(["output"], {"input": self._prepared(image, scale)})[0])
        return [self._decoded(embedding, image.shape[:2], np.array(box) * scale) for box in boxes_xyxy]

    def _prepared(self, image: np.ndarray, scale: float) -> np.ndarray:
        """(1, 3, side, side) float32: scaled, normalised, and padded with 0 right and below."""
        height, width = (max(1, int(side * scale + 0.5)) for side in image.shape[:2])
        padded = np.zeros((1, 3, self.side_px, self.side_px), np.float32)
        pixels = (resized(image, (height, width), BILINEAR) - MEAN) / DEVIATION
        padded[0, :, :height, :width] = pixels.transpose(2, 0, 1)
        return padded

    def _decoded(self, embedding: np.ndarray, size: tuple[int, ...], box_xyxy: np.ndarray) -> tuple[np.ndarray, float]:
        """box_xyxy: (4,) in pixels of the scaled picture."""
        feed = {
            "image_embeddings": embedding,
            "point_coords": box_xyxy.reshape(1, 2, 2).astype(np.float32),
            "point_labels": BOX_CORNERS,
            "mask_input": self._no_mask,
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array(size, np.float32),
        }
        logits, quality = (np.asarray(out) for out in self._decoder.run(["masks", "iou_predictions"], feed))
        return logits[0, 0] > 0, float(np.clip(quality[0, 0], 0, 1))


def _session(path: Path, inputs: set[str], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    try:
        data = path.read_bytes()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}): get the model again") from error
    except UNREADABLE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: expected an ONNX model, got another file ({first}): get it again") from error
    fed = {one.name for one in session.get_inputs()}
    if fed != inputs:
        wanted, got = (", ".join(sorted(names)) for names in (inputs, fed))
        raise CheckpointError(f"{path}: expected a part of MobileSAM, fed with {wanted}, got one fed with {got}")
    return session
