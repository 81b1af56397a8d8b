"""The model `photo`: `Grounded` of the packaged networks, which have seen photographs and no expression."""

from __future__ import annotations

import hashlib

from image_core.device import Precision, check_precision
from image_core.errors import ConfigError
from image_core.grounded.classifier import EfficientNetLite2
from image_core.grounded.config import GroundedConfig
from image_core.grounded.model import Grounded
from image_core.grounded.sam import MobileSam
from image_core.grounded.ssdlite import SSDLiteDetector
from image_core.identity import ModelIdentity
from image_core.mask_model import PackagedModel
from image_core.weights.cache import weights_of
from image_core.weights.manifest import bundle_of

NAME = "photo"


def photo_model(device: str = "auto", precision: Precision = "fp32") -> Grounded:
    """The model, of weights that were fetched before. Its masker runs on the processor whatever `device` is.

    Raises `CheckpointError` where the weights are not whole, and `ConfigError` for another precision than fp32.
    """
    check_precision(precision)
    if precision != "fp32":
        raise ConfigError(f"precision: expected fp32 with the model '{NAME}', got {precision}: leave --precision out")
    files = weights_of(NAME)
    return Grounded(
        SSDLiteDetector(files["ssdlite/model.json"], score=GroundedConfig.least_score, device=device),
        MobileSam(files["mobile_sam/encoder.onnx"], files["mobile_sam/decoder.onnx"]),
        EfficientNetLite2(files["efficientnet_lite2/weights.pth"], device=device),
        identity=photo_identity(),
    )


def photo_identity() -> ModelIdentity:
    """By the hashes of all its files, which are those of the manifest wherever it runs."""
    bundle = bundle_of(NAME)
    revision = hashlib.sha256("".join(sorted(file.sha256 for file in bundle.files)).encode()).hexdigest()
    licences = dict.fromkeys(package.licence for package in bundle.packages)
    return ModelIdentity(NAME, revision, "grounded", ", ".join(licences))


PHOTO = PackagedModel(photo_model, photo_identity)
