"""Windows of frames around chosen ones: annotated frames of a dataset, training clips."""

from __future__ import annotations

from collections.abc import Sequence

from rvos.types import Frame, VideoError
from rvos.video.reader import open_video
from rvos.video.source import Source


def read_windows(source: Source, centres: Sequence[int], length: int, backend: str = "decord") -> list[list[Frame]]:
    """One window of `length` frames for each frame index in `centres`, which is its frame `length // 2`.

    Where a window passes an end of the video, the frame at that end repeats. A frame that several windows share is
    decoded once. backend: "decord" is the faster, and refused where it is not exact; "av" reads everything.
    Raises `VideoError` for a centre outside the video, and what `open_video` raises.
    """
    if length < 1:
        raise VideoError(f"windows: expected at least 1 frame each, got {length} frames")
    with open_video(source, backend, prefetch=0) as video:
        count = video.count_frames()
        for centre in centres:
            if not 0 <= centre < count:
                raise VideoError(f"'{video.info.source}': expected a window centre from 0 to {count - 1}, got {centre}")
        starts = [centre - length // 2 for centre in centres]
        windows = [[min(max(i, 0), count - 1) for i in range(start, start + length)] for start in starts]
        frames = {frame.index: frame for frame in video.read(sorted({i for window in windows for i in window}))}
    return [[frames[i] for i in window] for window in windows]
