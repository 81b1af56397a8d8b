"""The table of propagators, which carry the encoder's features from key frames to the frames between them."""

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
