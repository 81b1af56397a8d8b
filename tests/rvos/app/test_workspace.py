"""The page without its face: visits that never mix, a queue, limits, corrections, files to take away, and expiry."""

from __future__ import annotations

import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from image_core.answer import Candidate, MaskAnswer
from image_core.errors import ConfigError, DataError, RvosError, UnknownNameError
from rvos.app.downloads import NAMES, made
from rvos.app.drawing import VIEWS, painted, picture_of, shape_of
from rvos.app.film import Film
from rvos.app.limits import Limits
from rvos.app.told import told
from rvos.app.turns import Turns
from rvos.app.visit import State, Visit
from rvos.app.watching import PREVIEWS, preview_frames
from rvos.app.workspace import Offer, Settings, Workspace
from rvos.segmenter import VideoSegmenter
from rvos.video.reader import open_video

FRAMES = 20
SETTINGS = Settings("colours", "tracks", "all")


class Colours:
    """Every expression is answered with the red thing, and with the green one as less likely; "nothing" with none."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.looked = 0

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.gate.wait(20)
        self.looked += 1
        red, green = ((image[..., a].astype(int) - image[..., b]) > 80 for a, b in ((0, 1), (1, 0)))
        both = tuple(Candidate(mask, value) for mask, value in ((red, 0.9), (green, 0.2)) if mask.any())
        return [MaskAnswer((), 0.05, 0.0) if text == "nothing" else MaskAnswer(both, 0.9, 0.8) for text in expressions]

    def understood(self, expression: str) -> dict[str, str]:
        return {"thing": expression}


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model() -> Colours:
    return Colours()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def page(model: Colours, clock: Clock, tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    """Makes a page of the model that sees colours; what it makes is closed in the end."""
    opened: list[Workspace] = []

    def make(**limits: float) -> Workspace:
        def system(settings: Settings) -> VideoSegmenter:
            return VideoSegmenter(model, tracker=settings.tracker, key_frames=settings.key_frames)

        offer = Offer(("colours",), key_frames=("all",))
        opened.append(Workspace(tmp_path / "visits", offer, system, Limits(**limits), clock))  # pyright: ignore[reportArgumentType]
        return opened[-1]

    yield make
    model.gate.set()
    for workspace in opened:
        workspace.close()
    assert not any((tmp_path / "visits").rglob("*.mp4"))


@pytest.fixture
def bring(make_clip: Callable[..., Path]) -> Callable[..., None]:
    """Brings a clip as a visitor's film."""

    def take(visit: Visit, name: str = "clip.mp4", count: int = FRAMES) -> None:
        visit.take(make_clip(count, "upload.mp4"), name)

    return take


def ended(visit: Visit) -> State:
    until = time.monotonic() + 60
    while visit.status().state in (State.WAITING, State.WATCHING):
        assert time.monotonic() < until, visit.status()
        time.sleep(0.005)
    return visit.status().state


def shown(visit: Visit, expression: int = 0) -> np.ndarray:
    """(T, H, W) bool"""
    assert visit.watching is not None
    return np.stack([visit.watching.results(index)[expression].mask for index in range(visit.watching.done)])


def test_a_film_is_looked_at_watched_corrected_and_taken_away(page: Callable[..., Workspace], bring: Callable) -> None:
    workspace = page()
    visit = workspace.enter()
    assert visit.status().state == State.EMPTY
    bring(visit, "<b>my film</b>.mp4")
    assert visit.status().state == State.READY
    workspace.ask(visit, "  the thing\n\nnothing \nthe   thing\n", SETTINGS)
    assert ended(visit) == State.DONE
    document = told(visit)
    assert [each["text"] for each in document["expressions"]] == ["the thing", "nothing"]
    assert document["expressions"][0]["understood"] == ["thing: the thing"]
    assert document["frames"] == list(range(FRAMES)) and [each["name"] for each in document["downloads"]] == list(NAMES)
    assert "film" not in told(visit, document["stamp"])
    before, absent = shown(visit), shown(visit, 1)
    assert before.any((1, 2)).all() and not absent.any()

    likelihoods = [value for _, value in visit.candidates(5, 0)]
    assert likelihoods == sorted(likelihoods, reverse=True) and len(likelihoods) == 2
    green = visit.candidates(5, 0)[1][0]
    visit.choose(5, 0, 1)
    assert ended(visit) == State.DONE
    after = shown(visit)
    np.testing.assert_array_equal(after[:5], before[:5])
    np.testing.assert_array_equal(after[5], green)
    assert [index for index in range(5, FRAMES) if not after[index, 28:44, 50:70].mean() > 0.9] in ([], [9, 19])
    assert not after[6:, 6:22, :40].any() and not shown(visit, 1).any()
    assert told(visit)["corrections"] == [{"frame": 5, "expression": 0, "absent": False}]

    # A second one before it keeps the first: each counts from its frame on.
    mask = np.zeros((48, 80), bool)
    mask[28:44, 50:60] = True
    visit.correct(2, 1, mask)
    assert ended(visit) == State.DONE
    np.testing.assert_array_equal(shown(visit)[5], green)
    np.testing.assert_array_equal(shown(visit, 1)[2], mask)
    visit.withdraw(2, 1)
    visit.withdraw(5, 0)
    visit.correct(12, 0, None)  # after a cut, before another
    assert ended(visit) == State.DONE
    np.testing.assert_array_equal(shown(visit)[:12], before[:12])
    assert not shown(visit)[12:19].any() and told(visit)["corrections"][0]["absent"]


def test_every_download_is_there_and_says_nothing_of_this_machine(
    page: Callable[..., Workspace], bring: Callable, tmp_path: Path
) -> None:
    workspace = page()
    visit = workspace.enter()
    bring(visit, count=6)
    with pytest.raises(DataError, match="expressions: expected at least one, got none"):
        visit.go_on()
    workspace.ask(visit, "the thing", SETTINGS)
    assert ended(visit) == State.DONE and visit.watching is not None
    files = {name: made(visit.watching, name, visit.exports_folder) for name in NAMES}
    assert all(path.stat().st_size for path in files.values())
    assert files == {name: made(visit.watching, name, visit.exports_folder) for name in NAMES}  # made once
    records = [json.loads(line) for line in files["records"].read_bytes().splitlines()]
    assert [record["frame_index"] for record in records] == list(range(6)) and records[0]["present"]
    with av.open(str(files["overlay"])) as video:
        assert sum(1 for _ in video.decode(video=0)) == 6
    with zipfile.ZipFile(files["masks"]) as packed:
        assert [name for name in packed.namelist() if name.endswith("00005.png")]
    for path in (files["records"], files["masks"], files["contact_sheet"]):
        assert str(tmp_path).encode() not in path.read_bytes()
    with pytest.raises(UnknownNameError):
        made(visit.watching, "../../secret", visit.exports_folder)


def test_two_at_once_never_mix(page: Callable[..., Workspace], bring: Callable, model: Colours) -> None:
    workspace = page()
    one, other = workspace.enter(), workspace.enter()
    assert workspace.enter(one.token) is one and one.token != other.token
    bring(one, "one.mp4")
    bring(other, "other.mp4", count=12)
    workspace.ask(one, "the thing", SETTINGS)
    workspace.ask(other, "nothing\nthe thing", SETTINGS)
    assert {ended(one), ended(other)} == {State.DONE}
    assert (len(shown(one)), len(shown(other))) == (FRAMES, 12)
    green = one.candidates(3, 0)[1][0]
    before = shown(other)
    one.correct(3, 0, green)
    assert ended(one) == State.DONE
    np.testing.assert_array_equal(shown(other), before)
    assert [told(visit)["film"]["name"] for visit in (one, other)] == ["one.mp4", "other.mp4"]
    assert not told(other)["corrections"] and other.exports_folder.parent != one.exports_folder.parent
    one.leave()
    assert other.status().state == State.DONE and len(picture_of("overlay", other.film.frame(0).image, []))  # pyright: ignore[reportOptionalMemberAccess]


def test_films_wait_for_each_other_and_stop_where_they_are(
    page: Callable[..., Workspace], bring: Callable, model: Colours
) -> None:
    workspace = page(at_once=1)
    first, second, third = (workspace.enter() for _ in range(3))
    for visit in (first, second, third):
        bring(visit)
    model.gate.clear()
    for visit in (first, second, third):
        workspace.ask(visit, "the thing", SETTINGS)
    until = time.monotonic() + 20
    while first.status().state != State.WATCHING and time.monotonic() < until:
        time.sleep(0.005)
    assert (second.status().state, second.status().ahead) == (State.WAITING, 0)
    assert (third.status().ahead, workspace.counts()["waiting"]) == (1, 2)
    second.stop()
    assert second.status().state == State.STOPPED  # what waits need not wait for its turn to stop
    first.stop()
    model.gate.set()
    assert (ended(first), ended(third), ended(second)) == (State.STOPPED, State.DONE, State.STOPPED)
    done = first.status().done
    assert done < FRAMES
    first.go_on()
    assert ended(first) == State.DONE
    np.testing.assert_array_equal(shown(first), shown(third))


def test_what_is_stopped_goes_on_from_a_snapshot(
    page: Callable[..., Workspace], bring: Callable, model: Colours
) -> None:
    workspace = page()
    visit = workspace.enter()
    bring(visit, count=40)
    workspace.ask(visit, "the thing", SETTINGS)
    assert ended(visit) == State.DONE
    before, looked = shown(visit), model.looked
    visit.correct(36, 0, before[36])
    assert ended(visit) == State.DONE
    assert model.looked - looked == 40 - 32
    np.testing.assert_array_equal(shown(visit)[:37], before[:37])


def test_limits_are_told_and_kept(page: Callable[..., Workspace], make_clip: Callable[..., Path]) -> None:
    limits = Limits(megabytes=7, seconds=3, frames=30, megapixels=0.5)
    assert limits.told() == "up to 7 MB, 3 seconds, 30 frames and 0.5 megapixels per frame"
    workspace = page(frames=10, expressions=2, letters=12)
    visit = workspace.enter()
    with pytest.raises(DataError, match="expected one, got none: upload a video"):
        workspace.ask(visit, "the dog", SETTINGS)
    with pytest.raises(DataError, match=r"'long.mp4': expected at most 60 s and 10 frames, got 0.5 s and 12 frames"):
        visit.take(make_clip(12), "long.mp4")
    assert visit.film is None and visit.status().state == State.EMPTY
    visit.take(make_clip(8), "short.mp4")
    for words, fault in (("", "got none"), ("a\nb\nc", "at most 2, got 3"), ("x" * 13, "at most 12 characters")):
        with pytest.raises(DataError, match=fault):
            workspace.ask(visit, words, SETTINGS)
    with pytest.raises(UnknownNameError):
        workspace.ask(visit, "the dog", Settings("/etc/passwd", "tracks", "all"))
    with pytest.raises(DataError, match="megapixels, got 80 x 48"):
        page(megapixels=0.001).enter().take(make_clip(2), "large.mp4")


@pytest.mark.parametrize("content", [b"", b"no film", b"\x00\x00\x00 ftypisom" + b"\x00" * 500])
def test_a_broken_file_is_refused_by_its_name_and_the_film_before_stays(
    content: bytes, page: Callable[..., Workspace], bring: Callable, tmp_path: Path
) -> None:
    visit = page().enter()
    bring(visit, count=4)
    broken = tmp_path / "arrived.mp4"
    broken.write_bytes(content)
    with pytest.raises(RvosError) as caught:
        visit.take(broken, "holiday.mp4")
    assert "holiday.mp4" in str(caught.value) and str(tmp_path) not in str(caught.value) and not broken.exists()
    assert visit.film is not None and visit.film.name == "clip.mp4"
    visit.film.frame(3)


def test_a_visit_ends_when_it_gave_no_sign_and_its_files_go(
    page: Callable[..., Workspace], bring: Callable, clock: Clock, tmp_path: Path
) -> None:
    workspace = page(kept_minutes=1, visits=2)
    old, new = workspace.enter(), workspace.enter()
    bring(old)
    with pytest.raises(DataError, match="the page is full: expected at most 2 visitors"):
        workspace.enter()
    clock.now = 50
    assert workspace.visit(new.token) is new
    clock.now = 70
    assert workspace.sweep() == 1 and workspace.counts()["visits"] == 1
    with pytest.raises(DataError, match="this visit has expired"):
        workspace.visit(old.token)
    assert len(list((tmp_path / "visits").iterdir())) == 1
    assert workspace.enter(old.token).token != old.token


def test_a_fault_is_told_and_what_was_found_before_stays(page: Callable[..., Workspace], bring: Callable) -> None:
    workspace = page()
    visit = workspace.enter()
    bring(visit, count=6)
    workspace.ask(visit, "the thing", Settings("colours", "none", "all"))
    assert ended(visit) == State.DONE
    with pytest.raises(ConfigError, match="expected a tracker that carries masks"):
        visit.correct(2, 0, np.ones((48, 80), bool))
    for mask, fault in ((np.zeros((48, 80), bool), "got none"), (np.ones((3, 3), bool), "expected bool")):
        workspace.ask(visit, "the thing", SETTINGS)
        with pytest.raises(DataError, match=fault):
            visit.correct(2, 0, mask)
        assert ended(visit) == State.DONE
    for place in ((6, 0), (0, 1)):
        with pytest.raises(DataError):
            visit.correct(*place, np.ones((48, 80), bool))


def test_a_frame_is_the_same_wherever_one_comes_from(make_clip: Callable[..., Path]) -> None:
    path = make_clip(40)
    with open_video(path, prefetch=0) as video:
        wanted = [frame.image for frame in video]
    film = Film(path, "film", Limits())
    for index in (0, 1, 2, 30, 31, 39, 5, 17, 16, 18, 0):
        np.testing.assert_array_equal(film.frame(index).image, wanted[index])
        film.rest()
        film.rest()  # nobody asked since: the next one is sought
    for index in (3, 4, 12):
        np.testing.assert_array_equal(film.frame(index).image, wanted[index])
    with film.frames(33) as frames:
        assert [frame.index for frame in frames] == list(range(33, 40))
    with pytest.raises(DataError, match="'film': expected a frame from 0 to 39, got 40"):
        film.frame(40)


def test_turns_are_had_in_order() -> None:
    turns, had = Turns(), list[int]()

    def wait(i: int) -> None:
        with turns:
            had.append(i)

    with turns:
        threads = [threading.Thread(target=wait, args=(i,)) for i in range(5)]
        for i, thread in enumerate(threads):
            thread.start()
            until = time.monotonic() + 10
            while turns.asked < i + 2 and time.monotonic() < until:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert had == list(range(5))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 100])
def test_the_first_look_begins_with_the_first_frame_and_spreads(count: int) -> None:
    frames = preview_frames(count)
    assert frames[0] == 0 and len(frames) == len(set(frames)) == min(count, PREVIEWS)
    assert max(frames) == count - 1


def test_a_painted_mask_is_what_was_painted() -> None:
    mask = np.zeros((48, 80), bool)
    mask[10:30, 20:50] = True
    np.testing.assert_array_equal(painted(shape_of(mask), (48, 80)), mask)
    assert painted(shape_of(mask), (24, 40)).sum() == 10 * 15
    for address in (
        "",
        "data:image/png;base64,",
        "data:image/png;base64,AAAA",
        "data:text/html;base64,PGI+",
        "http://x",
    ):
        with pytest.raises(DataError, match="expected a painted PNG"):
            painted(address, (48, 80))
    with pytest.raises(DataError, match="expected an image as large as the frame"):
        painted(shape_of(np.ones((1200, 1200), bool)), (48, 80))


def test_views_are_of_the_frame_and_its_masks() -> None:
    image, mask = np.full((40, 60, 3), 90, np.uint8), np.zeros((40, 60), bool)
    mask[10:20, 10:20] = True
    drawn = {name: view(image, [mask]) for name, view in VIEWS.items()}
    assert drawn["beside"].shape == (40, 120, 3) and not np.array_equal(drawn["overlay"], image)
    assert np.unique(drawn["masks"][~mask]).size == 1 and np.array_equal(drawn["film"], image)
    assert picture_of("overlay", image, [mask])[:2] == b"\xff\xd8"
    with pytest.raises(UnknownNameError):
        picture_of("x-ray", image, [mask])


def test_the_player_says_texts_as_texts_and_fetches_from_here_alone() -> None:
    from importlib.resources import files

    parts = {
        name: files("rvos.app").joinpath(name).read_text("utf-8") for name in ("player.js", "player.html", "player.css")
    }
    assert "innerHTML" not in parts["player.js"] and "insertAdjacentHTML" not in parts["player.js"]
    assert not [a for text in parts.values() for a in re.findall(r"https?://[^'\"\s)]+", text) if "w3.org" not in a]
