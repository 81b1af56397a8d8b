"""The workspace: visits that never mix, the queue, limits, corrections, downloads, and expiry."""

from __future__ import annotations

import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from image_core.answer import Candidate, MaskAnswer
from image_core.errors import ConfigError, DataError, RvosError, UnknownNameError
from rvos.app.downloads import DOWNLOAD_NAMES, build_download
from rvos.app.drawing import DISPLAYS, decode_mask, encode_mask, frame_jpeg
from rvos.app.fair_lock import FairLock
from rvos.app.limits import Limits
from rvos.app.segmentation import PREVIEW_FRAMES, preview_frames
from rvos.app.status_document import status_document
from rvos.app.uploaded_video import UploadedVideo
from rvos.app.visit import State, Visit
from rvos.app.workspace import Choices, Settings, Workspace
from rvos.segmenter import VideoSegmenter
from rvos.video.reader import open_video

FRAMES = 20
SETTINGS = Settings("colours", "tracks", "all")


class Colours:
    """A model that answers every expression with the red and, less likely, the green object; "nothing" with none."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.call_count = 0

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.gate.wait(20)
        self.call_count += 1
        red, green = ((image[..., a].astype(int) - image[..., b]) > 80 for a, b in ((0, 1), (1, 0)))
        both = tuple(Candidate(mask, value) for mask, value in ((red, 0.9), (green, 0.2)) if mask.any())
        return [MaskAnswer((), 0.05, 0.0) if text == "nothing" else MaskAnswer(both, 0.9, 0.8) for text in expressions]

    def understood(self, expression: str) -> dict[str, str]:
        return {"thing": expression}


class Clock:
    """A clock that the test sets."""

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
    """Makes workspaces with the model `Colours`, and closes them at the end."""
    opened: list[Workspace] = []

    def make(**limits: float) -> Workspace:
        def build(settings: Settings) -> VideoSegmenter:
            return VideoSegmenter(model, tracker=settings.tracker, key_frames=settings.key_frames)

        choices = Choices(("colours",), key_frames=("all",))
        opened.append(Workspace(tmp_path / "visits", choices, build, Limits(**limits), clock))  # pyright: ignore[reportArgumentType]
        return opened[-1]

    yield make
    model.gate.set()
    for workspace in opened:
        workspace.close()
    assert not any((tmp_path / "visits").rglob("*.mp4"))


@pytest.fixture
def set_clip(make_clip: Callable[..., Path]) -> Callable[..., None]:
    """Makes a clip the video of a visit."""

    def take(visit: Visit, name: str = "clip.mp4", count: int = FRAMES) -> None:
        visit.set_video(make_clip(count, "upload.mp4"), name)

    return take


def ended(visit: Visit) -> State:
    until = time.monotonic() + 60
    while visit.status().state in (State.WAITING, State.PROCESSING):
        assert time.monotonic() < until, visit.status()
        time.sleep(0.005)
    return visit.status().state


def shown(visit: Visit, expression: int = 0) -> np.ndarray:
    """(T, H, W) bool"""
    segmentation = visit.segmentation
    assert segmentation is not None
    return np.stack([segmentation.results(index)[expression].mask for index in range(segmentation.frames_done)])


def test_a_video_is_segmented_and_corrected(page: Callable[..., Workspace], set_clip: Callable) -> None:
    workspace = page()
    visit = workspace.open_visit()
    assert visit.status().state == State.EMPTY
    set_clip(visit, "<b>my video</b>.mp4")
    assert visit.status().state == State.READY
    workspace.segment(visit, "  the thing\n\nnothing \nthe   thing\n", SETTINGS)
    assert ended(visit) == State.DONE
    document = status_document(visit)
    assert [each["text"] for each in document["expressions"]] == ["the thing", "nothing"]
    assert document["expressions"][0]["understood"] == ["thing: the thing"]
    assert document["frames"] == list(range(FRAMES))
    assert [each["name"] for each in document["downloads"]] == list(DOWNLOAD_NAMES)
    assert "video" not in status_document(visit, document["stamp"])
    before, absent = shown(visit), shown(visit, 1)
    assert before.any((1, 2)).all() and not absent.any()

    likelihoods = [value for _, value in visit.candidates(5, 0)]
    assert likelihoods == sorted(likelihoods, reverse=True) and len(likelihoods) == 2
    green = visit.candidates(5, 0)[1][0]
    visit.choose_candidate(5, 0, 1)
    assert ended(visit) == State.DONE
    after = shown(visit)
    np.testing.assert_array_equal(after[:5], before[:5])
    np.testing.assert_array_equal(after[5], green)
    assert [index for index in range(5, FRAMES) if not after[index, 28:44, 50:70].mean() > 0.9] in ([], [9, 19])
    assert not after[6:, 6:22, :40].any() and not shown(visit, 1).any()
    assert status_document(visit)["corrections"] == [{"frame": 5, "expression": 0, "absent": False}]

    # A second one before it keeps the first: each counts from its frame on.
    mask = np.zeros((48, 80), bool)
    mask[28:44, 50:60] = True
    visit.correct(2, 1, mask)
    assert ended(visit) == State.DONE
    np.testing.assert_array_equal(shown(visit)[5], green)
    np.testing.assert_array_equal(shown(visit, 1)[2], mask)
    visit.undo_correction(2, 1)
    visit.undo_correction(5, 0)
    visit.correct(12, 0, None)  # after a cut, before another
    assert ended(visit) == State.DONE
    np.testing.assert_array_equal(shown(visit)[:12], before[:12])
    assert not shown(visit)[12:19].any() and status_document(visit)["corrections"][0]["absent"]


def test_every_download_is_made_and_contains_no_path_of_this_machine(
    page: Callable[..., Workspace], set_clip: Callable, tmp_path: Path
) -> None:
    workspace = page()
    visit = workspace.open_visit()
    set_clip(visit, count=6)
    with pytest.raises(DataError, match="expressions: expected at least one, got none"):
        visit.resume()
    workspace.segment(visit, "the thing", SETTINGS)
    assert ended(visit) == State.DONE and visit.segmentation is not None
    download = partial(build_download, visit.segmentation, folder=visit.downloads_folder)
    files = {name: download(name=name) for name in DOWNLOAD_NAMES}
    assert all(path.stat().st_size for path in files.values())
    assert files == {name: download(name=name) for name in DOWNLOAD_NAMES}  # made once
    records = [json.loads(line) for line in files["records"].read_bytes().splitlines()]
    assert [record["frame_index"] for record in records] == list(range(6)) and records[0]["present"]
    with av.open(str(files["overlay"])) as video:
        assert sum(1 for _ in video.decode(video=0)) == 6
    with zipfile.ZipFile(files["masks"]) as packed:
        assert [name for name in packed.namelist() if name.endswith("00005.png")]
    for path in (files["records"], files["masks"], files["contact_sheet"]):
        assert str(tmp_path).encode() not in path.read_bytes()
    with pytest.raises(UnknownNameError):
        download(name="../../secret")


def test_two_at_once_never_mix(page: Callable[..., Workspace], set_clip: Callable, model: Colours) -> None:
    workspace = page()
    one, other = workspace.open_visit(), workspace.open_visit()
    assert workspace.open_visit(one.token) is one and one.token != other.token
    set_clip(one, "one.mp4")
    set_clip(other, "other.mp4", count=12)
    workspace.segment(one, "the thing", SETTINGS)
    workspace.segment(other, "nothing\nthe thing", SETTINGS)
    assert {ended(one), ended(other)} == {State.DONE}
    assert (len(shown(one)), len(shown(other))) == (FRAMES, 12)
    green = one.candidates(3, 0)[1][0]
    before = shown(other)
    one.correct(3, 0, green)
    assert ended(one) == State.DONE
    np.testing.assert_array_equal(shown(other), before)
    assert [status_document(visit)["video"]["name"] for visit in (one, other)] == ["one.mp4", "other.mp4"]
    assert not status_document(other)["corrections"] and other.downloads_folder.parent != one.downloads_folder.parent
    one.close()
    assert other.status().state == State.DONE and len(frame_jpeg("overlay", other.video.frame(0).image, []))  # pyright: ignore[reportOptionalMemberAccess]


def test_videos_wait_in_order_and_can_be_stopped(
    page: Callable[..., Workspace], set_clip: Callable, model: Colours
) -> None:
    workspace = page(at_once=1)
    first, second, third = (workspace.open_visit() for _ in range(3))
    for visit in (first, second, third):
        set_clip(visit)
    model.gate.clear()
    for visit in (first, second, third):
        workspace.segment(visit, "the thing", SETTINGS)
    until = time.monotonic() + 20
    while first.status().state != State.PROCESSING and time.monotonic() < until:
        time.sleep(0.005)
    assert (second.status().state, second.status().videos_ahead) == (State.WAITING, 0)
    assert (third.status().videos_ahead, workspace.counts()["waiting"]) == (1, 2)
    second.stop()
    assert second.status().state == State.STOPPED  # a waiting job stops at once
    first.stop()
    model.gate.set()
    assert (ended(first), ended(third), ended(second)) == (State.STOPPED, State.DONE, State.STOPPED)
    done = first.status().done
    assert done < FRAMES
    first.resume()
    assert ended(first) == State.DONE
    np.testing.assert_array_equal(shown(first), shown(third))


def test_a_correction_continues_from_a_snapshot(
    page: Callable[..., Workspace], set_clip: Callable, model: Colours
) -> None:
    workspace = page()
    visit = workspace.open_visit()
    set_clip(visit, count=40)
    workspace.segment(visit, "the thing", SETTINGS)
    assert ended(visit) == State.DONE
    before, calls_before = shown(visit), model.call_count
    visit.correct(36, 0, before[36])
    assert ended(visit) == State.DONE
    assert model.call_count - calls_before == 40 - 32
    np.testing.assert_array_equal(shown(visit)[:37], before[:37])


def test_limits_are_described_and_enforced(page: Callable[..., Workspace], make_clip: Callable[..., Path]) -> None:
    limits = Limits(megabytes=7, seconds=3, frames=30, megapixels=0.5)
    assert limits.video_limits() == "up to 7 MB, 3 seconds, 30 frames and 0.5 megapixels per frame"
    workspace = page(frames=10, expressions=2, characters=12)
    visit = workspace.open_visit()
    with pytest.raises(DataError, match="expected one, got none: upload a video"):
        workspace.segment(visit, "the dog", SETTINGS)
    with pytest.raises(DataError, match=r"'long.mp4': expected at most 60 s and 10 frames, got 0.5 s and 12 frames"):
        visit.set_video(make_clip(12), "long.mp4")
    assert visit.video is None and visit.status().state == State.EMPTY
    visit.set_video(make_clip(8), "short.mp4")
    for words, fault in (("", "got none"), ("a\nb\nc", "at most 2, got 3"), ("x" * 13, "at most 12 characters")):
        with pytest.raises(DataError, match=fault):
            workspace.segment(visit, words, SETTINGS)
    with pytest.raises(UnknownNameError):
        workspace.segment(visit, "the dog", Settings("/etc/passwd", "tracks", "all"))
    with pytest.raises(DataError, match="megapixels, got 80 x 48"):
        page(megapixels=0.001).open_visit().set_video(make_clip(2), "large.mp4")


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00\x00\x00 ftypisom" + b"\x00" * 500])
def test_a_broken_file_is_refused_by_its_name_and_the_video_before_stays(
    content: bytes, page: Callable[..., Workspace], set_clip: Callable, tmp_path: Path
) -> None:
    visit = page().open_visit()
    set_clip(visit, count=4)
    broken = tmp_path / "arrived.mp4"
    broken.write_bytes(content)
    with pytest.raises(RvosError) as caught:
        visit.set_video(broken, "holiday.mp4")
    assert "holiday.mp4" in str(caught.value) and str(tmp_path) not in str(caught.value) and not broken.exists()
    assert visit.video is not None and visit.video.name == "clip.mp4"
    visit.video.frame(3)


def test_an_expired_visit_is_deleted_with_its_files(
    page: Callable[..., Workspace], set_clip: Callable, clock: Clock, tmp_path: Path
) -> None:
    workspace = page(kept_minutes=1, visits=2)
    old, new = workspace.open_visit(), workspace.open_visit()
    set_clip(old)
    with pytest.raises(DataError, match="the page is full: expected at most 2 visitors"):
        workspace.open_visit()
    clock.now = 50
    assert workspace.visit(new.token) is new
    clock.now = 70
    assert workspace.delete_expired() == 1 and workspace.counts()["visits"] == 1
    with pytest.raises(DataError, match="this visit has expired"):
        workspace.visit(old.token)
    assert len(list((tmp_path / "visits").iterdir())) == 1
    assert workspace.open_visit(old.token).token != old.token


def test_wrong_corrections_raise_and_keep_the_results(page: Callable[..., Workspace], set_clip: Callable) -> None:
    workspace = page()
    visit = workspace.open_visit()
    set_clip(visit, count=6)
    workspace.segment(visit, "the thing", Settings("colours", "none", "all"))
    assert ended(visit) == State.DONE
    with pytest.raises(ConfigError, match="expected a tracker that carries masks"):
        visit.correct(2, 0, np.ones((48, 80), bool))
    for mask, fault in ((np.zeros((48, 80), bool), "got none"), (np.ones((3, 3), bool), "expected bool")):
        workspace.segment(visit, "the thing", SETTINGS)
        with pytest.raises(DataError, match=fault):
            visit.correct(2, 0, mask)
        assert ended(visit) == State.DONE
    for place in ((6, 0), (0, 1)):
        with pytest.raises(DataError):
            visit.correct(*place, np.ones((48, 80), bool))


def test_frames_are_the_same_read_in_any_order(make_clip: Callable[..., Path]) -> None:
    path = make_clip(40)
    with open_video(path, prefetch=0) as reader:
        wanted = [frame.image for frame in reader]
    video = UploadedVideo(path, "video", Limits())
    for index in (0, 1, 2, 30, 31, 39, 5, 17, 16, 18, 0):
        np.testing.assert_array_equal(video.frame(index).image, wanted[index])
        video.release_idle()
        video.release_idle()  # no frame was requested in between: the decoder is closed
    for index in (3, 4, 12):
        np.testing.assert_array_equal(video.frame(index).image, wanted[index])
    with video.frames(33) as frames:
        assert [frame.index for frame in frames] == list(range(33, 40))
    with pytest.raises(DataError, match="'video': expected a frame from 0 to 39, got 40"):
        video.frame(40)


def test_the_lock_is_granted_in_order() -> None:
    lock, granted = FairLock(), list[int]()

    def wait(i: int) -> None:
        with lock:
            granted.append(i)

    with lock:
        threads = [threading.Thread(target=wait, args=(i,)) for i in range(5)]
        for i, thread in enumerate(threads):
            thread.start()
            until = time.monotonic() + 10
            while lock.request_count < i + 2 and time.monotonic() < until:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert granted == list(range(5))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 100])
def test_the_preview_begins_with_the_first_frame_and_is_spread(count: int) -> None:
    frames = preview_frames(count)
    assert frames[0] == 0 and len(frames) == len(set(frames)) == min(count, PREVIEW_FRAMES)
    assert max(frames) == count - 1


def test_a_mask_is_decoded_as_it_was_encoded() -> None:
    mask = np.zeros((48, 80), bool)
    mask[10:30, 20:50] = True
    np.testing.assert_array_equal(decode_mask(encode_mask(mask), (48, 80)), mask)
    assert decode_mask(encode_mask(mask), (24, 40)).sum() == 10 * 15
    png = "data:image/png;base64,"
    for uri in ("", png, f"{png}AAAA", "data:text/html;base64,PGI+", "http://x"):
        with pytest.raises(DataError, match="expected a painted PNG"):
            decode_mask(uri, (48, 80))
    with pytest.raises(DataError, match="expected an image as large as the frame"):
        decode_mask(encode_mask(np.ones((1200, 1200), bool)), (48, 80))


def test_displays_show_the_frame_and_its_masks() -> None:
    image, mask = np.full((40, 60, 3), 90, np.uint8), np.zeros((40, 60), bool)
    mask[10:20, 10:20] = True
    drawn = {name: draw(image, [mask]) for name, draw in DISPLAYS.items()}
    assert drawn["side_by_side"].shape == (40, 120, 3) and not np.array_equal(drawn["overlay"], image)
    assert np.unique(drawn["masks"][~mask]).size == 1 and np.array_equal(drawn["original"], image)
    assert frame_jpeg("overlay", image, [mask])[:2] == b"\xff\xd8"
    with pytest.raises(UnknownNameError):
        frame_jpeg("x-ray", image, [mask])


def test_the_page_inserts_texts_as_text_and_loads_nothing_from_other_hosts() -> None:
    from importlib.resources import files

    names = (f"{component}.{suffix}" for component in ("player", "upload") for suffix in ("html", "css", "js"))
    parts = {name: files("rvos.app").joinpath(name).read_text("utf-8") for name in names}
    for script in (parts["player.js"], parts["upload.js"]):
        assert "innerHTML" not in script and "insertAdjacentHTML" not in script
    assert not [a for text in parts.values() for a in re.findall(r"https?://[^'\"\s)]+", text) if "w3.org" not in a]
