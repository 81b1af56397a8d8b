"""Scene cuts: what is one, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from rvos.types import Frame
from rvos.video.reader import open_video
from rvos.view.cuts import THUMBNAIL, cut_score, is_cut, thumbnail
from rvos.view.frame_view import small_image_of, view_of

SIZE = (90, 160)


def scene(seed: int) -> np.ndarray:
    """(90, 160, 3): coarse random colours around one of their own, as different scenes have."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(rng.uniform(40, 200, 3), 40, (6, 10, 3)).clip(0, 255)
    return cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def with_object(x: int) -> np.ndarray:
    picture = scene(1)
    picture[30:60, x : x + 30] = (250, 10, 10)
    return picture


def lit(picture: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return (picture * gain + offset).clip(0, 255).astype(np.uint8)


def score(before: np.ndarray, now: np.ndarray) -> float:
    return cut_score(thumbnail(before), thumbnail(now))


@pytest.mark.parametrize(
    ("before", "now", "cut"),
    [
        (scene(1), scene(1), False),
        (scene(1), scene(2), True),
        (scene(3), scene(4), True),
        (scene(1), scene(2)[:, ::-1], True),
        (scene(1), np.roll(scene(1), 8, 1), False),  # a pan of a twentieth of the picture
        (with_object(10), with_object(70), False),
        (scene(1), lit(scene(1), 1.0, 40), False),  # a flash
        (scene(1), lit(scene(1), 0.6, 0), False),  # a light goes out
        (np.zeros((*SIZE, 3), np.uint8), np.full((*SIZE, 3), 200, np.uint8), False),  # flat: nothing to go by
    ],
    ids=["same", "other", "another", "mirrored other", "pan", "fast object", "flash", "darker", "flat"],
)
def test_is_cut(before: np.ndarray, now: np.ndarray, cut: bool) -> None:
    assert is_cut(thumbnail(before), thumbnail(now)) is cut


def test_the_score_is_zero_for_equal_images_and_does_not_mind_the_order_of_time() -> None:
    assert score(scene(1), scene(1)) == 0
    assert score(scene(1), scene(2)) == pytest.approx(score(scene(2), scene(1)), rel=0.2)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (18, 32), (480, 854)])
def test_thumbnails_have_one_size(size: tuple[int, int]) -> None:
    small = thumbnail(np.full((*size, 3), 77, np.uint8))
    assert small.shape == (*THUMBNAIL, 3) and (small == 77).all()


def test_a_view_knows_that_it_follows_a_cut() -> None:
    pictures = [scene(1), scene(1), scene(2), scene(2)]
    before, cuts = None, []
    for index, picture in enumerate(pictures):
        view = view_of(Frame(index, float(index), picture), before)
        before = view.small_image
        cuts.append(view.cut)
    assert cuts == [False, False, True, False]


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"View.before: expected .*\(40, 40, 3\), got \(90, 160, 3\)"):
        view_of(Frame(1, 1.0, np.zeros((40, 40, 3), np.uint8)), scene(1))


def thumbnails(path: Path, count: int, stream: int | None = None) -> Iterator[np.ndarray]:
    with open_video(path, stream=stream) as video:
        for frame in video:
            if frame.index == count:
                return
            yield thumbnail(small_image_of(frame.image))


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "real/dog_720p.mp4",
        "real/blocks_720p.mp4",
        "real/example_480p.mp4",
        "masked/car-shadow/frames",
        "masked/dance-twirl/frames",
        "masked/dog/frames",
    ],
)
def test_no_cut_inside_a_real_clip_and_one_where_another_begins(shared_dir: Path, name: str) -> None:
    clips = shared_dir / "clips"
    one = list(thumbnails(clips / name, 60))
    other_name = "masked/car-shadow/frames" if name != "masked/car-shadow/frames" else "masked/dance-twirl/frames"
    other = list(thumbnails(clips / other_name, 5))
    both = one + other
    cuts = [index for index in range(1, len(both)) if is_cut(both[index - 1], both[index])]
    assert cuts == [len(one)]


@pytest.mark.shared
def test_a_true_cut_of_a_real_clip_is_found(shared_dir: Path) -> None:
    """Frame 202 is the first after it: seen by eye."""
    seen = list(thumbnails(shared_dir / "clips/odd/two_streams.mp4", 240, stream=0))
    assert [index for index in range(1, 240) if is_cut(seen[index - 1], seen[index])] == [202]
