"""What is written is read back: as many frames, their times, their colours; complete also after an error."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rvos.types import OutputError
from rvos.video.reader import open_video
from rvos.video.writer import VideoWriter

TIMES = {
    "25": [i / 25 for i in range(30)],
    "30000/1001": [i * 1001 / 30000 for i in range(30)],
    "variable": [0.0, 0.01, 0.2, 0.21, 0.4, 0.9, 0.9333],
    "late start": [1.5 + i / 10 for i in range(5)],
    "lone frame": [0.0],
}


def gradient(index: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth, so that the encoder keeps it: red runs right, green runs down, blue grows with the index."""
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(20, 230, width)[None]
    image[..., 1] = np.linspace(20, 230, height)[:, None]
    image[..., 2] = (index * 8) % 200 + 20
    return image


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_and_times_survive(kind: str, size: tuple[int, int], suffix: str, tmp_path: Path) -> None:
    times = TIMES[kind]
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, size, rate=25) as writer:
        for i, time_s in enumerate(times):
            writer.write(gradient(i, size), time_s)
    with open_video(path) as video:
        frames = list(video)
        assert video.info.codec == "h264"
        assert video.info.size == (48, 64)
    assert np.abs(np.subtract([f.time_s for f in frames], times)).max() <= 0.001
    for i, frame in enumerate(frames):
        image = frame.image[: size[0], : size[1]]
        assert np.abs(image.astype(int) - gradient(i, size)).mean() < 4
    if size == (47, 63):
        assert np.abs(frames[0].image[47].astype(int) - frames[0].image[46]).mean() < 12
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_duration_counts_the_last_frame(tmp_path: Path) -> None:
    for kind, duration_s in (("25", 30 / 25), ("30000/1001", 30 * 1001 / 30000), ("lone frame", 1 / 10)):
        path = tmp_path / "out.mp4"
        with VideoWriter(path, (32, 32), rate=10) as writer:
            for i, time_s in enumerate(TIMES[kind]):
                writer.write(gradient(i, (32, 32)), time_s)
        with open_video(path) as video:
            assert video.info.duration_s == pytest.approx(duration_s, abs=1e-3)


def test_index_lies_at_the_front_and_players_know_the_format(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (32, 32), rate=None) as writer:
        for i in range(60):
            writer.write(gradient(i, (32, 32)), i / 25)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.pix_fmt, stream.codec_context.colorspace) == ("yuv420p", 1)
        assert sum(p.is_keyframe for p in container.demux(stream) if p.size) >= 2


def test_what_was_written_before_an_error_is_a_whole_video(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with pytest.raises(RuntimeError), VideoWriter(path, (32, 32), rate=25) as writer:
        for i in range(7):
            writer.write(gradient(i, (32, 32)), i / 25)
        assert not path.exists()
        raise RuntimeError("the source broke")
    with open_video(path) as video:
        assert len(list(video)) == 7


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    writer = VideoWriter(path, (32, 32), rate=25)
    writer.write(gradient(0, (32, 32)), 0.0)
    assert path.read_bytes() == b"older"
    writer.close()
    writer.close()
    assert path.read_bytes() != b"older"


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    VideoWriter(tmp_path / "out.mp4", (32, 32), rate=25).close()
    assert list(tmp_path.iterdir()) == []


def test_times_before_zero_are_moved_together(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", (32, 32), rate=25) as writer:
        for i in range(5):
            writer.write(gradient(i, (32, 32)), i / 25 - 0.08)
    with open_video(tmp_path / "out.mp4") as video:
        assert [round(f.time_s, 3) for f in video] == [0.0, 0.04, 0.08, 0.12, 0.16]


@pytest.mark.parametrize(
    ("name", "message"),
    [("out.txt", "suffix '.txt'"), ("nowhere/out.mp4", "cannot be written .*choose another folder")],
)
def test_paths_that_cannot_be_written(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=message):
        VideoWriter(tmp_path / name, (32, 32), rate=25)


def test_frames_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", (32, 32), rate=25) as writer:
        writer.write(gradient(0, (32, 32)), 0.5)
        with pytest.raises(ValueError, match=r"expected uint8 \(32, 32, 3\), got uint8 \(32, 34, 3\)"):
            writer.write(gradient(0, (32, 34)), 1.0)
        with pytest.raises(ValueError, match="expected increasing times"):
            writer.write(gradient(0, (32, 32)), 0.5)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["variable_rate.mp4", "rotated_180_variable_rate.mp4", "vp9_no_duration.webm", "animated.gif"]
)
def test_shared_copy_has_the_times_of_its_source(name: str, shared_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    with (
        open_video(shared_dir / "clips" / "odd" / name) as video,
        VideoWriter(path, (90, 160), rate=video.info.rate) as writer,
    ):
        times = []
        for frame in video:
            times.append(frame.time_s)
            writer.write(np.ascontiguousarray(np.resize(frame.image, (90, 160, 3))), frame.time_s)
        declared = video.info.duration_s
    with open_video(path) as copy:
        assert np.abs(np.subtract([f.time_s for f in copy], times)).max() <= 0.001
        assert declared is None or copy.info.duration_s == pytest.approx(declared, abs=0.01)
