"""Which pictures of a folder are frames, in what order, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_core.errors import DataError
from image_core.images import image_size, read_image
from rvos.types import StoredImages, VideoError
from rvos.video.image_folder import list_images
from rvos.video.reader import open_video


def fill(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.message for record in caplog.records)


ORDERS = {
    "decimals": (["t_0.1", "t_0.2", "t_0.3", "t_0.15", "t_0.25"], ["t_0.1", "t_0.15", "t_0.2", "t_0.25", "t_0.3"]),
    "seconds": (["9.5", "10.25", "10"], None),
    "decimals past ten": (["9.5", "10.25", "9.75"], ["9.5", "9.75", "10.25"]),
    "a counter after a point": (["shot1.9", "shot1.10", "shot1.2"], ["shot1.2", "shot1.9", "shot1.10"]),
    "padded after a point": (["a.0002", "a.0010", "a.0001"], ["a.0001", "a.0002", "a.0010"]),
    "versions": (["1.2.3", "1.2.10", "1.10.1"], ["1.2.3", "1.2.10", "1.10.1"]),
    "mixed padding": (["1", "02", "010", "3"], ["1", "02", "3", "010"]),
}


@pytest.mark.parametrize(("names", "wanted"), ORDERS.values(), ids=ORDERS)
def test_the_order_is_that_of_the_numbers(
    names: list[str], wanted: list[str] | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = [p.stem for p in list_images(fill(tmp_path / "f", [f"{name}.png" for name in names]))]
    assert found == (wanted or ["9.5", "10", "10.25"])
    assert ("read as decimals" in said(caplog)) == (names[0] == "t_0.1")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.png", "01.png"], "got '01.png' and '1.png' for the same|got '1.png' and '01.png' for the same"),
        (["0001.jpg", "0001.png", "0002.jpg"], "got '0001.jpg' and '0001.png' for the same"),
        (["a.heic", ".1.png", "__MACOSX"], "1 entries and no image"),
        ([".DS_Store"], "an empty folder"),
    ],
)
def test_what_cannot_be_put_in_order_is_refused(names: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=words):
        list_images(fill(tmp_path / "f", names))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.png", "2.png", "3.png", "7.png"], "numbers are missing, the first after 3.png"),
        (["00000.jpg", "00005.jpg", "00010.jpg", "00020.jpg", "00025.jpg"], "the first after 00010.jpg"),
        (["1.jfif", "2.jpg", "3.heic", "notes.txt", "._2.jpg"], "2 files (3.heic, notes.txt)"),
        (["left_1.png", "left_2.png", "right_1.png"], "names of several patterns (left_#, right_#)"),
        (["00000.jpg", "00005.jpg", "00010.jpg"], ""),
    ],
)
def test_ambiguous_folders_are_reported(
    names: list[str], words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    list_images(fill(tmp_path / "f", names))
    assert words in said(caplog) if words else said(caplog) == ""


def several(path: Path, form: str) -> None:
    pages = [Image.new("RGB", (8, 6), (40 * i, 0, 0)) for i in range(1, 5)]
    pages[0].save(path, format=form, save_all=True, append_images=pages[1:])


@pytest.mark.parametrize(("name", "form"), [("a.tif", "TIFF"), ("a.webp", "WEBP"), ("a.png", "PNG")])
def test_pages_and_animations_are_no_image(name: str, form: str, tmp_path: Path) -> None:
    several(tmp_path / name, form)
    with pytest.raises(DataError, match=r"expected one picture, got 4 \(pages or an animation\)"):
        read_image(tmp_path / name, apply_orientation=True)
    with pytest.raises(VideoError, match="expected one picture, got 4"):
        open_video(tmp_path)


def test_one_image_is_a_video_of_one_frame_and_an_animation_one_of_several(tmp_path: Path) -> None:
    several(tmp_path / "moving.png", "PNG")
    several(tmp_path / "pages.tif", "TIFF")
    Image.new("RGB", (8, 6), "red").save(tmp_path / "still.png")
    with open_video(tmp_path / "still.png") as video:
        assert [frame.image[0, 0].tolist() for frame in video] == [[255, 0, 0]]
    with open_video(tmp_path / "moving.png") as video:
        assert [int(frame.image[0, 0, 0]) for frame in video] == [40, 80, 120, 160]
    with pytest.raises(VideoError, match="expected one picture, got 4"):
        open_video(tmp_path / "pages.tif")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("form", ["jpg", "png", "webp", "bmp", "tif"])
@pytest.mark.parametrize("spoil", [cut, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_broken_image_is_refused_by_its_name(form: str, spoil: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / f"0.{form}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    spoil(path)
    with pytest.raises(DataError, match=rf"0\.{form}: ") as caught:
        read_image(path, apply_orientation=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: Image.new("L", (8, 6), 200), 200),
        (lambda: Image.new("1", (8, 6), 1), 255),
        (lambda: Image.new("P", (8, 6), 0), 0),
        (lambda: Image.new("LA", (8, 6), (90, 10)), 90),
        (lambda: Image.new("RGBA", (8, 6), (90, 90, 90, 0)), 90),
        (lambda: Image.fromarray(np.full((6, 8), 257 * 90, np.uint16)), 90),
    ],
)
def test_every_kind_of_pixel_becomes_rgb(make: Callable[[], Image.Image], wanted: int, tmp_path: Path) -> None:
    make().save(tmp_path / "0.png")
    image = read_image(tmp_path / "0.png", apply_orientation=True)
    assert image.shape == (6, 8, 3) and image.dtype == np.uint8 and (image == wanted).all()


def test_numbers_that_are_no_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((6, 8), np.float32)).save(tmp_path / "depth.tif")
    with pytest.raises(DataError, match="expected grey or RGB, got mode F"):
        read_image(tmp_path / "depth.tif", apply_orientation=True)


@pytest.mark.parametrize("form", ["jpg", "png", "webp"])
def test_orientation_is_applied_only_on_request(form: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"0.{form}"
    Image.new("RGB", (8, 6), "red").save(path, exif=exif)
    assert image_size(path, apply_orientation=True) == read_image(path, apply_orientation=True).shape[:2] == (8, 6)
    assert image_size(path, apply_orientation=False) == read_image(path, apply_orientation=False).shape[:2] == (6, 8)
    with open_video(tmp_path) as displayed, open_video(StoredImages((path,))) as stored:
        assert displayed.info.size == (8, 6) and stored.info.size == (6, 8)
