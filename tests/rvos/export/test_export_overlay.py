"""Overlay, comparison and contact sheet: what is drawn, where, and on how many frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from rvos.export import paths
from rvos.export.base import OverlayPainter
from rvos.export.contact_sheet import _MOST, ContactSheetExporter, _columns
from rvos.export.drawing import paint_masks, target_colour
from rvos.export.legend import Legend, video_legend
from rvos.export.table import build_exporters
from rvos.types import Frame, FrameResult, VideoInfo, expression_targets

SIZE = (120, 160)


class FakeWriter:
    """Keeps what a video writer is given."""

    made: list[FakeWriter]

    def __init__(self, path: Path, size: tuple[int, int], *, rate: float | None) -> None:
        self.path, self.size, self.rate = path, size, rate
        self.frames: list[tuple[np.ndarray, float]] = []
        self.closed = 0
        FakeWriter.made.append(self)

    def write(self, image: np.ndarray, time_s: float) -> None:
        assert image.shape == (*self.size, 3)
        self.frames.append((image.copy(), time_s))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[FakeWriter]:
    FakeWriter.made = []
    monkeypatch.setattr("rvos.export.overlay.VideoWriter", FakeWriter)
    return FakeWriter.made


def grey_frame(index: int, size: tuple[int, int] = SIZE) -> Frame:
    return Frame(index, index**2 / 25, np.full((*size, 3), 120, np.uint8))


def results(index: int, masks: Sequence[np.ndarray]) -> list[FrameResult]:
    return [FrameResult(index, index**2 / 25, e, mask, 0.9, 0.9) for e, mask in enumerate(masks)]


def square(y: int, x: int, side: int = 20, size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def run(names: list[str], out: Path, frames: int, **info: Any) -> None:
    exporters = build_exporters(names, out, only_frames=None)
    for exporter in exporters:
        exporter.open(VideoInfo("clip.mp4", SIZE, **info), expression_targets(["the box", "nothing"]))
    for t in range(frames):
        frame, found = grey_frame(t), results(t, [square(10, 10 + t), np.zeros(SIZE, bool)])
        for exporter in exporters:
            exporter.write(frame, found)
    for exporter in exporters:
        assert all(path.parent == out for path in exporter.close())


def test_the_overlay_has_every_frame_at_its_size_and_time(tmp_path: Path, writers: list[FakeWriter]) -> None:
    run(["overlay"], tmp_path, 5, rate=30.0)
    (writer,) = writers
    assert (writer.path, writer.size, writer.rate) == (tmp_path / "overlay.mp4", SIZE, 30.0)
    assert [time for _, time in writer.frames] == [t**2 / 25 for t in range(5)]
    assert writer.closed == 1


def test_the_comparison_shows_the_untouched_source_beside_the_overlay(
    tmp_path: Path, writers: list[FakeWriter]
) -> None:
    run(["overlay", "compare"], tmp_path, 2)
    overlay, compare = writers
    for (alone, _), (both, _) in zip(overlay.frames, compare.frames, strict=True):
        assert np.array_equal(both[:, :160], grey_frame(0).image)
        assert np.array_equal(both[:, 160:], alone)


def test_a_broken_run_closes_the_video(tmp_path: Path, writers: list[FakeWriter]) -> None:
    for exporter in build_exporters(["overlay", "compare"], tmp_path, only_frames=None):
        exporter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["a"]))
        exporter.write(grey_frame(0), results(0, [square(5, 5)]))
        exporter.abort()
    assert [writer.closed for writer in writers] == [1, 1]


@pytest.mark.parametrize(("name", "width"), [("overlay", 160), ("compare", 320)])
def test_the_video_on_disk_has_the_frames_size_and_times(tmp_path: Path, name: str, width: int) -> None:
    run([name], tmp_path, 8, rate=25.0)
    with av.open(str(tmp_path / f"{name}.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([t**2 / 25 for t in range(8)], abs=1e-4)
    assert {(frame.height, frame.width) for frame in frames} == {(120, width)}


def test_a_run_killed_while_the_video_grows_is_cleared_like_a_whole_one(tmp_path: Path) -> None:
    (exporter,) = build_exporters(["compare"], tmp_path, only_frames=None)
    exporter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["a"]))
    for t in range(80):  # the encoder looks ahead, and opens its file with the first packet
        exporter.write(grey_frame(t), results(t, [square(5, 5)]))
    assert list(paths.run_files(tmp_path)) == list(tmp_path.iterdir()) != []
    exporter.abort()
    assert [path.name for path in paths.run_files(tmp_path)] == ["compare.mp4"]


def test_masks_are_drawn_where_they_are_and_nowhere_else() -> None:
    image = grey_frame(0).image.copy()
    paint_masks(image, [square(30, 40), np.zeros(SIZE, bool), square(30, 100)])
    assert np.array_equal(image[:28], grey_frame(0).image[:28])
    assert tuple(image[40, 50]) == tuple(round(0.55 * 120 + 0.45 * c) for c in target_colour(0))
    assert tuple(image[40, 110]) == tuple(round(0.55 * 120 + 0.45 * c) for c in target_colour(2))
    assert image[30, 50].astype(int) == pytest.approx(target_colour(0), abs=10)


def test_a_hole_stays_open() -> None:
    mask = square(30, 40, 40)
    mask[42:58, 52:68] = False
    image = grey_frame(0).image.copy()
    paint_masks(image, [mask])
    assert tuple(image[50, 60]) == (120, 120, 120)


def test_twenty_one_colours_are_distinct() -> None:
    assert len({target_colour(e) for e in range(21)}) == 21
    assert target_colour(21) == target_colour(0)


def test_the_painter_leaves_the_frame_alone_and_draws_it_once() -> None:
    painter, frame = OverlayPainter(), grey_frame(0)
    painter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["the box"]))
    found = results(0, [square(10, 10)])
    first = painter.paint(frame, found)
    assert painter.paint(frame, found) is first
    assert not first.flags.writeable
    assert (frame.image == 120).all()
    assert painter.paint(grey_frame(0), found) is not first


def test_the_legend_tells_present_from_absent() -> None:
    legend = Legend(["the dog", "the cat"], (100, 150), 12)
    pictures = []
    for present in ((True, True), (True, False), (False, True)):
        image = np.full((*legend.size, 3), 200, np.uint8)
        legend.paint(image, (0, 0), present)
        pictures.append(image)
    both, first, second = pictures
    half = legend.size[0] // 2
    assert np.array_equal(both[:half], first[:half]) and not np.array_equal(both[half:], first[half:])
    assert np.array_equal(both[half:], second[half:]) and not np.array_equal(both[:half], second[:half])


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 300), (300, 16), (96, 128), (480, 854), (1080, 1920)])
@pytest.mark.parametrize("sentences", [["dog"], ["the dog " * 40, "x" * 300], [f"number {i}" for i in range(40)]])
def test_the_legend_stays_inside_and_below_half_the_picture(size: tuple[int, int], sentences: list[str]) -> None:
    legend, (y, x) = video_legend(sentences, size)
    image = np.full((*size, 3), 120, np.uint8)
    legend.paint(image, (y, x), [True] * len(sentences))
    assert y >= 0 and x >= 0
    if size[0] >= 96:
        assert legend.size[0] <= 0.52 * size[0]
        assert (image[: size[0] // 3] == 120).all()
        assert (image[y:] != 120).any()


@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (24, 1), (25, 2), (48, 2), (49, 4), (100, 8), (1000, 64)])
def test_the_contact_sheet_keeps_evenly_spaced_frames(tmp_path: Path, frames: int, stride: int) -> None:
    sheet = ContactSheetExporter(tmp_path)
    sheet.open(VideoInfo("clip.mp4", (9, 16)), expression_targets(["the box"]))
    brightness = []
    for t in range(frames):
        value = t % 251
        frame = Frame(t, t / 25, np.full((9, 16, 3), value, np.uint8))
        sheet.write(frame, results(t, [np.zeros((9, 16), bool)]))
        brightness.append(value)
        assert len(sheet._tiles) <= _MOST
    assert [int(tile[5, 5, 0]) for tile in sheet._tiles] == brightness[::stride]
    (path,) = sheet.close()
    picture = cv2.imread(str(path))
    assert picture is not None and min(picture.shape[:2]) > 100


@pytest.mark.parametrize("count", range(1, 25))
@pytest.mark.parametrize("tile", [(196, 320), (336, 180)])
def test_a_sheet_has_no_empty_row_and_no_strange_shape(count: int, tile: tuple[int, int]) -> None:
    columns = _columns(count, tile)
    rows = -(-count // columns)
    assert (rows - 1) * columns < count
    if count > 4:
        assert 1 <= columns * tile[1] / (rows * tile[0]) <= 4


def test_a_run_that_broke_early_leaves_a_sheet_and_one_without_frames_none(tmp_path: Path) -> None:
    sheet = ContactSheetExporter(tmp_path)
    sheet.open(VideoInfo("clip.mp4", SIZE), expression_targets(["the box"]))
    sheet.abort()
    assert not list(tmp_path.iterdir())
    sheet.write(grey_frame(0), results(0, [square(3, 3)]))
    sheet.abort()
    assert (tmp_path / "contact_sheet.png").is_file()
