"""Files that cannot be read say why in one line; data that breaks in the middle gives the frames before."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from rvos.types import Frame, VideoError
from rvos.video.reader import open_video


def _empty(folder: Path, clip: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def _text(folder: Path, clip: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is no video\n" * 20)
    return path


def _playlist(folder: Path, clip: Path) -> Path:
    path = folder / "playlist.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n")
    return path


def _notes(folder: Path, clip: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("Anmerkung für morgen\n" * 400)
    return path


def _no_index(folder: Path, clip: Path) -> Path:
    path = folder / "cut.mp4"
    with av.open(str(clip)) as source, av.open(str(path), "w", options={"movflags": "0"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _garbage(folder: Path, clip: Path) -> Path:
    path = folder / "garbage.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


def _audio(folder: Path, clip: Path) -> Path:
    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    return path


def _missing(folder: Path, clip: Path) -> Path:
    return folder / "nothing.mp4"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "no such file"),
        (_empty, "the file is empty"),
        (_text, "expected a video file, got text"),
        (_notes, "expected a video file, got text"),
        (_playlist, "expected a video file, got text"),
        (_no_index, r"cut off before its index \(no moov box\)"),
        (_garbage, "not a video that can be read"),
        (_audio, "expected a file with a video stream, got one with audio only"),
    ],
)
def test_unreadable_file_is_named_on_opening(
    make: Callable[[Path, Path], Path], message: str, tmp_path: Path, b_frame_clip: Path
) -> None:
    path = make(tmp_path, b_frame_clip)
    with pytest.raises(VideoError, match=message) as raised:
        open_video(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def _packets(path: Path) -> list[tuple[int, int, int]]:
    """(pts, position, size) in file order."""
    with av.open(str(path)) as container:
        return [(p.pts or 0, p.pos or 0, p.size) for p in container.demux(video=0) if p.size]


def _read_until_broken(path: Path) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    with open_video(path) as video, pytest.raises(VideoError) as raised:
        for frame in video:
            frames.append(frame)
    return frames, str(raised.value)


@pytest.mark.parametrize("broken_packet", [10, 20, 25])
def test_frames_before_damaged_data_are_delivered(
    broken_packet: int, tmp_path: Path, b_frame_clip: Path, numbers_of
) -> None:
    packets = _packets(b_frame_clip)
    pts, position, size = packets[broken_packet]
    data = bytearray(b_frame_clip.read_bytes())
    data[position + 4 : position + size] = bytes(size - 4)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    frames, message = _read_until_broken(path)
    shown_before = sum(p < pts for p, _, _ in packets)
    assert numbers_of(frames) == list(range(shown_before))
    assert f"broken at frame {shown_before} " in message


def test_frames_before_the_cut_are_delivered(tmp_path: Path, b_frame_clip: Path, numbers_of) -> None:
    packets = _packets(b_frame_clip)
    _, position, size = packets[25]
    path = tmp_path / "cut.mp4"
    path.write_bytes(b_frame_clip.read_bytes()[: position + size // 2])
    frames, message = _read_until_broken(path)
    # Everything shown before the cut packet, and nothing of what came after it.
    assert len(frames) == sum(p < packets[25][0] for p, _, _ in packets)
    assert numbers_of(frames) == list(range(len(frames)))
    assert f"broken at frame {len(frames)} " in message


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "libx264"), (".webm", "libvpx-vp9"), (".avi", "mpeg4")])
def test_file_that_was_cut_off_between_packets_is_noticed(
    suffix: str, codec: str, tmp_path: Path, write_clip, numbers_of
) -> None:
    whole = write_clip(tmp_path / f"whole{suffix}", 40, codec=codec, options={"bf": "0"} if codec == "libx264" else {})
    _, position, _ = _packets(whole)[30]
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole.read_bytes()[: position - 10])
    frames, message = _read_until_broken(path)
    assert numbers_of(frames) == list(range(len(frames)))
    assert len(frames) in (29, 30)
    assert f"broken at frame {len(frames)} " in message


def test_good_parts_of_a_damaged_file_can_be_addressed(tmp_path: Path, b_frame_clip: Path, numbers_of) -> None:
    packets = _packets(b_frame_clip)
    _, position, size = packets[11]
    data = bytearray(b_frame_clip.read_bytes())
    data[position + 4 : position + size] = bytes(size - 4)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with open_video(path) as video:
        assert numbers_of(video.get([35, 3])) == [35, 3]
        with pytest.raises(VideoError, match="broken at frame"):
            video.get([19])


def test_cover_pictures_are_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        picture = container.add_stream("mjpeg", rate=1)
        picture.width = picture.height = 32
        picture.pix_fmt = "yuvj420p"
        picture.disposition = Disposition.attached_pic
        still = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(picture.encode(still))
        container.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(VideoError, match="expected a file with a video stream"):
        open_video(path)
