"""Tracks whose masks are carried by a network of the hub. It replaces carrying, and nothing else in `tracks`.

Association, refusal and the choice of the track that is meant stay as they are. The network follows the tracks that are
most likely meant; the others are carried by optical flow. It is shown the first candidate of a track, and later ones
that differ from the mask that it carried; otherwise it goes on from its own mask. It can find a track again after an
occlusion or a cut, where flow loses it.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from rvos.tracking.carrying.box import core_of
from rvos.tracking.carrying.object_tracker import ObjectState, ObjectTracker
from rvos.tracking.following import Follower, FollowingConfig, PlacedTrack, Track, share_inside
from rvos.tracking.hub.memory import NetworkMemory
from rvos.tracking.hub.objects import NetworkCarrier, NetworkGuess
from rvos.tracking.regions import Region, overlap
from rvos.view.frame_view import View


class _Guessing:
    """A network's guess on a frame, computed once (`view.once`): two are equal if they ask the same network with the
    same memory."""

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
    """Carries the masks of tracks by a network; shared, and holds nothing that changes."""

    def __init__(self, config: FollowingConfig, objects: ObjectTracker, network: NetworkCarrier) -> None:
        super().__init__(config, objects)
        self.network = network

    def carry(self, view: View, track: Track) -> np.ndarray | None:
        """(h, w) float32 at work size: where the network sees a track, even if the track was lost; None if it does not
        see it. By optical flow for a track that the network does not follow."""
        if track.network is None:
            return super().carry(view, track)
        guess = self._guess(view, track.network)
        return guess.probs if guess.quality >= self.config.lost and guess.probs.max() > 0.5 else None

    def carry_on(self, view: View, track: Track, carried: np.ndarray | None, taken: np.ndarray | None) -> PlacedTrack:
        """A track without a candidate on this frame: its mask is the network's, which goes on from it."""
        memory = track.network
        if memory is None:
            return super().carry_on(view, track, carried, taken)
        if taken is not None:
            track = replace(track, missed=track.missed + 1)
        guess = self._guess(view, memory)
        if carried is not None and taken is not None and share_inside(carried, taken) >= self.config.hidden:
            # What the network sees there is the other object.
            memory, carried = self.network.skipped(memory), None
        else:
            memory = guess.memory
        track = replace(track, network=memory)
        if carried is None:
            return PlacedTrack(replace(track, probs=None, away=track.away + 1))
        if track.memory is not None:
            state = self.objects.update(view, ObjectState(guess.probs, track.memory), guess)
            track = replace(track, memory=state.memory)
        moved = replace(self._moved(track, carried, guess.quality), age=track.age + 1)
        return PlacedTrack(moved, self.network.mask(view, guess))

    def with_candidate(self, view: View, track: Track, carried: np.ndarray | None, region: Region) -> PlacedTrack:
        """A track that has a candidate on this frame. If the candidate differs from the mask that the network carried,
        the network is shown the candidate."""
        before = track.network
        placed = super().with_candidate(view, track, carried, region)
        if before is None or placed.track.network is not before:
            return placed
        guess = self._guess(view, before)
        agrees = carried is not None and overlap(carried > 0.5, region.core) >= self.network.config.agreement
        is_shown = placed.mask is region.mask and not agrees
        memory = self.network.shown(view, _frame_mask(view, region), before) if is_shown else guess.memory
        return replace(placed, track=replace(placed.track, network=memory))

    def with_user_mask(self, view: View, track: Track, region: Region) -> PlacedTrack:
        """A track whose mask the user gave: the network is shown the mask. Its memory of earlier frames is kept only if
        the user gave a mask of this track before."""
        placed = super().with_user_mask(view, track, region)
        network = self.network.shown(view, _frame_mask(view, region), track.network if track.given else None)
        return replace(placed, track=replace(placed.track, network=network))

    def update_memory(self, view: View, placed: PlacedTrack, region: Region) -> PlacedTrack:
        """An update of the appearance memory, as for any track. A track that the network does not follow yet is shown
        to it."""
        taught = super().update_memory(view, placed, region)
        if taught.track.network is not None or taught.mask is not region.mask:
            return taught
        network = self.network.shown(view, _frame_mask(view, region), None)
        return replace(taught, track=replace(taught.track, network=network))

    def _guess(self, view: View, memory: NetworkMemory) -> NetworkGuess:
        return view.once(_Guessing(self.network, memory))


def _frame_mask(view: View, region: Region) -> np.ndarray:
    """(H, W) bool, not empty: the mask of a region as the model drew it, or the likeliest pixels of a region of a
    map."""
    if region.mask is not None:
        return region.mask
    height, width = view.frame.size
    return core_of(cv2.resize(region.soft, (width, height), interpolation=cv2.INTER_LINEAR))
