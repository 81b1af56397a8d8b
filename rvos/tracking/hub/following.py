"""Tracks whose masks a network of the hub carries: that is all it does in `tracks`.

Which candidate belongs to which track, whether it is refused, and which track is meant stay as they are. A network
follows the tracks most likely meant; the others are carried by optical flow. It is shown a track's first candidate, and
later ones where they differ from what it carried; where they agree, its own mask is what it learns from. It sees a
track again after an occlusion or a cut, where flow loses it.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from rvos.tracking.carrying.box import core_of
from rvos.tracking.carrying.object_tracker import ObjectState, ObjectTracker
from rvos.tracking.following import Follower, FollowingConfig, Placed, Track, share_of
from rvos.tracking.hub.memory import NetworkMemory
from rvos.tracking.hub.objects import NetworkCarrier, NetworkGuess
from rvos.tracking.regions import Region, overlap
from rvos.view.frame_view import View


class _Guessing:
    """A network's guess on a frame, computed once (`view.once`): two are equal that ask the same of the same."""

    def __init__(self, carrier: NetworkCarrier, memory: NetworkMemory) -> None:
        self.carrier = carrier
        self.memory = memory

    def __call__(self, view: View) -> NetworkGuess:
        return self.carrier.guess(view, self.memory)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Guessing) and other.carrier is self.carrier and other.memory is self.memory

    def __hash__(self) -> int:
        return hash((id(self.carrier), id(self.memory)))


class NetworkFollower(Follower):
    """Moves tracks from frame to frame by a network; shared, and holds nothing that changes."""

    def __init__(self, config: FollowingConfig, objects: ObjectTracker, network: NetworkCarrier) -> None:
        super().__init__(config, objects)
        self.network = network

    def carried(self, view: View, track: Track) -> np.ndarray | None:
        """(h, w) float32: where the network sees a track, also one that was lost; by flow of one that it does not
        follow."""
        if track.network is None:
            return super().carried(view, track)
        guess = self._guess(view, track.network)
        return guess.probs if guess.quality >= self.config.lost and guess.probs.max() > 0.5 else None

    def continued(self, view: View, track: Track, carried: np.ndarray | None, taken: np.ndarray | None) -> Placed:
        """A track that has no candidate on this frame: its mask is the network's, which learns from it."""
        memory = track.network
        if memory is None:
            return super().continued(view, track, carried, taken)
        if taken is not None:
            track = replace(track, missed=track.missed + 1)
        guess = self._guess(view, memory)
        if carried is not None and taken is not None and share_of(carried, taken) >= self.config.hidden:
            # What it sees there is another thing.
            memory, carried = self.network.skipped(memory), None
        else:
            memory = guess.memory
        track = replace(track, network=memory)
        if carried is None:
            return Placed(replace(track, probs=None, away=track.away + 1))
        if track.memory is not None:
            state = self.objects.update(view, ObjectState(guess.probs, track.memory), guess)
            track = replace(track, memory=state.memory)
        moved = replace(self._moved(track, carried, guess.quality), age=track.age + 1)
        return Placed(moved, self.network.mask(view, guess))

    def drawn(self, view: View, track: Track, carried: np.ndarray | None, region: Region) -> Placed:
        """A track whose candidate on this frame is a region, drawn as any; where it differs from what the network
        carried, the network is shown it."""
        before = track.network
        placed = super().drawn(view, track, carried, region)
        if before is None or placed.track.network is not before:
            return placed
        guess = self._guess(view, before)
        agrees = carried is not None and overlap(carried > 0.5, region.core) >= self.network.config.agreement
        is_shown = placed.mask is region.mask and not agrees
        memory = self.network.shown(view, _frame_mask(view, region), before) if is_shown else guess.memory
        return replace(placed, track=replace(placed.track, network=memory))

    def given(self, view: View, track: Track, region: Region) -> Placed:
        """A track whose mask the user gave: the network is shown it, and keeps of before what was given, too."""
        placed = super().given(view, track, region)
        network = self.network.shown(view, _frame_mask(view, region), track.network if track.given else None)
        return replace(placed, track=replace(placed.track, network=network))

    def learned(self, view: View, placed: Placed, region: Region) -> Placed:
        """A lesson about its appearance, as of any track; a new one is shown to the network."""
        taught = super().learned(view, placed, region)
        if taught.track.network is not None or taught.mask is not region.mask:
            return taught
        network = self.network.shown(view, _frame_mask(view, region), None)
        return replace(taught, track=replace(taught.track, network=network))

    def _guess(self, view: View, memory: NetworkMemory) -> NetworkGuess:
        return view.once(_Guessing(self.network, memory))


def _frame_mask(view: View, region: Region) -> np.ndarray:
    """(H, W) bool, not empty: what was drawn, or the likeliest of what a map has."""
    if region.mask is not None:
        return region.mask
    height, width = view.frame.size
    return core_of(cv2.resize(region.soft, (width, height), interpolation=cv2.INTER_LINEAR))
