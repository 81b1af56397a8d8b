"""Objects followed from masks by a network of the hub."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from image_core.ranges import Range, Share, check_ranges
from rvos.tracking.carrying.appearance import work_size
from rvos.tracking.carrying.object_tracker import ObjectGuess, at_work_size
from rvos.tracking.hub.handle import NetworkHandle
from rvos.tracking.hub.memory import NetworkMemory
from rvos.view.frame_view import View


@dataclass(frozen=True)
class NetworkConfig:
    """The numbers by which a network of the hub carries masks."""

    #: Frames with a given mask that are remembered per object: the first and the latest ones (4 in SAM 3).
    anchors: Annotated[int, Range(1, 64)] = 4
    #: The network is given the mask of a candidate if its IoU with the mask that it carried is below this.
    agreement: Share = 0.8

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class NetworkObject:
    """Everything remembered of one object."""

    #: (h, w) float32 at work size, where it was.
    probs: np.ndarray
    memory: NetworkMemory


@dataclass(frozen=True)
class NetworkGuess(ObjectGuess):
    """Where a network sees an object on one frame."""

    #: (h', w') float32 log-odds at the network's own size.
    logits: np.ndarray
    #: What the network remembers after this frame.
    memory: NetworkMemory


class NetworkCarrier:
    """A `MaskCarrier`: a network of the hub. The state of an object is all that the network remembers of it."""

    state_type: ClassVar[type] = NetworkObject

    def __init__(self, handle: NetworkHandle, config: NetworkConfig = NetworkConfig()) -> None:
        self.handle = handle
        self.config = config

    def begin(self, view: View, mask: np.ndarray) -> NetworkObject:
        return NetworkObject(at_work_size(view, mask), self.shown(view, mask, None))

    def predict(self, view: View, state: NetworkObject) -> NetworkGuess:
        return self.guess(view, state.memory)

    def update(self, view: View, state: NetworkObject, guess: NetworkGuess) -> NetworkObject:
        return NetworkObject(guess.probs, guess.memory)

    def renew(self, view: View, state: NetworkObject, mask: np.ndarray) -> NetworkObject:
        return NetworkObject(at_work_size(view, mask), self.shown(view, mask, state.memory))

    def mask(self, view: View, guess: NetworkGuess) -> np.ndarray:
        return self.handle.propagator.mask(guess.logits, view.frame.size)

    def document(self) -> dict[str, Any]:
        return {**self.handle.document(), **asdict(self.config)}

    def guess(self, view: View, memory: NetworkMemory) -> NetworkGuess:
        """Where an object is on this frame. memory: what the network remembers of it."""
        network = self.handle.propagator
        carried = network.carried(view, memory)
        probs = network.probs(carried.logits, work_size(view))
        return NetworkGuess(probs, carried.quality, carried.logits, carried.memory)

    def shown(self, view: View, mask: np.ndarray, memory: NetworkMemory | None) -> NetworkMemory:
        """What is remembered after a frame on which the network was shown the object's mask (H, W) bool. memory: what
        it remembered before, None for a new object."""
        return self.handle.propagator.shown(view, mask, self.config.anchors, memory)

    def skipped(self, memory: NetworkMemory) -> NetworkMemory:
        """What is remembered after a frame that is itself not remembered."""
        return memory.without_frame(self.handle.propagator.reach)
