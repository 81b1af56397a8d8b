"""Mask prompts: what a PNG or an array says, and that everything else is refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from image_core.errors import ConfigError, DataError, RvosError
from rvos.types import Frame, VideoError, VideoInfo
from rvos.watch.prompts import MaskPrompts, prompts_of, read_prompts

SIZE = (6, 8)


def ids_with(**objects: int) -> np.ndarray:
    """(6, 8) uint8: `left=3` is a block of threes at the left, `right` one at the right."""
    ids = np.zeros(SIZE, np.uint8)
    for side, value in objects.items():
        ids[1:4, slice(0, 3) if side == "left" else slice(5, 8)] = value
    return ids


def save(path: Path, values: np.ndarray, mode: str) -> Path:
    picture = Image.fromarray(values)
    if mode == "P":
        picture.putpalette(bytes(range(256)) * 3)
    elif mode != picture.mode:
        picture = picture.convert(mode)
    picture.save(path, format="PNG")
    return path


@pytest.mark.parametrize(
    ("values", "mode", "wanted"),
    [
        (ids_with(left=255), "L", ids_with(left=1)),
        (ids_with(left=1), "L", ids_with(left=1)),
        (ids_with(left=255), "1", ids_with(left=1)),
        (ids_with(left=255).astype(np.uint16) * 257, "I;16", ids_with(left=1)),
        (ids_with(left=3, right=7), "P", ids_with(left=3, right=7)),
        (ids_with(left=3, right=7), "L", ids_with(left=3, right=7)),
        (ids_with(left=255), "RGB", ids_with(left=1)),
        (ids_with(left=3, right=255), "P", ids_with(left=3)),
    ],
    ids=["0 and 255", "0 and 1", "one bit", "16 bits", "palette", "grey ids", "grey RGB", "palette with void"],
)
def test_masks_from_images(values: np.ndarray, mode: str, wanted: np.ndarray, tmp_path: Path) -> None:
    prompts = read_prompts([f"4={save(tmp_path / 'mask.png', values, mode)}"])
    assert list(prompts.ids) == [4] and np.array_equal(prompts.ids[4], wanted)
    assert prompts.entries[0][1] == SIZE


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (ids_with(left=1).astype(bool), ids_with(left=1)),
        (ids_with(left=3, right=7).astype(np.int64), ids_with(left=3, right=7)),
        (ids_with(left=254, right=255), ids_with(left=254)),
    ],
)
def test_masks_from_arrays(mask: np.ndarray, wanted: np.ndarray) -> None:
    assert np.array_equal(prompts_of({np.int64(2): mask}).ids[2], wanted)  # type: ignore[dict-item]


def test_targets_are_the_objects_of_all_masks_and_a_mask_belongs_to_one() -> None:
    prompts = prompts_of({9: ids_with(left=7), 0: ids_with(left=3, right=12)})
    assert [(t.index, t.name, t.object_id, t.label) for t in prompts.targets] == [
        (0, "object 3", 3, 3),
        (1, "object 7", 7, 7),
        (2, "object 12", 12, 12),
    ]
    first = prompts.masks(0)
    assert list(first) == [3, 12] and np.array_equal(first[12], ids_with(right=12) > 0)
    assert list(prompts.masks(9)) == [7] and prompts.masks(1) == {}


def test_the_digest_is_of_what_the_mask_says(tmp_path: Path) -> None:
    grey = read_prompts([f"0={save(tmp_path / 'grey.png', ids_with(left=255), 'L')}"])
    palette = read_prompts([f"0={save(tmp_path / 'palette.png', ids_with(left=1), 'P')}"])
    other = prompts_of({0: ids_with(right=1)})
    assert grey.document() == palette.document() != other.document()
    assert grey.document()[0]["object_ids"] == [1] and grey.document()[0]["frame_index"] == 0


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("mask.png", "expected FRAME=PNG .*, got 'mask.png'"),
        ("=mask.png", "expected FRAME=PNG"),
        ("-1=mask.png", "expected FRAME=PNG with a frame from 0"),
        ("first=mask.png", "expected FRAME=PNG"),
        ("3=", "expected FRAME=PNG"),
        ("9999999999=mask.png", "expected FRAME=PNG"),
    ],
)
def test_a_text_that_is_no_pair_is_refused(pair: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_prompts([pair])


def _text(path: Path) -> None:
    path.write_text("a letter")


def _cut(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (64, 64), dtype=np.uint8) * np.uint8(255)
    save(path, noise, "L")
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "cannot be read"),
        (_text, "not a PNG that can be read"),
        (_cut, "expected a whole picture"),
        (lambda path: Image.fromarray(ids_with(left=255)).save(path, format="JPEG"), "expected a PNG, got JPEG"),
        (lambda path: Image.new("RGB", (8, 6), "red").save(path), "expected grey, or a palette of ids, got colours"),
        (lambda path: save(path, ids_with(left=90, right=255), "L"), "grey levels 90, 255, which may be soft edges"),
        (lambda path: save(path, ids_with(), "L"), "expected a mask with pixels above 0"),
        (lambda path: save(path, ids_with(), "P"), "expected a mask with pixels above 0"),
        (lambda path: save(path, ids_with(left=255), "P"), "255 in ids is void"),
    ],
    ids=["missing", "folder", "text", "cut", "jpeg", "colour", "soft edges", "empty", "empty palette", "void alone"],
)
def test_an_image_that_is_no_mask_is_refused_in_one_line(
    make: Callable[[Path], Any], words: str, tmp_path: Path
) -> None:
    make(tmp_path / "mask.png")
    with pytest.raises(DataError, match=words) as caught:
        read_prompts([f"0={tmp_path / 'mask.png'}"])
    assert "\n" not in str(caught.value) and "mask.png" in str(caught.value)


def test_two_masks_for_one_frame_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", ids_with(left=255), "L")
    with pytest.raises(ConfigError, match="expected one mask for frame 3"):
        read_prompts([f"3={path}", f"03={path}"])


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({}, "got none"),
        (None, "got NoneType: give a dict"),
        (ids_with(left=1), "got ndarray: give a dict"),
        ({-1: ids_with(left=1)}, "position of a frame in the video, from 0, got -1"),
        ({True: ids_with(left=1)}, "got True"),
        ({"0": ids_with(left=1)}, "got '0'"),
        ({0: ids_with(left=1)[None]}, r"expected bool or integers \(H, W\), got uint8 \(1, 6, 8\)"),
        ({0: ids_with(left=1).astype(float)}, "got float64"),
        ({0: [[0, 1]]}, "got list"),
        ({0: np.full(SIZE, -1)}, "got -1 to -1"),
        ({0: np.full(SIZE, 256)}, "got 256 to 256"),
        ({0: np.zeros((0, 4), np.uint8)}, "expected a mask with pixels above 0"),
        ({0: ids_with(left=255)}, "255 in ids is void"),
        (
            {0: ids_with(left=1), 5: ids_with(left=1)[:, :7]},
            "expected one size.* got 6 x 8 px .*frame 0 and 6 x 7 px .*frame 5",
        ),
    ],
)
def test_arrays_that_are_no_masks_are_refused(masks: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        prompts_of(masks)


@pytest.mark.parametrize("ids", [ids_with(), ids_with(left=255), ids_with(left=1).astype(int), ids_with(left=1)[0]])
def test_prompts_are_checked_at_birth(ids: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W\) with ids from 1 to 254"):
        MaskPrompts({0: ids})


def test_the_size_is_the_videos() -> None:
    prompts = prompts_of({0: ids_with(left=1)})
    prompts.check_size(SIZE)
    with pytest.raises(DataError, match=r"expected the video's 8 x 6 px.*got 6 x 8 px"):
        prompts.check_size((8, 6))


@pytest.mark.parametrize(
    ("declared", "counted", "refused"),
    [(10, None, False), (None, None, False), (9, 10, False), (9, 9, True), (3, 3, True)],
    ids=["declared enough", "declared nothing", "declared too few", "too few", "far too few"],
)
def test_a_frame_past_the_end_is_refused_when_counting_agrees_with_the_header(
    declared: int | None, counted: int | None, refused: bool
) -> None:
    def count() -> int:
        assert counted is not None, "counted without need"
        return counted

    prompts, info = prompts_of({0: ids_with(left=1), 9: ids_with(left=1)}), VideoInfo("clip.mp4", SIZE, None, declared)
    if refused:
        with pytest.raises(VideoError, match=rf"frames 0 to {counted - 1}, the last one, got one for frame 9"):  # type: ignore[operator]
            prompts.check_length(info, count)
    else:
        prompts.check_length(info, count)


def looked_at(*indices: int) -> Iterator[Frame]:
    return (Frame(index, index / 25, np.zeros((*SIZE, 3), np.uint8)) for index in indices)


@pytest.mark.parametrize(
    ("indices", "passed", "words"),
    [
        ((0, 1, 2, 3), 4, None),
        ((0, 3), 2, None),
        ((0, 2, 4), 2, "frames that the sampling keeps, got one for frame 3"),
        ((1, 2, 3), 0, "frames that the sampling keeps, got one for frame 0"),
        ((0, 1, 2), 3, "expected masks for frames 0 to 2, the last one, got one for frame 3"),
    ],
)
def test_a_missing_frame_is_reported_as_soon_as_it_is_known(
    indices: tuple[int, ...], passed: int, words: str | None
) -> None:
    guarded = prompts_of({3: ids_with(left=1), 0: ids_with(left=1)}).check_frames(looked_at(*indices), "clip.mp4")
    seen = []
    try:
        for frame in guarded:
            seen.append(frame.index)
    except RvosError as error:
        assert words is not None and words in str(error) and isinstance(error, VideoError)
    else:
        assert words is None
    assert seen == list(indices[:passed])
