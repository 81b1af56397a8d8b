"""Folders of pictures, arrays and cameras as videos."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from image_core.entries import natural_key
from rvos.types import VideoError
from rvos.video.camera import CameraSource
from rvos.video.reader import open_video


def shade(level: int, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(path)


def test_natural_order() -> None:
    names = ["frame10.png", "frame2.png", "Frame1.png", "a.png", "frame02b.png", "9.png"]
    assert sorted(names, key=lambda n: natural_key(n)) == [
        "9.png", "a.png", "Frame1.png", "frame2.png", "frame02b.png", "frame10.png",
    ]  # fmt: skip


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for i in (10, 2, 1, 0):
        save(tmp_path / f"{i}.png", shade(i))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._1.png").write_bytes(b"hidden")
    with open_video(tmp_path, rate=10) as video:
        frames = list(video)
        assert [int(f.image[0, 0, 0]) for f in frames] == [0, 1, 2, 10]
        assert [f.time_s for f in frames] == [0.0, 0.1, 0.2, 0.3]
        assert (video.info.size, video.info.rate, video.count_frames()) == ((6, 8), 10, 4)
        assert [int(f.image[0, 0, 0]) for f in video.get([3, 0])] == [10, 0]


def test_images_are_read_in_the_order_given(tmp_path: Path) -> None:
    for name, value in (("00010", 10), ("00005", 5), ("00020", 20)):
        save(tmp_path / f"{name}.png", shade(value))
    with open_video([tmp_path / "00020.png", tmp_path / "00005.png"]) as video:
        assert [int(frame.image[0, 0, 0]) for frame in video] == [20, 5]
        assert video.info.source == str(tmp_path) and video.info.frame_count == 2
    with pytest.raises(VideoError, match=r"00099.png': no such file"):
        open_video([tmp_path / "00005.png", tmp_path / "00099.png"])


def test_folder_gives_the_frames_of_the_video(tmp_path: Path, b_frame_clip: Path) -> None:
    with open_video(b_frame_clip) as video:
        for frame in video:
            save(tmp_path / f"{frame.index}.png", frame.image)
        with open_video(tmp_path) as folder:
            assert all(np.array_equal(a.image, b.image) for a, b in zip(video, folder, strict=True))


def test_orientation_of_a_photo_is_applied(tmp_path: Path) -> None:
    image = shade(0)
    image[:3] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    with open_video(tmp_path) as video:
        assert video.info.size == (8, 6)
        assert video[0].image[:, 3:].min() > 200
        assert video[0].image[:, :3].max() < 60


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({}, "an empty folder"),
        ({"a.txt": None}, "1 entries and no image"),
        ({"1.png": (6, 8), "2.png": (6, 8), "3.png": (8, 6), "4.png": (9, 9)}, "'3.png' is 8 x 6 px: resize"),
        ({"1.png": (6, 8), "2.png": None}, "2.png': not a picture that can be read"),
    ],
)
def test_folder_that_is_no_video(tmp_path: Path, contents: dict, message: str) -> None:
    for name, size in contents.items():
        if size is None:
            (tmp_path / name).write_text("text")
        else:
            save(tmp_path / name, shade(1, size))
    with pytest.raises(VideoError, match=message):
        open_video(tmp_path)


def test_image_cut_off_in_the_middle_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        save(tmp_path / f"{i}.png", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[:60])
    seen = []
    with open_video(tmp_path) as video, pytest.raises(VideoError, match="broken at frame 2"):
        for frame in video:
            seen.append(frame.index)
    assert seen == [0, 1]


@pytest.mark.parametrize("make", [np.stack, list])
def test_arrays_are_videos(make) -> None:
    with open_video(make([shade(i) for i in range(5)])) as video:
        assert [int(f.image[0, 0, 0]) for f in video] == [0, 1, 2, 3, 4]
        assert (video.info.rate, video.info.frame_count, video[4].time_s) == (None, 5, 4 / 25)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), "without frames"),
        (np.zeros((2, 4, 4, 3), np.float32), "frame 0: expected .*, got float32"),
        (np.zeros((2, 4, 4), np.uint8), "expected uint8"),
        ([shade(0), "text"], "frame 1: expected .*, got str"),
        ([shade(0), shade(0, (5, 8))], "frame 1: expected 6 x 8 px .*, got 5 x 8"),
    ],
)
def test_arrays_that_are_no_video(images, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        open_video(images)


class FakeCapture:
    """Gives `count` blue pictures (BGR), then fails."""

    def __init__(self, count: int) -> None:
        self.left, self.released = count, False

    def isOpened(self) -> bool:  # noqa: N802
        return self.left > 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((4, 6, 3), (255, 0, 0), np.uint8)) if self.left >= 0 else (False, None)

    def get(self, field: int) -> float:
        return 30.0 if field == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released = True


def test_camera_gives_frames_until_it_stops() -> None:
    capture = FakeCapture(4)
    camera = CameraSource(0, lambda number: capture)
    seen = []
    with pytest.raises(VideoError, match="'camera:0': broken at frame 4"):
        for frame in camera.frames():
            seen.append(frame)
    assert [f.index for f in seen] == [0, 1, 2, 3]
    assert all(b.time_s > a.time_s for a, b in pairwise(seen))
    assert (seen[0].image == [0, 0, 255]).all()
    assert (camera.info.rate, camera.info.size, camera.info.frame_count) == (30.0, (4, 6), None)
    with pytest.raises(VideoError, match="no frame count"):
        camera.count_frames()
    with pytest.raises(VideoError, match="in order"):
        camera.read([0])
    camera.close()
    assert capture.released


def test_camera_opens_by_name_and_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = FakeCapture(50)
    monkeypatch.setattr("rvos.video.reader.CameraSource", lambda number: CameraSource(number, lambda n: capture))
    with open_video("camera:3") as video:
        assert video.info.source == "camera:3"
        for frame in video:
            if frame.index == 5:
                break
    assert capture.released


def test_camera_that_is_not_there() -> None:
    with pytest.raises(VideoError, match="'camera:7': the camera delivers no image"):
        CameraSource(7, lambda number: FakeCapture(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "opencv"}, "expected one of av, decord, got 'opencv'"),
        ({"backend": "decord"}, 'use backend="av"'),
        ({"prefetch": -1}, "prefetch: expected .*, got -1"),
        ({"rate": 0}, "rate: expected .*, got 0"),
    ],
)
def test_settings_that_cannot_be(arguments: dict, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        open_video([shade(0)], **arguments)


def test_rate_of_a_file_is_its_own(b_frame_clip: Path) -> None:
    with pytest.raises(VideoError, match="leave the rate out"):
        open_video(b_frame_clip, rate=5)
