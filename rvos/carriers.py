"""What follows the objects of masks in a video system: appearance and flow, a masker beside them, or a network."""

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


class Carriers:
    """The carrier of masks that the settings of a system describe, built when it is first needed.

    model: tells where networks compute, and gives packaged weights; tracker: follows masks itself where it is of the
    hub; objects, masker, refining: as in `SystemConfig`.
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

    def ready(self) -> MaskCarrier:
        """The carrier, with its weights at hand. Raises `RvosError` where they cannot be had."""
        own = self._tracker.mask_carrier()
        if own is not None:
            self._tracker.load()
            return own
        objects = ObjectTracker(self._objects)
        if self._masker == NO_MASKER:
            return objects
        return RefinedCarrier(objects, self._drawing, self._identity, self._refining)

    def document(self) -> dict[str, Any]:
        """What masks depend on, as JSON values. Raises `RvosError` for a network whose commit cannot be known."""
        own = self._tracker.mask_carrier()
        if own is not None:
            return {"tracker": own.document()}
        document = {"object_tracker": asdict(self._objects)}
        if self._masker == NO_MASKER:
            return document
        return document | {"masker": self._identity, "refining": asdict(self._refining)}

    # Maskers bring torch, which nobody else needs who follows masks: they are imported for who asked for one.

    @cached_property
    def _identity(self) -> dict[str, Any]:
        from image_core.adapters.maskers import identify_masker

        return identify_masker(self._masker).document()

    @cached_property
    def _drawing(self) -> PromptableMasker:
        from image_core.adapters.maskers import resolve_masker

        precision = cast(Precision, self._model.precision or "fp32")
        return resolve_masker(self._masker, self._model.device, precision, self._model.weights)
