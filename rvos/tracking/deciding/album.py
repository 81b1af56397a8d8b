"""An album: a few images of each track of a video, from different parts of its life, for deciders that judge
images.

It is collected while the video is processed, and its size does not depend on the length of the video. At most `views`
images of each track are kept. The life of a track is divided into as many stretches, and each keeps the best image
in it. When the stretches are full they are made twice as long: of two that become one, the better image is kept. So
the images cover a video of any length, which need not be known in advance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import cv2
import numpy as np

from image_core.geometry.masks import bounding_box, resize_image, resize_masks
from image_core.geometry.rle import decode_rle, encode_rle
from image_core.ranges import Count, Range, check_ranges
from rvos.tracking.following import PlacedTrack
from rvos.view.frame_view import View

BETTER = 1.1
"""How many times better an image must be to replace another of the same stretch: most frames are alike."""
JPEG_QUALITY = 95
LEAST_QUALITY = 0.01
OBLONG = 4
"""Largest ratio of the sides of an image at which its short side has the pixels that are wanted."""


@dataclass(frozen=True)
class AlbumConfig:
    """How many images are kept for deciders."""

    #: Number of tracks of which images are kept: those that the image model drew on the most frames.
    tracks: Count = 12
    #: Images per track, spread over its life.
    views: Count = 4
    #: Short side of an image in pixels; images of smaller videos are enlarged for the model.
    picture_px: Annotated[int, Range(64, 480)] = 360

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Seen:
    """A track that has a candidate on this frame."""

    track_id: int
    #: (h, w) bool, not empty, the whole image at any resolution, which is the same for all tracks.
    mask: np.ndarray
    #: How good an image of the track this frame is, above 0.
    worth: float
    #: Candidates so far, that of this frame included.
    times_drawn: int


def seen_tracks(placed: Sequence[PlacedTrack]) -> list[Seen]:
    """The tracks that have a candidate on a frame. Carried masks are estimates, and are not shown to deciders. An image
    is better the larger the mask and the higher its quality."""
    seen = []
    for track in (one.track for one in placed):
        mask = None if track.probs is None or track.age else track.probs > 0.5
        if mask is not None and mask.any():
            worth = max(track.quality, LEAST_QUALITY) * math.sqrt(np.count_nonzero(mask))
            seen.append(Seen(track.id, mask, worth, track.candidates))
    return seen


@dataclass(frozen=True)
class Page:
    """One frame of the video, with the tracks that have a candidate on it."""

    frame_index: int
    #: The image, encoded.
    jpeg: bytes
    #: (height, width) of the masks.
    size: tuple[int, int]
    #: Track id -> its mask, as COCO run lengths.
    masks: Mapping[int, str]

    def image(self, short_side: int) -> np.ndarray:
        """The image with a short side of `short_side` pixels (see `fitted`), (h, w, 3) uint8 RGB. Raises `ValueError`
        if it cannot be decoded."""
        stored = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        if stored is None:
            raise ValueError(f"Page: expected a JPEG of frame {self.frame_index}, got none")
        return fitted(stored, short_side)

    def mask(self, track_id: int, size: tuple[int, int]) -> np.ndarray:
        """(H, W) bool at a size (height, width). Raises `KeyError` for a track without a candidate here."""
        stored = decode_rle({"size": list(self.size), "counts": self.masks[track_id]})
        return resize_masks(stored[None], size)[0]

    def box(self, track_id: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """[x0, y0, x1, y1) around that mask. Raises `ValueError` for an empty one."""
        box = bounding_box(self.mask(track_id, size))
        if box is None:
            raise ValueError(f"Page: expected pixels of track {track_id} on frame {self.frame_index}, got none")
        return box


@dataclass(frozen=True)
class Pick:
    """The best image of a track in one stretch of its life."""

    stretch: int
    frame_index: int
    worth: float


@dataclass(frozen=True)
class Shelf:
    """Which images of one track are kept."""

    #: Its first frame, from which stretches are counted, and their length in frames.
    first: int
    length: int = 1
    #: By rising stretch.
    picks: tuple[Pick, ...] = ()
    times_drawn: int = 0

    def after(self, frame_index: int, worth: float, times_drawn: int, views: int) -> Shelf:
        """With one more frame on which the track has a candidate."""
        shelf = self
        while (frame_index - shelf.first) // shelf.length >= views:
            shelf = replace(shelf, length=2 * shelf.length, picks=_merged(shelf.picks))
        new = Pick((frame_index - shelf.first) // shelf.length, frame_index, worth)
        known = next((pick for pick in shelf.picks if pick.stretch == new.stretch), None)
        if known is not None and new.worth <= BETTER * known.worth:
            return replace(shelf, times_drawn=times_drawn)
        others = [pick for pick in shelf.picks if pick is not known]
        picks = tuple(sorted([*others, new], key=lambda pick: pick.stretch))
        return replace(shelf, picks=picks, times_drawn=times_drawn)


def _merged(picks: Sequence[Pick]) -> tuple[Pick, ...]:
    """The picks of stretches twice as long."""
    best: dict[int, Pick] = {}
    for pick in picks:
        longer = replace(pick, stretch=pick.stretch // 2)
        if longer.stretch not in best or longer.worth > best[longer.stretch].worth:
            best[longer.stretch] = longer
    return tuple(best.values())


@dataclass(frozen=True)
class Album:
    """The images of the tracks of a video."""

    #: Track id -> which images of it are kept.
    shelves: Mapping[int, Shelf] = field(default_factory=dict)
    #: Frame index -> the frame, in their order.
    pages: Mapping[int, Page] = field(default_factory=dict)

    @property
    def tracks(self) -> tuple[int, ...]:
        """Ids of the tracks, those with the most candidates first."""
        return tuple(sorted(self.shelves, key=lambda i: (-self.shelves[i].times_drawn, i)))

    def settled(self, least: int) -> Album:
        """Without the tracks that have fewer than `least` candidates, which are errors of the image model; as it is if
        that leaves none."""
        shelves = {i: shelf for i, shelf in self.shelves.items() if shelf.times_drawn >= least}
        return Album(shelves, self.pages) if shelves else self

    def views(self, track_id: int, most: int) -> list[Page]:
        """The best pages of a track, at most `most`, in the order of the video."""
        best = sorted(self.shelves[track_id].picks, key=lambda pick: (-pick.worth, pick.frame_index))[:most]
        return [self.pages[index] for index in sorted(pick.frame_index for pick in best)]

    def after(self, view: View, seen: Sequence[Seen], config: AlbumConfig) -> Album:
        """With one more frame."""
        index, shelves = view.frame.index, dict(self.shelves)
        for one in seen:
            if self._has_room(one, config):
                shelf = shelves.get(one.track_id, Shelf(index))
                shelves[one.track_id] = shelf.after(index, one.worth, one.times_drawn, config.views)
        kept = sorted(shelves, key=lambda i: (-shelves[i].times_drawn, i))[: config.tracks]
        shelves = {i: shelves[i] for i in sorted(kept)}
        wanted = {pick.frame_index for shelf in shelves.values() for pick in shelf.picks}
        pages = {i: page for i, page in self.pages.items() if i in wanted}
        if index in wanted and index not in pages:
            pages[index] = _page(view, seen, config)
        return Album(shelves, pages)

    def _has_room(self, one: Seen, config: AlbumConfig) -> bool:
        drawn = [shelf.times_drawn for shelf in self.shelves.values()]
        return one.track_id in self.shelves or len(drawn) < config.tracks or one.times_drawn > min(drawn)


def fitted(image: np.ndarray, short_side: int) -> np.ndarray:
    """(H, W, 3) uint8 -> the same image with a short side of `short_side` pixels. In an image more oblong than
    `OBLONG` it has fewer, so that the long side stays bounded."""
    height, width = image.shape[:2]
    factor = min(short_side / min(height, width), OBLONG * short_side / max(height, width))
    return resize_image(image, (max(1, round(height * factor)), max(1, round(width * factor))))


def _page(view: View, seen: Sequence[Seen], config: AlbumConfig) -> Page:
    image = fitted(view.small_image, min(config.picture_px, *view.small_image.shape[:2]))
    written, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not written:
        raise ValueError(f"album: expected an image that can be encoded as JPEG, got {image.shape}")
    masks = {one.track_id: encode_rle(one.mask)["counts"] for one in seen}
    return Page(view.frame.index, jpeg.tobytes(), seen[0].mask.shape, masks)
