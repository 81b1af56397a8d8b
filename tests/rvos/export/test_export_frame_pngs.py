"""Masks, palette pictures and annotated frames: one whole PNG for every frame asked for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from image_core.errors import UnknownNameError
from rvos.export.palette import davis_palette
from rvos.export.table import build_exporters
from rvos.types import Frame, FrameResult, OutputError, VideoInfo, expression_targets, object_targets

SIZE = (48, 64)


def frame_at(index: int) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return Frame(index, index / 25, image)


def results_at(index: int, scores: tuple[float, ...] = (0.9, 0.8)) -> list[FrameResult]:
    """Expression 0 covers the left half and more, expression 1 the right half and more; absent in every third frame."""
    masks = np.zeros((2, *SIZE), bool)
    if index % 3 != 2:
        masks[0, :, :40] = True
        masks[1, :, 24:] = True
    return [FrameResult(index, index / 25, e, masks[e], score, 0.5) for e, score in enumerate(scores)]


def export(
    name: str, out: Path, frames: int = 4, only_frames: range | None = None, **results: tuple[float, ...]
) -> None:
    (exporter,) = build_exporters([name], out, only_frames=only_frames)
    exporter.open(VideoInfo("clip.mp4", SIZE, rate=25.0), expression_targets(["the left half", "the right half"]))
    for t in range(frames):
        exporter.write(frame_at(t), results_at(t, **results))
    exporter.close()


def test_masks_are_0_and_255_and_one_for_every_frame(tmp_path: Path) -> None:
    export("masks", tmp_path)
    for e in range(2):
        files = sorted((tmp_path / "masks" / str(e)).iterdir())
        assert [f.name for f in files] == ["00000.png", "00001.png", "00002.png", "00003.png"]
        for t, file in enumerate(files):
            picture = Image.open(file)
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), results_at(t)[e].mask * 255)


@pytest.mark.parametrize(
    ("scores", "middle"), [((0.9, 0.8), 1), ((0.8, 0.9), 2), ((0.7, 0.7), 1), ((0.7, 0.7 + 1e-9), 1)]
)
def test_where_masks_overlap_the_higher_score_wins(tmp_path: Path, scores: tuple[float, float], middle: int) -> None:
    export("palette", tmp_path, frames=3, scores=scores)
    ids = np.asarray(Image.open(tmp_path / "palette" / "00000.png"))
    assert (ids[:, :24] == 1).all()
    assert (ids[:, 24:40] == middle).all()
    assert (ids[:, 40:] == 2).all()
    assert not np.asarray(Image.open(tmp_path / "palette" / "00002.png")).any()


def test_objects_have_folders_and_ids_of_their_own(tmp_path: Path) -> None:
    targets = object_targets([3, 200])
    for exporter in build_exporters(["masks", "palette"], tmp_path, only_frames=None):
        exporter.open(VideoInfo("clip.mp4", SIZE), targets)
        exporter.write(frame_at(0), results_at(0))
        exporter.close()
    assert sorted(p.name for p in (tmp_path / "masks").iterdir()) == ["object_200", "object_3"]
    picture = np.asarray(Image.open(tmp_path / "masks/object_200/00000.png"))
    assert np.array_equal(picture, results_at(0)[1].mask * 255)
    ids = np.asarray(Image.open(tmp_path / "palette/00000.png"))
    assert (ids[:, :40] == 3).all() and (ids[:, 40:] == 200).all()


def test_palette_pictures_carry_the_davis_palette(tmp_path: Path) -> None:
    export("palette", tmp_path, frames=1)
    picture = Image.open(tmp_path / "palette" / "00000.png")
    assert picture.mode == "P"
    assert picture.getpalette() == davis_palette().reshape(-1).tolist()


@pytest.mark.parametrize(
    ("identity", "colour"),
    [(0, (0, 0, 0)), (1, (128, 0, 0)), (2, (0, 128, 0)), (3, (128, 128, 0)), (4, (0, 0, 128)), (8, (64, 0, 0)),
     (15, (192, 128, 128)), (20, (0, 64, 128)), (255, (224, 224, 192))],
)  # fmt: skip
def test_davis_colours(identity: int, colour: tuple[int, int, int]) -> None:
    assert tuple(davis_palette()[identity].tolist()) == colour


def test_davis_colours_are_distinct() -> None:
    assert len({tuple(c) for c in davis_palette().tolist()}) == 256


def test_more_expressions_than_ids_are_refused(tmp_path: Path) -> None:
    (exporter,) = build_exporters(["palette"], tmp_path, only_frames=None)
    with pytest.raises(OutputError, match="at most 254 targets, got 255"):
        exporter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["x"] * 255))


@pytest.mark.parametrize(
    ("only", "indices"), [(None, [0, 1, 2, 3, 4]), (range(1, 3), [1, 2]), (range(4, 99), [4]), (range(9, 12), [])]
)
def test_only_frames_applies_to_annotated_frames(tmp_path: Path, only: range | None, indices: list[int]) -> None:
    export("frames", tmp_path, frames=5, only_frames=only)
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == [f"{t:05d}.png" for t in indices]


def test_an_annotated_frame_has_the_size_and_the_marks(tmp_path: Path) -> None:
    export("frames", tmp_path, frames=1)
    picture = cv2.imread(str(tmp_path / "frames" / "00000.png"))
    assert picture is not None and picture.shape == (*SIZE, 3)
    assert not np.array_equal(picture[..., ::-1], frame_at(0).image)


def test_a_frame_beyond_99999_keeps_all_its_digits(tmp_path: Path) -> None:
    (exporter,) = build_exporters(["masks"], tmp_path, only_frames=None)
    exporter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["a", "b"]))
    exporter.write(frame_at(123456), results_at(123456))
    assert (tmp_path / "masks" / "1" / "123456.png").is_file()


@pytest.mark.parametrize("name", ["masks", "palette", "frames"])
def test_a_failed_write_is_an_output_error(tmp_path: Path, name: str) -> None:
    (exporter,) = build_exporters([name], tmp_path, only_frames=None)
    exporter.open(VideoInfo("clip.mp4", SIZE), expression_targets(["a", "b"]))
    folder = tmp_path / ("masks/0" if name == "masks" else name)
    (folder / "00000.png").mkdir()
    with pytest.raises(OutputError, match=r"00000\.png cannot be written"):
        exporter.write(frame_at(0), results_at(0))


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'overlay'"):
        build_exporters(["overlays"], Path("unused"), only_frames=None)


def test_every_name_of_the_contract_is_there_once_and_in_order() -> None:
    names = ["overlay", "contact_sheet", "masks", "palette", "frames", "compare"]
    assert len(build_exporters(names, Path("unused"), only_frames=None)) == len(names)
    exporters = build_exporters(["masks", "contact-sheet", "masks"], Path("unused"), only_frames=None)
    assert [type(e).__name__ for e in exporters] == ["MaskExporter", "ContactSheetExporter"]
