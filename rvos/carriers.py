"""Builds the mask carrier of a video system: appearance and flow, with or without a masker, or a network."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import Any, cast

from image_core.device_names import Precision
from image_core.promptable import PromptableMasker
from rvos.image_model import ImageModelHandle
from rvos.tracking.carrying.mask_carrier import MaskCarrier
from rvos.tracking.carrying.object_tracker import ObjectTracker, ObjectTrackerConfig
from rvos.tracking.carrying.refining import NO_MASKER, RefinedCarrier, RefiningConfig
from rvos.tracking.tracker import Tracker


class CarrierFactory:
    """Builds the mask carrier that the settings of a system describe.

    model: its device, precision and packaged weights are used for the masker; tracker: one of the hub brings its own
    carrier; objects, masker, refining: as in `SystemConfig`.
    """

    def __init__(
        self,
        model: ImageModelHandle,
        tracker: Tracker[Any],
        objects: ObjectTrackerConfig,
        masker: str,
        refining: RefiningConfig,
    ) -> None:
        self._model = model
        self._tracker = tracker
        self._objects = objects
        self._masker = masker
        self._refining = refining

    def build(self) -> MaskCarrier:
        """The carrier, with its weights loaded or found. Raises `RvosError` if they are not available."""
        own = self._tracker.mask_carrier()
        if own is not None:
            self._tracker.load()
            return own
        objects = ObjectTracker(self._objects)
        if self._masker == NO_MASKER:
            return objects
        return RefinedCarrier(objects, self._loaded_masker, self._masker_identity, self._refining)

    def document(self) -> dict[str, Any]:
        """What masks depend on, as JSON values. Raises `RvosError` for a network whose commit cannot be known."""
        own = self._tracker.mask_carrier()
        if own is not None:
            return {"tracker": own.document()}
        document = {"object_tracker": asdict(self._objects)}
        if self._masker == NO_MASKER:
            return document
        return document | {"masker": self._masker_identity, "refining": asdict(self._refining)}

    # Imported only if a masker is used: maskers import torch, which carrying by appearance and flow does not need.

    @cached_property
    def _masker_identity(self) -> dict[str, Any]:
        from image_core.adapters.maskers import identify_masker

        return identify_masker(self._masker).document()

    @cached_property
    def _loaded_masker(self) -> PromptableMasker:
        from image_core.adapters.maskers import resolve_masker

        precision = cast(Precision, self._model.precision or "fp32")
        return resolve_masker(self._masker, self._model.device, precision, self._model.weights)
