"""`report.html` of a run: everything is inside, names are text, and its numbers are those of the run."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.answer import Candidate
from rvos.export.html.changes import Changes, describe_change
from rvos.export.html.embedded_frames import EmbeddedFrames, is_shown
from rvos.export.painter import Painter
from rvos.export.style import OVERLAY_STYLE
from rvos.run.export import export_run
from rvos.run.finished import FinishedRun
from rvos.types import Frame, FrameResult
from tests.rvos.export.small_run import NAMES, SIZE, true_masks


class Reader(HTMLParser):
    """Gathers the addresses, the words and the data of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.words = ""
        self.data = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = dict(attrs).get("id") or tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._inside == "run-data":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.words += data


@pytest.fixture
def page(finished: Callable[..., FinishedRun], tmp_path: Path) -> Reader:
    path = export_run(finished(), "report", tmp_path / "report.html")
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_the_page_loads_nothing_and_names_are_text(page: Reader) -> None:
    assert page.addresses and all(address.startswith(("data:image/jpeg", "#")) for address in page.addresses)
    assert all(name in page.words for name in NAMES)


def test_the_page_embeds_frames_and_masks(page: Reader) -> None:
    document: dict[str, Any] = json.loads(page.data)
    frames = document["frames"]
    assert frames["indices"] == [0, 1, 2, 3, 4, 5] and frames["size"] == list(SIZE) and document["frame_count"] == 6
    first = base64.b64decode(frames["images"][0].partition(",")[2])
    assert np.asarray(cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)).shape == (*SIZE, 3)
    assert [target["present"] for target in document["targets"]] == [
        [int(true_masks(i)[e].any()) for i in range(6)] for e in range(3)
    ]
    assert document["targets"][1]["presence"][:2] == [50, 60]
    assert [[name for name, _ in tracks] for tracks in frames["tracks"][0]] == [[4, 9], [1], []]


def test_changes_are_listed(page: Reader) -> None:
    said = re.findall(r"frame (\d+) · [\d.]+ s" + re.escape(NAMES[1]) + r": (disappears|appears|jumps)", page.words)
    assert said == [("2", "disappears"), ("3", "appears"), ("4", "jumps")]
    assert f"{NAMES[2]}: absent at first" in page.words


def seen(index: int, columns: slice | None, **tracks: slice) -> FrameResult:
    """A target on some columns of a picture of ten, or absent; tracks: `t3=slice(...)`, the columns of track 3."""

    def mask(of: slice | None) -> np.ndarray:
        made = np.zeros((2, 10), bool)
        if of is not None:
            made[:, of] = True
        return made

    parts = {int(name[1:]): mask(of) for name, of in tracks.items()}
    return FrameResult(index, index / 10, 0, mask(columns), 0.9, 0.9, track_masks=parts)


LEFT, RIGHT, WHOLE = slice(0, 5), slice(5, 10), slice(0, 10)


@pytest.mark.parametrize(
    ("before", "now", "description", "weight"),
    [
        (None, seen(0, None), "absent at first", 1.0),
        (None, seen(0, LEFT), "", 0.0),
        (seen(0, None), seen(1, None), "", 0.0),
        (seen(0, LEFT), seen(1, None), "disappears", 1.0),
        (seen(0, None), seen(1, LEFT), "appears", 1.0),
        (seen(0, LEFT), seen(1, RIGHT), "jumps", 1.0),
        (seen(0, WHOLE), seen(1, LEFT), "", 0.0),
        (seen(0, LEFT, t1=LEFT), seen(1, LEFT, t2=LEFT), "track 2 in place of 1", 0.5),
        (seen(0, LEFT, t1=LEFT), seen(1, WHOLE, t1=LEFT, t2=RIGHT), "track 2 joins", 0.5),
        (seen(0, WHOLE, t1=LEFT, t2=RIGHT), seen(1, LEFT, t1=LEFT, t2=slice(0, 0)), "track 2 leaves", 0.5),
        (seen(0, WHOLE, t1=LEFT, t2=slice(9, 10)), seen(1, slice(0, 9), t1=LEFT), "", 0.0),
    ],
)
def test_changes_have_descriptions_and_weights(
    before: FrameResult | None, now: FrameResult, description: str, weight: float
) -> None:
    assert describe_change(before, now) == (description, pytest.approx(weight))


def test_of_many_changes_the_largest_are_kept_in_their_order() -> None:
    """Sixty times track 2 joins or leaves, and once, at the end, all is gone."""
    changes, image = Changes(Painter(OVERLAY_STYLE)), np.zeros((2, 10, 3), np.uint8)
    for index in range(61):
        both = {"t1": LEFT, "t2": RIGHT} if index % 2 else {"t1": LEFT}
        changes.add(Frame(index, index / 10, image), [seen(index, WHOLE if index % 2 else LEFT, **both)])
    changes.add(Frame(61, 6.1, image), [seen(61, None)])
    kept = changes.in_order()
    assert [each.position for each in kept] == [*range(1, 36), 61]  # of equal ones the first
    assert (kept[0].description, kept[-1].description, changes.omitted) == ("track 2 joins", "disappears", 25)


@pytest.mark.parametrize(("count", "embedded", "stride"), [(1, 1, 1), (160, 160, 1), (161, 81, 2), (700, 88, 8)])
def test_a_long_video_is_subsampled_evenly(count: int, embedded: int, stride: int) -> None:
    frames, image = EmbeddedFrames((4, 6)), np.zeros((4, 6, 3), np.uint8)
    for index in range(count):
        frames.add(Frame(index, index / 25, image), [FrameResult(index, index / 25, 0, image[..., 0] > 0, 0.0, 0.0)])
    assert frames.document()["positions"] == list(range(0, count, stride)) and frames.stride == stride
    assert len(frames.document()["images"]) == embedded


def test_candidates_are_on_frames_on_which_the_model_ran() -> None:
    frames, image, result = EmbeddedFrames((2, 10)), np.zeros((2, 10, 3), np.uint8), seen(0, LEFT, t1=LEFT)
    left, right = (Candidate(seen(0, of).mask, *shares) for of, shares in ((LEFT, (0.84, 0.9)), (RIGHT, (0.2, 0.5))))
    frames.add(Frame(0, 0.0, image), [replace(result, candidates=(left, right))])
    frames.add(Frame(1, 0.1, image), [replace(seen(1, LEFT), candidates=None)])
    frames.add(Frame(2, 0.2, image), [replace(seen(2, None), candidates=())])
    (first,), *others = frames.document()["candidates"]
    assert [embedded[:3] for embedded in first] == [[84, 90, True], [20, 50, False]] and others == [[None], [[]]]
    assert all(re.fullmatch(r"M[\d. ]+Z", path) for *_, path in first)


def test_a_run_without_recorded_candidates_shows_none(page: Reader) -> None:
    assert "candidates" not in json.loads(page.data)["frames"] and "key C" not in page.words


@pytest.mark.parametrize(
    ("candidate", "result", "shown"),
    [
        (LEFT, seen(0, WHOLE, t1=LEFT, t2=RIGHT), True),  # one of two tracks
        (LEFT, seen(0, WHOLE, t1=WHOLE), True),
        (slice(0, 4), seen(0, WHOLE, t1=WHOLE), False),  # a part of it
        (LEFT, seen(0, WHOLE), True),  # of a mask that may have been put together
        (LEFT, seen(0, RIGHT), False),
        (slice(0, 0), seen(0, None), False),
    ],
)
def test_which_candidate_is_shown(candidate: slice, result: FrameResult, shown: bool) -> None:
    assert is_shown(Candidate(seen(0, candidate).mask), result) is shown


def test_outlines_have_holes_and_fit_the_image() -> None:
    mask = np.zeros((720, 1280), bool)
    mask[200:520, 320:960] = True
    mask[300:400, 500:700] = False
    frames = EmbeddedFrames(mask.shape)
    frames.add(Frame(0, 0.0, np.zeros((720, 1280, 3), np.uint8)), [FrameResult(0, 0.0, 0, mask, 1.0, 1.0)])
    document = frames.document()
    assert document["size"] == [360, 640]
    parts = [
        np.array(re.findall(r"([\d.]+) ([\d.]+)", part), float) for part in document["masks"][0][0].split("M") if part
    ]
    boxes = sorted([*part.min(0), *part.max(0)] for part in parts)
    np.testing.assert_allclose(boxes, [[160, 100, 480, 260], [250, 150, 350, 200]], atol=1)
