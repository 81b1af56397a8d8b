"""`report.html`: one file that needs nothing else, says everything that went wrong, and stays small."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.errors import DataError
from rvos.export.html import write_report
from rvos.export.html.charts import timeline
from rvos.export.html.figures import percent, plain, signed_percent
from rvos.export.html.filmstrip import PREDICTION, TRUTH, evenly_spread, paint
from rvos.export.html.markup import Html, h

Views = list[tuple[np.ndarray, np.ndarray | None, np.ndarray]]
VOID = {"meta", "img", "input", "br"}
SIZE = (48, 64)


class Page(HTMLParser):
    """Tags with their attributes, in order; raises where a tag is closed that is not the open one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, *names: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags for name in names if name in attributes]


def row(number: int, frames: int = 12, score: float | None = None, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    region, boundary = rng.random((2, frames)).tolist()
    return {
        "video_id": f"video{number // 3}",
        "expression_id": str(number % 3),
        "sentence": f"thing number {number}",
        "labels": {"family": "static"},
        "frame_names": [f"{5 * i:05d}" for i in range(frames)],
        "J": region,
        "F": boundary,
        "visible": [True] * frames,
        "predicted": [i % 4 > 0 for i in range(frames)],
        "J&F": float(np.mean(region + boundary)) if score is None else score,
        "error": None,
        **changes,
    }


def strip(video_id: str, expression_id: str, positions: Sequence[int]) -> Views:
    frame, truth = np.full((*SIZE, 3), 90, np.uint8), np.zeros(SIZE, bool)
    truth[10:30, 10:40] = True
    return [(frame, truth, np.roll(truth, 4 + position, 1)) for position in positions]


DOCUMENT: dict[str, Any] = {
    "dataset": "ref_davis17",
    "title": "Ref-DAVIS17",
    "split": "val",
    "protocol": "A: merged by argmax",
    "verified": True,
    "J&F": 0.6413,
    "J": 0.6,
    "F": 0.6826,
    "protocols": {
        "A": {"protocol": "A: merged by argmax", "verified": True, "J&F": 0.6413},
        "B": {"protocol": "B: each expression alone", "verified": False, "J&F": 0.7001, "annotators": [0.25, 0.5]},
    },
    "by": {"words": {"1 to 4": {"J&F": 0.5, "expressions": 7}, "5 and more": {"J&F": 0.7, "expressions": 2}}},
    "baseline": {
        "frame_by_frame": {"J&F": 0.6},
        "gain": {"mean": 0.0413, "low": 0.01, "high": 0.07, "resamples": 1000},
    },
    "settings": {"model": "s2rm_tiny", "stream": {"sampling": "all"}},
    "versions": {"rvos": "0.1.0"},
    "speed": {"frames_per_s": 11.43, "peak_memory_mb": 812.4},
    "failures": [{"video": f"broken{i}", "expression": "0", "error": f"picture {i} cannot be read"} for i in range(30)],
    "missing": [f"lost{i}/1" for i in range(30)],
    "notes": ["five videos left out"],
    "overlays": {"video0/0": "overlays/video0/0 #1.mp4", "video0/1": "javascript:alert(1)"},
}


def written(path: Path, document: dict[str, Any], rows: list[dict[str, Any]], views: Any = strip) -> tuple[str, Page]:
    write_report(path / "report.html", document, rows, views)
    text = (path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_it_opens_without_anything_else(tmp_path: Path) -> None:
    text, page = written(tmp_path, DOCUMENT, [row(i) for i in range(9)])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert not re.search(r"https?://|@import|url\(|<link|<iframe", text)
    assert page.values("src") and all(value.startswith("data:image/jpeg;base64,") for value in page.values("src"))
    inside = {value for value in page.values("href") if value.startswith("#")}
    assert set(page.values("href")) - inside == {"overlays/video0/0%20%231.mp4", "javascript%3Aalert%281%29"}
    assert {value[1:] for value in inside} <= set(page.values("id"))
    assert page.text.count("overlay") == 2 * 2  # in the strips and among all


def test_figures_protocols_and_the_baseline_are_there(tmp_path: Path) -> None:
    _, page = written(tmp_path, DOCUMENT, [row(i) for i in range(9)])
    for words in (
        "Ref-DAVIS17 val",
        "3 videos · 9 expressions · 108 scored masks · figures in percent",
        "J&F 64.1 J 60.0 F 68.3 verified A: merged by argmax",
        "not verified B: each expression alone J&F 70.0 annotators 25.0, 50.0",
        "frame by frame 60.0 this run 64.1",
        "gain +4.1 points, interval +1.0 to +7.0 mean over expressions; resamples 1,000",
        "1 to 4 7 50.0 5 and more 2 70.0",
        "30 failures and 30 missing",
        "frames per second 11.4 peak memory, MB 812.4",
        "stream.sampling all",
        "five videos left out",
    ):
        assert words in page.text


def test_every_failure_and_everything_missing_is_listed(tmp_path: Path) -> None:
    rows = [row(i) for i in range(4)] + [row(4, J=[], F=[], visible=[], predicted=[], error="no frame", score=0.0)]
    _, page = written(tmp_path, DOCUMENT, rows)
    assert all(f"broken{i} 0 picture {i} cannot be read" in page.text for i in range(30))
    assert all(f"lost{i}/1" in page.text for i in range(30))
    assert "failed: no frame" in page.text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b < c 'd'"])
def test_text_of_the_data_is_escaped(tmp_path: Path, evil: str) -> None:
    document = {
        **{"dataset": evil, "split": evil, "protocol": evil, "notes": [evil], "missing": [evil]},
        "failures": [{"video": evil, "expression": evil, "error": evil}],
        "by": {evil: {evil: {"J&F": 0.5}}},
        "settings": {evil: evil},
        "overlays": {f"{evil}/{evil}": evil},
    }
    rows = [row(0, sentence=evil, video_id=evil, expression_id=evil, frame_names=[evil] * 12, labels={evil: evil})]
    _, page = written(tmp_path, document, rows)
    plain_page = Page(written(tmp_path, {**DOCUMENT, "by": {"x": {"y": {"J&F": 0.5}}}}, [row(0)])[0])
    assert page.text.count(" ".join(evil.split())) >= 12
    assert [tag for tag, _ in page.tags].count("script") == [tag for tag, _ in plain_page.tags].count("script") == 1
    assert page.values("onerror") == []


@pytest.mark.parametrize("key", [*DOCUMENT, "everything"])
def test_any_key_may_be_absent(tmp_path: Path, key: str) -> None:
    document = {} if key == "everything" else {k: v for k, v in DOCUMENT.items() if k != key}
    _, page = written(tmp_path, document, [row(0), row(1)])
    assert "thing number 0" in page.text
    written(tmp_path, document, [])


def test_a_dataset_of_single_frames_has_images_and_no_curves(tmp_path: Path) -> None:
    rows = [row(i, frames=1, F=None) for i in range(5)]
    text, page = written(tmp_path, {"mIoU": 0.5}, rows)
    assert (
        len(page.values("src")) == 5 and 'class="timeline"' not in text and "IoU of each of 5 expressions" in page.text
    )


def test_best_and_worst_are_the_right_ones_and_none_is_both(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def watched(video_id: str, expression_id: str, positions: Sequence[int]) -> Views:
        asked.append((video_id, expression_id))
        return strip(video_id, expression_id, positions)

    rows = [row(i, score=i / 40) for i in range(40)]
    written(tmp_path, {}, rows, watched)
    names = [(r["video_id"], r["expression_id"]) for r in rows]
    assert asked == names[:-7:-1] + names[:6]
    asked.clear()
    written(tmp_path, {}, rows[:3], watched)
    assert asked == [names[2], names[1], names[0]]


def test_unreadable_images_are_reported(tmp_path: Path) -> None:
    def broken(video_id: str, expression_id: str, positions: Sequence[int]) -> Views:
        raise DataError("a.jpg: not a picture")

    _, page = written(tmp_path, {}, [row(0)], broken)
    assert "no images: a.jpg: not a picture" in page.text and page.values("src") == []


def test_eight_hundred_expressions_stay_below_ten_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def noisy(video_id: str, expression_id: str, positions: Sequence[int]) -> Views:
        frame = cv2.resize(rng.integers(0, 255, (90, 160, 3), np.uint8), (854, 480))
        return [(frame, np.eye(480, 854, dtype=bool), np.ones((480, 854), bool)) for _ in positions]

    text, page = written(tmp_path, DOCUMENT, [row(i, frames=300) for i in range(800)], noisy)
    assert len(text.encode()) < 10e6
    assert text.count('class="card"') == 800 and len(page.values("src")) == 60
    folded = [attributes for tag, attributes in page.tags if tag == "details"]
    assert sum("open" in attributes for attributes in folded) == 1
    assert "Of more than 120 frames, means of neighbouring frames are drawn." in page.text


def test_an_image_shows_the_truth_outlined_and_the_prediction_filled(tmp_path: Path) -> None:
    frame, truth, prediction = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    truth[10:50, 10:30] = True
    prediction[10:50, 45:75] = True
    image = paint(frame, truth, prediction)
    assert image.shape == (240, 320, 3) and tuple(image[120, 80]) == (0, 0, 0) and tuple(image[220, 160]) == (0, 0, 0)
    assert np.abs(image[120, 240] - np.array(PREDICTION) / 2).max() <= 1
    assert np.abs(image[36:44, 60:100].reshape(-1, 3).astype(int) - TRUTH).max(1).min() < 30
    assert paint(np.zeros((480, 960, 3), np.uint8), None, np.zeros((480, 960), bool)).shape == (160, 320, 3)


def test_a_strip_is_jpeg_inside_the_page(tmp_path: Path) -> None:
    _, page = written(tmp_path, {}, [row(0)])
    data = base64.b64decode(page.values("src")[0].partition(",")[2])
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("shown", "positions"),
    [
        ([True] * 9, [0, 2, 4, 6, 8]),
        ([True] * 3, [0, 1, 2]),
        ([False] * 9, [0, 2, 4, 6, 8]),
        ([False] * 5 + [True] * 2 + [False] * 2, [0, 3, 5, 6, 8]),
        ([], []),
    ],
)
def test_frames_are_spread_over_those_with_a_target(shown: list[bool], positions: list[int]) -> None:
    assert evenly_spread(shown) == positions


def test_a_curve_goes_from_edge_to_edge_and_a_ribbon_lies_under_its_frames() -> None:
    drawn = timeline({"j": [0.0, 0.5, 1.0]}, {"visible": [False, True, True, False]}, 10, "three frames")
    assert 'd="M0 120 240 60 480 0"' in drawn and 'd="M120 126H360v12H120z"' in drawn
    assert 'd="M0 60 480 60"' in timeline({"j": [0.0, 1.0, 1.0, 0.0]}, {}, 2, "means of two")


def test_markup_is_escaped_by_construction() -> None:
    assert h("p", "a<b", h("b", "c"), None, class_="x", title='"', hidden=False) == (
        '<p class="x" title="&quot;">a&lt;b<b>c</b></p>'
    )
    assert h("input", open=True, aria_label="<") == '<input open aria-label="&lt;">'
    assert isinstance(h("p", ["x", Html("<br>")]), Html) and h("p", ["x", Html("<br>")]) == "<p>x<br></p>"


def test_numbers() -> None:
    assert [percent(v) for v in (0.6413, 1.0, None, float("nan"))] == ["64.1", "100.0", "–", "–"]
    assert [signed_percent(v) for v in (0.021, -0.021)] == ["+2.1", "−2.1"]
    assert [plain(v) for v in (True, 12345, 0.123456, 812.44, None, [1, "a"])] == [
        *("yes", "12,345", "0.123", "812.4", "–"),
        "1, a",
    ]
