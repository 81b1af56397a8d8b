"""Streams as cameras make them: joined, damaged, with dropped frames, late clocks, several streams, odd pixels."""

from __future__ import annotations

import logging
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from rvos.types import OutputError, VideoError
from rvos.video.reader import open_video
from rvos.video.rgb_conversion import apply_orientation, display_matrix, swaps_axes
from rvos.video.timeline import Timeline
from rvos.video.writer import VideoWriter

FAULTS = Path(__file__).resolve().parents[2] / "faults"


def times_of(path: Path, **how: object) -> list[float]:
    with open_video(path, **how) as video:  # type: ignore[arg-type]
        return [round(frame.time_s, 3) for frame in video]


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    path = tmp_path / "both.ts"
    path.write_bytes((FAULTS / "seg0.ts").read_bytes() + (FAULTS / "seg1.ts").read_bytes())
    return path


def test_joined_pieces_are_one_video(joined: Path, caplog: pytest.LogCaptureFixture) -> None:
    times = times_of(joined)
    assert len(times) == 20 and [round(b - a, 3) for a, b in pairwise(times)] == [0.1] * 19
    assert any("come after a gap" in r.message for r in caplog.records)
    assert not any("cut off" in r.message for r in caplog.records)


def test_a_piece_of_another_clock_continues_where_the_first_ended(caplog: pytest.LogCaptureFixture) -> None:
    second = Fraction(1)
    back, ahead = Timeline("a", Fraction(10)), Timeline("b", Fraction(10), handles_jumps=True)
    with caplog.at_level(logging.WARNING):
        assert [back.time_of(t, second / 10) for t in (50, 51, 52, 10, 11, 14)] == [5.0, 5.1, 5.2, 5.3, 5.4, 5.7]
        assert [ahead.time_of(t, second) for t in (0, 1, 36000, 36001)] == [0.0, 1.0, 1.1, 2.1]
    assert [r.message.count("starts anew") for r in caplog.records] == [1, 1]


def test_real_damage_in_the_middle_is_called_that_and_can_be_passed(caplog: pytest.LogCaptureFixture) -> None:
    path, seen = FAULTS / "h264_bit.ts", []
    with pytest.raises(VideoError, match=r"its data is damaged.*--set video\.damage=skip"), open_video(path) as video:
        for frame in video:
            seen.append(frame.index)
    assert 7 <= len(seen) < 20
    times = times_of(path, damage="skip")
    assert len(times) == 19 and all(a < b for a, b in pairwise(times))
    assert any("1 packets or frames were skipped" in r.message for r in caplog.records)
    with open_video(path, damage="skip") as video:
        assert video.count_frames() == 19
        assert [frame.index for frame in video.get([3, 18])] == [3, 18]


@pytest.mark.parametrize("size", [0.8, 0.95])
def test_a_cut_off_mp4_is_passed_as_far_as_it_goes(size: float, tmp_path: Path, write_clip) -> None:
    whole = write_clip(tmp_path / "whole.mp4", 30, container_options={"movflags": "faststart"})
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: int(size * whole.stat().st_size)])
    with pytest.raises(VideoError, match=r"the file ends inside its data|cut off|damaged"), open_video(path) as video:
        list(video)
    assert 0 < len(times_of(path, damage="skip")) < 30


def test_dropped_frames_leave_their_time(caplog: pytest.LogCaptureFixture) -> None:
    assert times_of(FAULTS / "drop.avi") == [0.0, 0.1, 0.2, 0.3, 0.4, 1.5, 1.6, 1.7, 1.8, 1.9]
    assert caplog.records == []


def test_side_data_that_av_does_not_know_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert len(times_of(FAULTS / "exif.avi")) == 10 and caplog.records == []


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turn_is_read_beside_it_too(turn: int) -> None:
    class Frame:
        rotation = turn if turn < 180 else turn - 360

        @property
        def side_data(self) -> object:
            raise ValueError("31 is not a valid Type")

    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    matrix = display_matrix(Frame())  # type: ignore[arg-type]
    np.testing.assert_array_equal(apply_orientation(image, matrix), np.rot90(image, turn // 90))
    assert swaps_axes(matrix) == (turn in (90, 270))


def test_frames_that_an_edit_list_leaves_out_are_not_missed(caplog: pytest.LogCaptureFixture) -> None:
    assert len(times_of(FAULTS / "cut_copy.mp4")) == 16 and caplog.records == []


def test_a_cover_is_no_video() -> None:
    with pytest.raises(VideoError, match="got one with a cover image and audio only"):
        open_video(FAULTS / "only_cover.mp3")


def test_the_largest_stream_is_used_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), open_video(FAULTS / "preview_first.mp4") as video:
        assert video.info.size == (120, 160) and video.info.stream_index == 1
    assert any("2 video streams, number 1 is taken" in r.message for r in caplog.records)
    with open_video(FAULTS / "preview_first.mp4", stream=0) as video:
        assert video.info.size == (48, 64)


def test_a_clock_that_starts_late_begins_the_overlay_at_0(tmp_path: Path) -> None:
    with (
        open_video(FAULTS / "epoch.mkv") as video,
        VideoWriter(tmp_path / "overlay.mp4", video.info.size, rate=video.info.rate) as writer,
    ):
        assert video.info.frame_count is None and video.info.duration_s == 2.0
        for frame in video:
            assert frame.time_s > 1.6e9
            writer.write(frame.image, frame.time_s)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.start_time == 0 and container.duration == 2_000_000


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    with (
        open_video(FAULTS / "sar2.mp4") as video,
        VideoWriter(tmp_path / "out.mp4", video.info.size, rate=None, pixel_aspect=video.info.pixel_aspect) as writer,
    ):
        assert video.info.pixel_aspect == 2
        writer.write(video[0].image, 0.0)
    with open_video(tmp_path / "out.mp4") as written:
        assert written.info.pixel_aspect == 2


@pytest.mark.parametrize(("name", "size"), [("strip_160x20.mp4", (20, 160)), ("t_2x2.mkv", (2, 2))])
def test_narrow_videos_are_videos(name: str, size: tuple[int, int]) -> None:
    with open_video(FAULTS / name) as video:
        assert video.info.size == size and len(list(video)) > 1


@pytest.mark.parametrize("name", ["a:b.mp4", "100%.mp4", "%05d.mp4", "sp ace's.mp4", "ü✓.mp4", "http:x.mp4", "-x.mp4"])
def test_names_are_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes((FAULTS / "sar2.mp4").read_bytes())
    with open_video(name) as video:
        assert len(list(video)) == 20
        with VideoWriter(f"out-{name}", video.info.size, rate=10) as writer:
            writer.write(video[0].image, 0.0)
    assert Path(f"out-{name}").is_file()


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = tmp_path / b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    name.write_bytes((FAULTS / "sar2.mp4").read_bytes())
    with open_video(name) as video:
        assert len(list(video)) == 20


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "got an empty name"),
        ("   ", "got an empty name"),
        ("https://example.org/a.mp4", "got a URL: download it first"),
        ("x" * 300, "cannot be opened"),
        ("/dev/null", "a pipe or a device"),
        ("nul\0.mp4", "cannot be opened"),
        (None, "expected a path, .* got NoneType"),
        (7, "got int"),
        ((frame for frame in ()), "got generator"),
        (["a.png", "b.png"], "got a list of strings: pass \\[Path"),
        ([Path("a.png"), "b.png"], "got str among them"),
        ({}, "got dict"),
    ],
)
def test_an_invalid_source_is_refused_in_one_line(source: object, words: str) -> None:
    with pytest.raises(VideoError, match=words) as caught:
        open_video(source)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_an_open_file_and_a_pipe_are_no_source(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VideoError, match="a pipe or a device: write it to a file first"):
        open_video(tmp_path / "pipe")
    with (tmp_path / "file").open("w") as file, pytest.raises(VideoError, match="got TextIOWrapper"):
        open_video(file)  # type: ignore[arg-type]


def test_what_no_encoder_takes_is_refused_before_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="at most 16384 px for h264, got 20 x 16390 px"):
        VideoWriter(tmp_path / "out.mp4", (20, 16390), rate=10)
    assert list(tmp_path.iterdir()) == []
