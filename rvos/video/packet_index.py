"""The time stamps of all frames of a file, from its packets alone, for random access."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from av.container import InputContainer
from av.video.stream import VideoStream

_EXACT_FORMATS = ("mp4", "matroska")
_EXACT_CODECS = frozenset({"h264", "hevc", "vp9", "av1", "libdav1d"})


@dataclass(frozen=True)
class PacketIndex:
    """The time stamps of a file's frames, in ticks of its time base."""

    #: Those of the T frames in display order, strictly increasing.
    pts: tuple[int, ...]
    #: Those of the key frames.
    key_pts: tuple[int, ...]
    #: Some frame follows a key frame in the file but is shown before it.
    open_gop: bool

    def __len__(self) -> int:
        return len(self.pts)

    def key_position(self, pts: int) -> int:
        """Position in `key_pts` of the last key frame shown at or before `pts`; 0 when there is none."""
        return max(0, bisect_right(self.key_pts, pts) - 1)


def build_packet_index(container: InputContainer, stream: VideoStream) -> PacketIndex | None:
    """Read all packets (none is decoded). The container must be at its start.

    None where packets do not give the frames exactly: AVI, GIF and MPEG-TS, codecs with hidden or empty packets, time
        stamps that are missing or repeat, a first packet that is no key frame, damaged packets.
    """
    if not any(name in container.format.name for name in _EXACT_FORMATS):
        return None
    if stream.codec_context.name not in _EXACT_CODECS:
        return None
    all_pts: list[int] = []
    key_pts: list[int] = []
    open_gop = False
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.pts is None or packet.is_corrupt or not (key_pts or packet.is_keyframe):
            return None
        if packet.is_keyframe:
            key_pts.append(packet.pts)
        open_gop = open_gop or packet.pts < key_pts[-1]
        if not packet.is_discard:
            all_pts.append(packet.pts)
    ordered = sorted(all_pts)
    repeats = any(a == b for a, b in pairwise(ordered))
    if not ordered or repeats or key_pts != sorted(key_pts):
        return None
    return PacketIndex(tuple(ordered), tuple(key_pts), open_gop)
