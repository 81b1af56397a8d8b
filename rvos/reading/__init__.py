"""Time in features: how what the encoder saw on key frames reaches the frames between them."""

from __future__ import annotations

from typing import Any

from image_core.errors import UnknownNameError
from rvos.reading.affinity import AffinityPropagation
from rvos.reading.flow import FlowPropagation
from rvos.reading.propagation import NoPropagation, Propagator

__all__ = [
    "PROPAGATORS",
    "AffinityPropagation",
    "FlowPropagation",
    "NoPropagation",
    "Propagator",
    "find_propagator",
]

PROPAGATORS: dict[str, type[Propagator[Any]]] = {
    "none": NoPropagation,
    "flow": FlowPropagation,
    "affinity": AffinityPropagation,
}


def find_propagator(name: str) -> type[Propagator[Any]]:
    """The propagator called `name` (hyphens count as underscores). Raises `UnknownNameError`."""
    found = PROPAGATORS.get(name.replace("-", "_"))
    if found is None:
        raise UnknownNameError("propagation", name, list(PROPAGATORS))
    return found
