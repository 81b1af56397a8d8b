"""Finds out from the bytes of a file why it cannot be opened or ends too early, for the error message."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer
from av.video.stream import VideoStream

_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"sidx"})
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


def open_error_reason(path: Path, error: Exception) -> str:
    """A clause that says what is wrong with `path`, which the demuxer rejected with `error`."""
    with path.open("rb") as file:
        head = file.read(4096)
        if not head:
            return "the file is empty (0 bytes): copy it again"
        if head[4:8] in _MP4_BOXES and b"moov" not in _mp4_boxes(file):
            return "an mp4 cut off before its index (no moov box): record or copy it again"
    if looks_like_text(head):
        return "expected a video file, got text"
    return f"not a video that can be read ({str(error).split(':')[0].strip()}): convert it to mp4 (h264)"


def looks_like_text(head: bytes) -> bool:
    """Whether the bytes are printable UTF-8, except for a character cut off at the end."""
    text = head.decode("utf-8", errors="ignore")
    return (
        b"\0" not in head
        and len(text.encode()) >= len(head) - 3
        and all(c.isprintable() or c in "\t\r\n\f" for c in text)
    )


def _mp4_boxes(file: BinaryIO) -> list[bytes]:
    """Names of the top-level boxes that start inside the file (ISO/IEC 14496-12, 4.2)."""
    names, position = [], 0
    end = file.seek(0, os.SEEK_END)
    while position + 8 <= end:
        file.seek(position)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        # A size of 0 means "to the end"; a box that passes the end is not complete.
        if size == 0 or size < 8 or position + size > end:
            break
        names.append(header[4:8])
        position += size
    return names


def is_truncated(path: Path, container: InputContainer, stream: VideoStream) -> bool:
    """Whether the file is shorter than its own index (mp4, mov) or its declared length (matroska, webm, avi)."""
    size = path.stat().st_size
    if "mp4" in container.format.name:
        return any(entry.pos + entry.size > size for entry in stream.index_entries)
    if "matroska" in container.format.name:
        end = _matroska_end(path)
        return end is not None and end > size
    if container.format.name == "avi":
        with path.open("rb") as file:
            return 8 + int.from_bytes(file.read(8)[4:], "little") > size
    return False


def _matroska_end(path: Path) -> int | None:
    """Byte at which the segment ends according to its header, None if unknown (RFC 8794, 4 and 6)."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(_SEGMENT)
    if not head.startswith(_EBML) or at < 0 or at + 5 > len(head):
        return None
    first = head[at + 4]
    if not first:
        return None
    length = 9 - first.bit_length()
    value = int.from_bytes(head[at + 4 : at + 4 + length], "big") & ((1 << 7 * length) - 1)
    unknown = value == (1 << 7 * length) - 1
    return None if unknown else at + 4 + length + value
