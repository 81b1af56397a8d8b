"""The tracker `hub:NAME`: `tracks` with its masks carried by a network of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from image_core.device_names import Precision
from rvos.tracking.carrying.object_tracker import ObjectTracker
from rvos.tracking.deciding.building import build_decider
from rvos.tracking.deciding.decider import Decider
from rvos.tracking.following import PlacedTrack
from rvos.tracking.hub.following import NetworkFollower
from rvos.tracking.hub.handle import NetworkHandle
from rvos.tracking.hub.objects import NetworkCarrier, NetworkConfig
from rvos.tracking.regions import Region
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.tracking.tracks_state import TracksState
from rvos.view.frame_view import View


@dataclass(frozen=True)
class HubTracksConfig(TracksConfig):
    """Every number of the tracker: those of `tracks`, and those of the network."""

    #: How a network carries masks.
    network: NetworkConfig = field(default_factory=NetworkConfig)


class HubTracks(TracksTracker):
    """`tracks`, with its masks carried by a network of the hub.

    The network follows at most `following.most_learned` tracks of an expression, those most likely meant. What it
    remembers of each is of a fixed size, and part of the state.
    """

    config_type = HubTracksConfig
    of_masks = "network"
    config: HubTracksConfig

    def __init__(
        self, handle: NetworkHandle, config: HubTracksConfig | None = None, decider: Decider | None = None
    ) -> None:
        super().__init__(config, decider)
        self.handle = handle
        self._network = NetworkCarrier(handle, self.config.network)
        self._follower = NetworkFollower(self.config.following, ObjectTracker(self.config.carrying), self._network)

    @classmethod
    def named(cls, name: str, config: HubTracksConfig, device: str, precision: Precision) -> HubTracks:
        """The tracker that `hub:TEXT` names. Raises `UnknownNameError` for a short name that is none."""
        return cls(NetworkHandle(name, device, precision), config, build_decider(config, device, precision))

    def load(self) -> None:
        super().load()
        _ = self.handle.propagator

    def mask_carrier(self) -> NetworkCarrier:
        return self._network

    def document(self) -> dict[str, Any]:
        return {**super().document(), **self.handle.document()}

    def needs_answer(self, state: TracksState) -> bool:
        """Also if the presence is unknown, as after a cut: the network may find tracks in the new scene."""
        return super().needs_answer(state if state.presence.weight else replace(state, tracks=()))

    def _learn(self, view: View, placed: Sequence[PlacedTrack], region_of: Mapping[int, Region]) -> list[PlacedTrack]:
        """The network follows the tracks most likely meant, which come first, and forgets the others."""
        taught, most = super()._learn(view, placed, region_of), self.config.following.most_learned
        rest = [replace(one, track=replace(one.track, network=None)) for one in taught[most:]]
        return [*taught[:most], *rest]
