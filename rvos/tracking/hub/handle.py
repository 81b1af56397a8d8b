"""A network of the hub that carries masks: by name, loaded once when it is first needed, with what a run records of it.

torch is imported only when the network is loaded.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from image_core.device_names import Precision
from image_core.identity import ModelIdentity
from rvos.tracking.hub.kinds import PREFIX, check_name, identity_of, source_of

if TYPE_CHECKING:
    from rvos.tracking.hub.propagator import MaskPropagator


class NetworkHandle:
    """The network that `hub:TEXT` names.

    Raises `UnknownNameError` for an unknown short name; nothing is downloaded or opened yet.
    """

    def __init__(self, name: str, device: str = "auto", precision: Precision = "fp32") -> None:
        self._text = name.removeprefix(PREFIX)
        check_name(self._text)
        self._device = device
        self._precision: Precision = precision

    @cached_property
    def identity(self) -> ModelIdentity:
        """What a run records of it. Raises `ConfigError` or `CheckpointError`, in one line."""
        return identity_of(self._text)

    @cached_property
    def propagator(self) -> MaskPropagator:
        """The network itself, downloaded at first use. Raises `ConfigError` or `CheckpointError`, in one line."""
        from image_core.hub.loading import Placement
        from rvos.tracking.hub.propagator import read_propagator

        where = Placement(self._device, self._precision)
        return read_propagator(source_of(self._text), where)

    def document(self) -> dict[str, Any]:
        """What masks depend on, as JSON values: name, revision and licence of the weights, and the precision."""
        return {"weights": {**self.identity.document(), "precision": self._precision}}
