"""Time in features: the table of propagators, which bring what the encoder gave on key frames to the frames between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from image_core.lazy_table import LazyTable

if TYPE_CHECKING:
    from rvos.reading.propagation import Propagator

PROPAGATORS: LazyTable[type[Propagator[Any]]] = LazyTable(
    "propagation",
    {
        "none": "rvos.reading.propagation:NoPropagation",
        "flow": "rvos.reading.flow:FlowPropagation",
        "affinity": "rvos.reading.affinity:AffinityPropagation",
    },
)
DEFAULT = "none"
