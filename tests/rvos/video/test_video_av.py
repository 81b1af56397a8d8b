"""The reference reader: every frame, in order, at its time, as displayed."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rvos.types import VideoError
from rvos.video.reader import open_video

# name: (suffix, arguments of the writer)
KINDS = {
    "h264 with B-frames": (".mp4", {"options": {"bf": "3"}}),
    "h264 open GOP": (".mp4", {"options": {"bf": "3", "x264-params": "open-gop=1:scenecut=0"}}),
    "h264 in mkv": (".mkv", {"options": {"bf": "2"}}),
    "h264 variable rate": (".mp4", {"ticks": [40 * i + 7 * (i % 5) for i in range(40)]}),
    "h264 late start": (".mp4", {"ticks": [1500 + 40 * i for i in range(40)]}),
    "hevc": (".mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
    "hevc open GOP": (".mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:open-gop=1:scenecut=0"}}),
    "vp9": (".webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    "vp8": (".webm", {"codec": "libvpx", "options": {"deadline": "realtime", "auto-alt-ref": "1"}}),
    "mpeg-4 in avi": (".avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mpeg-ts": (".ts", {"options": {"bf": "3"}}),
    "gif": (".gif", {"codec": "gif", "pix_fmt": "rgb8"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_come_in_order_and_by_index(kind: str, tmp_path: Path, write_clip, numbers_of) -> None:
    suffix, arguments = KINDS[kind]
    path = write_clip(tmp_path / f"clip{suffix}", 40, **arguments)
    with open_video(path) as video:
        frames = list(video)
        assert numbers_of(frames) == list(range(40))
        assert [f.index for f in frames] == list(range(40))
        assert all(b.time_s > a.time_s for a, b in pairwise(frames))
        assert video.count_frames() == 40
        for indices in ([39, 0, 21, 21, 7], [19, 20], [9, 10, 11], [29], list(range(8, 33, 4))):
            chosen = video.get(indices)
            assert numbers_of(chosen) == indices
            assert [f.time_s for f in chosen] == [frames[i].time_s for i in indices]
            assert all(np.array_equal(f.image, frames[i].image) for f, i in zip(chosen, indices, strict=True))


def test_times_of_a_variable_rate_are_kept(tmp_path: Path, write_clip) -> None:
    ticks = [0, 10, 200, 210, 400, 900]
    with open_video(write_clip(tmp_path / "clip.mkv", 6, ticks=ticks)) as video:
        assert [round(f.time_s * 1000) for f in video] == ticks


def test_missing_times_are_counted_from_the_rate_and_said_once(
    tmp_path: Path, write_clip, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_clip(tmp_path / "clip.m4v", 5, codec="mpeg4", rate=10, container_options={})
    raw = write_clip(tmp_path / "clip.h264", 5, rate=25)
    with open_video(path) as video:
        assert [round(f.time_s, 3) for f in video] == [0.0, 0.1, 0.2, 0.3, 0.4]
    with caplog.at_level(logging.WARNING), open_video(raw) as video:
        times = [round(f.time_s, 3) for f in video]
    assert times == [0.0, 0.04, 0.08, 0.12, 0.16]
    assert [r.message.count("time stamp is missing") for r in caplog.records] == [1]


@pytest.mark.parametrize(("rotation", "hflip"), [(90, False), (-90, False), (180, False), (0, True), (90, True)])
def test_rotation_and_mirroring_are_applied(tmp_path: Path, write_clip, rotation: int, hflip: bool) -> None:
    def corner(index: int, size: tuple[int, int]) -> np.ndarray:
        image = np.zeros((*size, 3), np.uint8)
        image[: size[0] // 2, : size[1] // 2] = 255
        return image

    path = write_clip(tmp_path / "clip.mp4", 2, draw=corner, rotation=rotation, hflip=hflip)
    with open_video(path) as video:
        image = video[0].image
        assert video.info.rotation_deg == rotation % 360 or hflip
        assert video.info.size == image.shape[:2] == ((128, 64) if abs(rotation) == 90 else (64, 128))
    h, w = image.shape[:2]
    bright = {
        (y, x) for y in (0, 1) for x in (0, 1) if image[h // 4 + y * h // 2, w // 4 + x * w // 2].mean() > 128
    }  # fmt: skip
    # Counter-clockwise by 90, the upper left corner lands lower left; mirroring comes after turning.
    expected = {(90, False): (1, 0), (-90, False): (0, 1), (180, False): (1, 1), (0, True): (0, 1), (90, True): (1, 1)}
    assert bright == {expected[rotation, hflip]}
    if not hflip:
        capture = cv2.VideoCapture(str(path))
        other = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        capture.release()
        assert other.shape == image.shape
        assert np.abs(other.astype(int) - image).mean() < 3


@pytest.mark.parametrize(
    ("pix_fmt", "params", "luma"),
    [
        ("yuv420p", "colormatrix=bt709:range=tv", 0.2126),
        ("yuv420p", "colormatrix=smpte170m:range=tv", 0.299),
        ("yuv420p", "range=tv", 0.299),
        ("yuvj420p", "colormatrix=bt709:range=pc", 0.2126),
    ],
)
def test_colours_follow_matrix_and_range(tmp_path: Path, pix_fmt: str, params: str, luma: float) -> None:
    path = tmp_path / "red.mp4"
    blue = 0.0722 if luma < 0.25 else 0.114
    red_yuv = np.array([luma, -luma / (2 * (1 - blue)), 0.5])
    full = pix_fmt == "yuvj420p"
    levels = np.array([0, 128, 128]) + red_yuv * 255 if full else np.array([16, 128, 128]) + red_yuv * [219, 224, 224]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = pix_fmt
        stream.codec_context.options = {"x264-params": params, "crf": "1"}
        frame = av.VideoFrame(64, 64, pix_fmt)
        for plane, level in zip(frame.planes, levels, strict=True):
            plane.update(bytes([round(min(level, 255))]) * plane.buffer_size)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(path) as video:
        assert np.abs(video[0].image.reshape(-1, 3).mean(0) - [255, 0, 0]).max() <= 3


def test_streams_are_counted_among_video_streams(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream, side in zip(streams, (32, 64), strict=True):
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
        for i in range(6):
            for stream in streams[i % 2 :]:
                side = stream.width
                frame = av.VideoFrame.from_ndarray(np.zeros((side, side, 3), np.uint8), format="rgb24")
                frame.pts = i
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    for number, size, count in ((0, 32, 3), (1, 64, 6)):
        with open_video(path, stream=number) as video:
            assert (video.info.size, video.info.stream_index, len(list(video))) == ((size, size), number, count)
    with pytest.raises(VideoError, match="stream 0 to 1, got 2"):
        open_video(path, stream=2)


def test_passes_do_not_disturb_each_other(b_frame_clip: Path, numbers_of) -> None:
    with open_video(b_frame_clip) as video:
        first, second = iter(video), iter(video)
        mixed = [next(first), next(first), next(second), video[30], next(first)]
        assert numbers_of(mixed) == [0, 1, 0, 30, 2]


def test_indices_outside_are_refused(b_frame_clip: Path) -> None:
    with open_video(b_frame_clip) as video:
        with pytest.raises(IndexError, match="frame index from 0 to 39, got 40"):
            video[40]
        with pytest.raises(IndexError, match="got -1"):
            video[-1]
        with pytest.raises(ValueError, match="do not increase"):
            video.read([3, 3])
    with pytest.raises(ValueError, match="the reader is closed"):
        video[0]


# name in clips/odd and clips/real: frames by the README of the folder
SHARED_COUNTS = {
    "odd/hevc.mp4": 10,
    "odd/h264_10bit.mp4": 30,
    "odd/av1_no_frame_count.mkv": 125,
    "odd/mkv_no_frame_count.mkv": 310,
    "odd/full_range.mp4": 30,
    "odd/variable_rate.mp4": 72,
    "odd/b_frames.avi": 164,
    "odd/non_square_pixels.mp4": 280,
    "odd/rotated_180_variable_rate.mp4": 25,
    "odd/vp9_no_duration.webm": 74,
    "odd/failing_audio.mp4": 280,
    "odd/animated.gif": 36,
    "odd/short_fractional_rate.mp4": 36,
    "odd/two_streams.mp4": 390,
    "real/dog_720p.mp4": 289,
    "real/blocks_720p.mp4": 292,
    "real/example_480p.mp4": 50,
}


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED_COUNTS)
def test_shared_clip_gives_every_frame(name: str, shared_dir: Path) -> None:
    with open_video(shared_dir / "clips" / name) as video:
        previous, probes = None, {}
        for frame in video:
            assert frame.index == (0 if previous is None else previous.index + 1)
            assert previous is None or frame.time_s > previous.time_s
            assert frame.size == video.info.size
            if frame.index in (0, 3, SHARED_COUNTS[name] // 2, SHARED_COUNTS[name] - 1):
                probes[frame.index] = frame
            previous = frame
        assert previous is not None
        assert previous.index + 1 == SHARED_COUNTS[name] == video.count_frames()
        for frame in video.get(list(probes)):
            assert np.array_equal(frame.image, probes[frame.index].image)
            assert frame.time_s == probes[frame.index].time_s


@pytest.mark.shared
def test_shared_second_stream_has_the_official_times(shared_dir: Path) -> None:
    folder = shared_dir / "clips" / "odd"
    expected = [float(f["pts_time"]) for f in json.loads((folder / "two_streams.stream3_frames.json").read_text())]
    with open_video(folder / "two_streams.mp4", stream=1) as video:
        times = [frame.time_s for frame in video]
        assert video.info.size[1] == 480
    assert len(times) == len(expected) == 390
    assert np.abs(np.subtract(times, expected)).max() < 1e-6


@pytest.mark.shared
def test_shared_rotated_clip_is_upright(shared_dir: Path) -> None:
    path = shared_dir / "clips" / "odd" / "rotated_180_variable_rate.mp4"
    with open_video(path) as video, av.open(str(path)) as container:
        raw = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert video.info.rotation_deg == 180
        assert np.array_equal(video[0].image, raw[::-1, ::-1])
