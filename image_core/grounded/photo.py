"""The model `photo`: `Grounded` of the packaged networks, which have seen photographs and no expression."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from image_core.device_names import Precision, check_precision
from image_core.errors import ConfigError
from image_core.identity import ModelIdentity
from image_core.mask_model import PackagedModel, WeightsProvider
from image_core.weights.cache import weights_of
from image_core.weights.manifest import bundle_of

if TYPE_CHECKING:
    from image_core.grounded.model import Grounded

NAME = "photo"


def photo_model(device: str = "auto", precision: Precision = "fp32", weights: WeightsProvider = weights_of) -> Grounded:
    """The model.

    weights: gives the files; by default those that were fetched before. Raises `ConfigError` for another precision than
    fp32 and for a device that is not there, both before `weights` is asked; `CheckpointError` where a file is none.
    """
    check_precision(precision)
    # Imported here because they import torch, which `photo_identity` does not need.
    from image_core.device import resolve_device
    from image_core.grounded.classifier import EfficientNetLite2
    from image_core.grounded.config import GroundedConfig
    from image_core.grounded.model import Grounded
    from image_core.grounded.sam import MobileSam
    from image_core.grounded.ssdlite import SSDLiteDetector

    resolve_device(device)
    if precision != "fp32":
        raise ConfigError(f"precision: expected fp32 with the model '{NAME}', got {precision}: leave --precision out")
    files = weights(NAME)
    return Grounded(
        SSDLiteDetector(files["ssdlite/model.json"], score=GroundedConfig.least_score, device=device),
        MobileSam(files["mobile_sam/encoder.onnx"], files["mobile_sam/decoder.onnx"], device=device),
        EfficientNetLite2(files["efficientnet_lite2/weights.pth"], device=device),
        identity=photo_identity(),
    )


def photo_identity() -> ModelIdentity:
    """By the hashes of all its files, which are those of the manifest wherever it runs."""
    bundle = bundle_of(NAME)
    revision = hashlib.sha256("".join(sorted(file.sha256 for file in bundle.files)).encode()).hexdigest()
    licences = dict.fromkeys(package.licence for package in bundle.packages)
    return ModelIdentity(NAME, revision, "grounded", ", ".join(licences))


PHOTO = PackagedModel(photo_model, photo_identity, is_slow=True)
