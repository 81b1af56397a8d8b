"""The pictures of tracks that are kept: few, good, spread over their lives, however long a film is."""

from __future__ import annotations

import numpy as np
import pytest

from image_core.state import from_bytes, to_bytes
from rvos.tracking.deciding.album import Album, AlbumConfig, Seen, Shelf, fitted
from rvos.types import Frame
from rvos.view.frame_view import View, view_of

SIZE = (72, 96)
NOISE = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)


def view(index: int, image: np.ndarray = NOISE) -> View:
    return view_of(Frame(index, index / 25, image), None)


def seen(track_id: int, worth: float = 1.0, times_drawn: int = 1, left: int = 10) -> Seen:
    mask = np.zeros(SIZE, bool)
    mask[20:40, left : left + 20] = True
    return Seen(track_id, mask, worth, times_drawn)


def test_images_of_a_track_are_spread_over_its_life_and_the_best_of_each_stretch() -> None:
    album, config, worths = Album(), AlbumConfig(views=4), np.random.default_rng(1).uniform(0.5, 1.5, 1000)
    for index in range(100, 1000):
        album = album.after(view(index), [seen(1, worths[index])], config)
    pages = album.views(1, 4)
    assert [page.frame_index for page in pages] == sorted(album.pages) and len(pages) == 4
    length = album.shelves[1].length
    assert length == 256 and [(p.frame_index - 100) // length for p in pages] == [0, 1, 2, 3]
    for page in pages:
        start = 100 + (page.frame_index - 100) // length * length
        assert worths[page.frame_index] >= worths[start : start + length].max() / 1.1**2
    assert album.views(1, 2) == sorted(
        sorted(pages, key=lambda page: -worths[page.frame_index])[:2], key=lambda page: page.frame_index
    )


@pytest.mark.parametrize(("life", "views"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (9, 3), (40, 3)])
def test_a_short_life_is_covered_too(life: int, views: int) -> None:
    album = Album()
    for index in range(life):
        album = album.after(view(index), [seen(7)], AlbumConfig())
    assert len(album.views(7, 4)) == views


def test_an_album_is_as_large_after_many_frames_as_after_few() -> None:
    """Tracks come and go all the time, all of them are seen on every frame, and each frame is better than the last."""
    album, config, sizes, masks = Album(), AlbumConfig(tracks=3, views=4), [], 6
    for index in range(1200):
        first = index // 20
        there = [seen(i, 1.0 + index, times_drawn=index - 20 * (i - 3) + 1) for i in range(first, first + masks)]
        album = album.after(view(index), there, config)
        assert len(album.shelves) <= 3 and len(album.pages) <= 12
        sizes.append(len(to_bytes(album)))
    assert max(sizes[600:]) <= 1.2 * max(sizes[:600])


def test_tracks_that_are_drawn_often_stay() -> None:
    album, config = Album(), AlbumConfig(tracks=2)
    for index in range(30):
        fleeting = seen(100 + index, times_drawn=1)
        late = [seen(3, times_drawn=index - 9)] if index >= 10 else []
        album = album.after(view(index), [seen(1, times_drawn=index + 1), fleeting, *late], config)
    assert album.tracks == (1, 3)
    assert album.settled(2) == album and album.settled(25).tracks == (1,) and album.settled(99) == album


def test_an_image_shows_all_tracks_that_were_drawn_there() -> None:
    album = Album()
    for index in range(6):
        there = [*([seen(1)] if index % 3 == 0 else []), *([seen(2, left=60)] if index >= 3 else [])]
        album = album.after(view(index), there, AlbumConfig(views=2))
    assert {index: set(page.masks) for index, page in album.pages.items()} == {0: {1}, 3: {1, 2}, 5: {2}}
    page = album.pages[3]
    np.testing.assert_array_equal(page.mask(2, SIZE), seen(2, left=60).mask)
    assert page.box(2, SIZE) == (60, 20, 80, 40) and page.box(2, (144, 192)) == (120, 40, 160, 80)


def test_a_page_returns_the_image_of_its_frame_at_the_requested_size() -> None:
    smooth = np.linspace(0, 255, SIZE[1]).astype(np.uint8)[None, :, None].repeat(SIZE[0], 0).repeat(3, 2)
    smooth[..., 0] = 40
    page = Album().after(view(0, smooth), [seen(1)], AlbumConfig()).pages[0]
    own, larger = page.image(72), page.image(360)
    assert own.shape == (*SIZE, 3) and larger.shape == (360, 480, 3)
    assert np.abs(own.astype(int) - smooth).mean() < 3


@pytest.mark.parametrize(("shape", "size"), [((1, 2000), (1, 400)), ((2000, 1), (400, 1)), ((90, 120), (100, 133))])
def test_images_have_a_bounded_size(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert fitted(np.zeros((*shape, 3), np.uint8), 100).shape[:2] == size


def test_an_album_is_bytes_and_back() -> None:
    album = Album().after(view(0), [seen(1), seen(2)], AlbumConfig()).after(view(1), [seen(1, 2.0)], AlbumConfig())
    again = from_bytes(Album, to_bytes(album))
    assert again == album and again.pages[1].masks.keys() == {1}


def test_a_shelf_without_room_makes_its_stretches_longer() -> None:
    shelf = Shelf(10)
    for index in (10, 11, 12, 13, 14):
        shelf = shelf.after(index, float(index), index, 4)
    assert shelf.length == 2 and [(p.stretch, p.frame_index) for p in shelf.picks] == [(0, 11), (1, 13), (2, 14)]
