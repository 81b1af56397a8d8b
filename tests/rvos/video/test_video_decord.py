"""decord where it is exact, and refused where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rvos.types import VideoError
from rvos.video.reader import open_video

pytest.importorskip("decord")


@pytest.mark.parametrize(
    ("suffix", "arguments"),
    [
        (".mp4", {"options": {"bf": "3"}}),
        (".mov", {"ticks": [40 * i + 7 * (i % 5) for i in range(40)]}),
        (".webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    ],
)
def test_decord_equals_av_where_it_is_admitted(suffix: str, arguments: dict, tmp_path: Path, write_clip) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", 40, **arguments)
    expected = [31, 5, 5, 0, 39, *range(10, 28)]
    with open_video(path, "decord") as fast, open_video(path) as exact:
        assert fast.info == exact.info
        assert fast.count_frames() == 40
        for a, b in zip(fast.get(expected), exact.get(expected), strict=True):
            assert (a.index, a.time_s) == (b.index, b.time_s)
            assert np.array_equal(a.image, b.image)
        assert [f.index for f in fast] == list(range(40))
        with pytest.raises(IndexError, match="from 0 to 39"):
            fast[40]


@pytest.mark.parametrize(
    ("suffix", "arguments", "reason"),
    [
        (".avi", {"codec": "mpeg4"}, "expected container .*, got .avi"),
        (".ts", {}, "expected container .*, got .ts"),
        (".gif", {"codec": "gif", "pix_fmt": "rgb8"}, "expected container .*, got .gif"),
        (
            ".mp4",
            {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
            "expected codec h264 or vp9, got hevc",
        ),
        (".mp4", {"options": {"bf": "3", "x264-params": "open-gop=1:scenecut=0"}}, "open GOPs"),
    ],
)
def test_decord_is_refused_where_it_is_not(
    suffix: str, arguments: dict, reason: str, tmp_path: Path, write_clip
) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", 40, **arguments)
    with pytest.raises(VideoError, match=rf'decord is not exact here \({reason}.*\): use backend="av"'):
        open_video(path, "decord")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "admitted"),
    [
        ("real/dog_720p.mp4", True),
        ("odd/full_range.mp4", True),
        ("odd/variable_rate.mp4", True),
        ("odd/h264_10bit.mp4", False),
        ("odd/hevc.mp4", False),
        ("odd/two_streams.mp4", False),
        ("odd/b_frames.avi", False),
        ("odd/vp9_no_duration.webm", False),
        ("odd/av1_no_frame_count.mkv", False),
    ],
)
def test_shared_decord_is_exact_or_refused(name: str, admitted: bool, shared_dir: Path) -> None:
    path = shared_dir / "clips" / name
    if not admitted:
        with pytest.raises(VideoError, match='use backend="av"'):
            open_video(path, "decord")
        return
    with open_video(path, "decord") as fast, open_video(path) as exact:
        expected = [28, 3, 17]
        for a, b in zip(fast.get(expected), exact.get(expected), strict=True):
            assert a.time_s == b.time_s
            assert np.array_equal(a.image, b.image)
