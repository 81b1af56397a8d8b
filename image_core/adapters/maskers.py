"""The maskers that can be asked on their own: that of the packaged weights, and those of the hub."""

from __future__ import annotations

import hashlib

from image_core.adapters.masker_names import PACKAGED, PREFIX, check_masker
from image_core.device_names import Precision
from image_core.errors import ConfigError
from image_core.grounded.hub_maskers import MASKERS, read_masker
from image_core.grounded.sam import MobileSam
from image_core.hub.loading import Placement
from image_core.hub.sources import Source, find_source
from image_core.identity import ModelIdentity
from image_core.mask_model import WeightsProvider
from image_core.promptable import PromptableMasker
from image_core.weights.manifest import bundle_of

_ENCODER, _DECODER = "mobile_sam/encoder.onnx", "mobile_sam/decoder.onnx"


def resolve_masker(name: str, device: str, precision: Precision, weights: WeightsProvider) -> PromptableMasker:
    """The masker that is named: photo, hub:OWNER/NAME or hub:FOLDER. weights: gives the packaged one.

    Raises `UnknownNameError`, `ConfigError` or `CheckpointError`, in one line, and what `weights` raises.
    """
    check_masker(name)
    if name != PACKAGED:
        return read_masker(_source(name), Placement(device, precision))
    if precision != "fp32":
        raise ConfigError(f"precision: expected fp32 with the masker '{name}', got {precision}: leave --precision out")
    return packaged_masker(weights, device)


def identify_masker(name: str) -> ModelIdentity:
    """What a run records of the masker that is named, known without its weights. Raises as `resolve_masker` does."""
    check_masker(name)
    if name == PACKAGED:
        revision, licence = packaged_revision()
        return ModelIdentity(name, revision, "masker", licence)
    source = _source(name)
    return ModelIdentity(name, source.revision, "masker", source.licence)


def packaged_masker(weights: WeightsProvider, device: str = "auto") -> MobileSam:
    """MobileSAM of the packaged weights."""
    files = weights(PACKAGED)
    return MobileSam(files[_ENCODER], files[_DECODER], device=device)


def packaged_revision() -> tuple[str, str]:
    """Its revision and licence."""
    files = [file for file in bundle_of(PACKAGED).files if file.name in (_ENCODER, _DECODER)]
    revision = hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()
    return revision, ", ".join(dict.fromkeys(file.package.licence for file in files))


def _source(name: str) -> Source:
    source = find_source(name.removeprefix(PREFIX))
    if source.model_type not in MASKERS:
        raise ConfigError(
            f"masker '{name}': expected one of {', '.join(MASKERS)}, got {source.name}, which is a "
            f"'{source.model_type}'"
        )
    return source
