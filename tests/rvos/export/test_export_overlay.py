"""Overlay, comparison and contact sheet: what is drawn, where, and on how many frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from image_core.errors import ConfigError
from rvos.export import paths
from rvos.export.base import Exporter, OverlayPainter
from rvos.export.contact_sheet import ContactSheetExporter
from rvos.export.frame_pngs import FramesExporter
from rvos.export.legend import Legend, video_legend
from rvos.export.overlay import CompareExporter, OverlayExporter
from rvos.export.painter import Painter
from rvos.export.style import OVERLAY_STYLE, OverlayStyle
from rvos.export.table import build_exporters
from rvos.types import Frame, FrameResult, VideoInfo, expression_targets

SIZE = (120, 160)


class FakeWriter:
    """Keeps what a video writer is given."""

    made: list[FakeWriter]

    def __init__(self, path: Path, size: tuple[int, int], *, rate: float | None, **_: object) -> None:
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
    monkeypatch.setattr("rvos.export.base.VideoWriter", FakeWriter)
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
    drive(build_exporters(names, out, only_frames=None), out, frames, **info)


def drive(exporters: Sequence[Exporter], out: Path, frames: int, **info: Any) -> None:
    for exporter in exporters:
        exporter.open(VideoInfo("clip.mp4", SIZE, **info), expression_targets(["the box", "nothing"]))
    for t in range(frames):
        frame, both = grey_frame(t), results(t, [square(10, 10 + t), np.zeros(SIZE, bool)])
        for exporter in exporters:
            exporter.write(frame, both)
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


def test_a_run_killed_while_it_writes_a_video_is_deleted_like_a_finished_one(tmp_path: Path) -> None:
    (exporter,) = build_exporters(["compare"], tmp_path, only_frames=None)
    exporter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["a"]))
    for t in range(80):  # the encoder looks ahead, and opens its file with the first packet
        exporter.write(grey_frame(t), results(t, [square(5, 5)]))
    assert list(paths.run_files(tmp_path)) == list(tmp_path.iterdir()) != []
    exporter.abort()
    assert [path.name for path in paths.run_files(tmp_path)] == ["compare.mp4"]


def test_masks_are_drawn_where_they_are_and_nowhere_else() -> None:
    image = grey_frame(0).image.copy()
    Painter(OVERLAY_STYLE).masks(image, [square(30, 40), np.zeros(SIZE, bool), square(30, 100)])
    assert np.array_equal(image[:28], grey_frame(0).image[:28])
    assert tuple(image[40, 50]) == tuple(round(0.55 * 120 + 0.45 * c) for c in OVERLAY_STYLE.colour_of(0))
    assert tuple(image[40, 110]) == tuple(round(0.55 * 120 + 0.45 * c) for c in OVERLAY_STYLE.colour_of(2))
    assert image[30, 50].astype(int) == pytest.approx(OVERLAY_STYLE.colour_of(0), abs=10)


def test_a_hole_stays_open() -> None:
    mask = square(30, 40, 40)
    mask[42:58, 52:68] = False
    image = grey_frame(0).image.copy()
    Painter(OVERLAY_STYLE).masks(image, [mask])
    assert tuple(image[50, 60]) == (120, 120, 120)


def test_twenty_one_colours_are_distinct() -> None:
    assert len({OVERLAY_STYLE.colour_of(e) for e in range(21)}) == 21
    assert OVERLAY_STYLE.colour_of(21) == OVERLAY_STYLE.colour_of(0)


def test_the_painter_leaves_the_frame_alone_and_draws_it_once() -> None:
    painter, frame = OverlayPainter(OVERLAY_STYLE), grey_frame(0)
    painter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["the box"]))
    one = results(0, [square(10, 10)])
    first = painter.paint(frame, one)
    assert painter.paint(frame, one) is first
    assert not first.flags.writeable
    assert (frame.image == 120).all()
    assert painter.paint(grey_frame(0), one) is not first


def test_the_legend_distinguishes_present_and_absent() -> None:
    legend = Legend(["the dog", "the cat"], (100, 150), 12, OVERLAY_STYLE)
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
@pytest.mark.parametrize("names", [["dog"], ["the dog " * 40, "x" * 300], [f"number {i}" for i in range(40)]])
def test_the_legend_stays_inside_and_below_half_the_height(size: tuple[int, int], names: list[str]) -> None:
    legend, (y, x) = video_legend(names, size, OVERLAY_STYLE)
    image = np.full((*size, 3), 120, np.uint8)
    legend.paint(image, (y, x), [True] * len(names))
    assert y >= 0 and x >= 0
    if size[0] >= 96:
        assert legend.size[0] <= 0.52 * size[0]
        assert (image[: size[0] // 3] == 120).all()
        assert (image[y:] != 120).any()


def starts(flags: np.ndarray) -> np.ndarray:
    """Where runs of True begin in (N,) bool."""
    return np.flatnonzero(np.diff(flags.astype(int), prepend=0) == 1)


def sheet_of(out: Path, size: tuple[int, int], reds: Sequence[int]) -> list[list[int]]:
    """The red of every tile, row by row, of a sheet of plain frames (red, 0, 255): no other mark has their colour."""
    sheet = ContactSheetExporter(out / "contact_sheet.png", OVERLAY_STYLE)
    sheet.open(VideoInfo("clip.mp4", size), expression_targets(["the box"]))
    for t, red in enumerate(reds):
        frame = Frame(t, t / 25, np.full((*size, 3), (red, 0, 255), np.uint8))
        sheet.write(frame, results(t, [np.zeros(size, bool)]))
    (path,) = sheet.close()
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert picture is not None and min(picture.shape[:2]) > 100
    tiles = (picture[..., 1] == 0) & (picture[..., 2] == 255)
    columns = starts(tiles.any(axis=0))
    return [[int(picture[y, x, 0]) for x in columns if tiles[y, x]] for y in starts(tiles.any(axis=1))]


@pytest.mark.parametrize(("size", "aspect"), [((48, 64), 2.0), ((48, 64), 0.5), ((480, 720), 64 / 51)])
def test_the_contact_sheet_uses_the_display_aspect_ratio(size: tuple[int, int], aspect: float, tmp_path: Path) -> None:
    sheet = ContactSheetExporter(tmp_path / "sheet.png", OVERLAY_STYLE)
    sheet.open(VideoInfo("clip.mp4", size, pixel_aspect=aspect), expression_targets(["the box"]))
    sheet.write(Frame(0, 0.0, np.full((*size, 3), (9, 0, 255), np.uint8)), results(0, [np.zeros(size, bool)]))
    picture = cv2.imread(str(*sheet.close()), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    tile = (picture == (9, 0, 255)).all(axis=2)
    height, width = tile.any(axis=1).sum(), tile.any(axis=0).sum()
    assert width / height == pytest.approx(size[1] * aspect / size[0], rel=0.01)
    assert height * width == pytest.approx(320 * 180, rel=0.01)


@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (24, 1), (25, 2), (48, 2), (49, 4), (100, 8), (1000, 64)])
def test_the_contact_sheet_keeps_evenly_spaced_frames(tmp_path: Path, frames: int, stride: int) -> None:
    reds = [t % 251 for t in range(frames)]
    shown = [red for row in sheet_of(tmp_path, (9, 16), reds) for red in row]
    assert shown == reds[::stride] and len(shown) <= 24


@pytest.mark.parametrize("count", range(1, 25))
@pytest.mark.parametrize(("video", "tile"), [((9, 16), (196, 320)), ((16, 9), (336, 180))])
def test_a_sheet_has_no_empty_row_and_no_strange_shape(
    tmp_path: Path, count: int, video: tuple[int, int], tile: tuple[int, int]
) -> None:
    rows = sheet_of(tmp_path, video, range(count))
    assert [red for row in rows for red in row] == list(range(count)) and all(rows)
    columns = len(rows[0])
    assert {len(row) for row in rows[:-1]} <= {columns}
    if count > 4:
        assert 1 <= columns * tile[1] / (len(rows) * tile[0]) <= 4


def test_a_change_of_style_reaches_everything_that_is_drawn(tmp_path: Path) -> None:
    def drawn(style: OverlayStyle, out: Path) -> dict[str, bytes]:
        out.mkdir()
        overlay = OverlayPainter(style)
        drive(
            [
                OverlayExporter(out / "overlay.mp4", overlay),
                CompareExporter(out / "compare.mp4", overlay),
                ContactSheetExporter(out / "contact_sheet.png", style),
                FramesExporter(out / "frames", overlay, None),
            ],
            out,
            2,
            rate=25.0,
        )
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*") if path.is_file()}

    before = drawn(OVERLAY_STYLE, tmp_path / "before")
    after = drawn(OverlayStyle(colours=((1, 2, 3),)), tmp_path / "after")
    assert sorted(before) == ["compare.mp4", "contact_sheet.png", "frames/00000.png", "frames/00001.png", "overlay.mp4"]
    assert before.keys() == after.keys() and all(before[name] != after[name] for name in before)


@pytest.mark.parametrize(
    "fault",
    [{"colours": ()}, {"halo": (0, 0, 256)}, {"fill_alpha": 1.5}, {"dim": float("nan")}, {"px_per_outline_px": 0}],
)
def test_a_style_that_cannot_be_drawn_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"OverlayStyle.*: expected"):
        OverlayStyle(**fault)


def test_a_broken_run_leaves_a_sheet_if_it_has_frames(tmp_path: Path) -> None:
    sheet = ContactSheetExporter(tmp_path / "contact_sheet.png", OVERLAY_STYLE)
    sheet.open(VideoInfo("clip.mp4", SIZE), expression_targets(["the box"]))
    sheet.abort()
    assert not list(tmp_path.iterdir())
    sheet.write(grey_frame(0), results(0, [square(3, 3)]))
    sheet.abort()
    assert (tmp_path / "contact_sheet.png").is_file()
