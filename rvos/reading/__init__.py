"""Time in features: the table of propagators, which bring what the encoder gave on key frames to the frames between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from image_core.lazy_table import LazyTable

if TYPE_CHECKING:
    from rvos.reading.propagation import Propagator


def _none() -> type[Propagator[Any]]:
    from rvos.reading.propagation import NoPropagation

    return NoPropagation


def _flow() -> type[Propagator[Any]]:
    from rvos.reading.flow import FlowPropagation

    return FlowPropagation


def _affinity() -> type[Propagator[Any]]:
    from rvos.reading.affinity import AffinityPropagation

    return AffinityPropagation


PROPAGATORS = LazyTable("propagation", {"none": _none, "flow": _flow, "affinity": _affinity})
DEFAULT = "none"


def find_propagator(name: str) -> type[Propagator[Any]]:
    """The propagator called `name` (hyphens count as underscores). Raises `UnknownNameError`."""
    return PROPAGATORS.find(name)
