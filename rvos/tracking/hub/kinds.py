"""Which networks can carry masks, and the short names behind `--tracker hub:`. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from image_core.errors import ConfigError, UnknownNameError
from image_core.hub.catalogue import EDGETAM, SAM2, SAM3, HubModel
from image_core.identity import ModelIdentity

if TYPE_CHECKING:
    from image_core.hub.sources import Source

PREFIX = "hub:"
ADAPTER = "mask_propagator"

PROPAGATORS = {
    "sam2_video": ("Sam2VideoModel", "Sam2VideoProcessor"),
    "edgetam_video": ("EdgeTamVideoModel", "Sam2VideoProcessor"),
    "sam3_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
    "sam3_tracker_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
}
"""`model_type` of config.json -> names of classes of transformers."""

HUB_TRACKERS = {
    model.name: model
    for model in (
        HubModel(
            "sam2.1",
            (SAM2,),
            ADAPTER,
            "SAM 2.1 with Hiera B+",
            "SA-V test J&F 78.2",
        ),
        HubModel(
            "edgetam",
            (EDGETAM,),
            ADAPTER,
            "EdgeTAM, a small network",
            "",
        ),
        HubModel(
            "sam3",
            (SAM3,),
            ADAPTER,
            "the tracker of SAM 3",
            "",
        ),
    )
}
"""By short name."""


def check_name(text: str) -> None:
    """Raise `UnknownNameError` unless the text behind `hub:` is OWNER/NAME, a folder, or a short name."""
    if text not in HUB_TRACKERS and "/" not in text and not Path(text).is_dir():
        raise UnknownNameError("tracker hub:", text, list(HUB_TRACKERS), ", OWNER/NAME of the hub, or a folder")


def source_of(text: str) -> Source:
    """The network that `hub:TEXT` names. Raises `UnknownNameError`, `ConfigError` for one that carries no masks, and
    what `find_source` raises."""
    from image_core.hub.sources import find_source  # it imports huggingface_hub

    check_name(text)
    known = HUB_TRACKERS.get(text)
    source = find_source(known.text if known else text)
    if source.model_type not in PROPAGATORS:
        raise ConfigError(
            f"tracker 'hub:{text}': expected one of {', '.join(PROPAGATORS)}, got {source.name}, which is a "
            f"'{source.model_type}'"
        )
    return source


def identity_of(text: str) -> ModelIdentity:
    """What a run records of the network that `hub:TEXT` names; its weights are not needed for it. Raises as
    `source_of`."""
    source = source_of(text)
    return ModelIdentity(f"{PREFIX}{text}", source.revision, ADAPTER, source.licence)
