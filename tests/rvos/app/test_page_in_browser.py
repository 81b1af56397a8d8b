"""The page in a headless browser. Skipped if there is none."""

from __future__ import annotations

import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvos.app.limits import Limits
from rvos.app.workspace import Choices, Example, Settings, Workspace
from rvos.segmenter import VideoSegmenter
from rvos.synthetic.demo_clip import RATE, SIZE, draw_frame
from rvos.video.writer import VideoWriter

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
BROWSER = os.environ.get("RVOS_CHROMIUM", "")
WAIT_MS = 120_000
FRAMES = 12
MODEL = "s2rm_tiny"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    """A browser, and the URL of a page with the embedded model."""
    if not Path(BROWSER).is_file():
        pytest.skip("needs a browser: RVOS_CHROMIUM, the path of a headless Chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, to drive a browser")
    pytest.importorskip("gradio", reason="needs the extra app")
    import uvicorn  # pyright: ignore[reportMissingImports]

    from rvos.app.serving import create_app

    folder = tmp_path_factory.mktemp("page")
    choices = Choices((MODEL,), examples=(Example("shapes", write_video(folder / "example.mp4")),))

    def build(settings: Settings) -> VideoSegmenter:
        return VideoSegmenter(settings.model, tracker=settings.tracker, key_frames=settings.key_frames)

    workspace = Workspace(folder / "visits", choices, build, Limits(frames=60))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ready = threading.Event()
    app = create_app(workspace, folder / "uploads", "", ready.set)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(120)
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = driver.chromium.launch(executable_path=BROWSER, args=options)
        yield browser, f"http://127.0.0.1:{port}/"
        browser.close()
    server.should_exit = True
    thread.join(30)
    workspace.close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video with a red circle, a blue star, a green square and a yellow triangle. Its name contains HTML."""
    return write_video(tmp_path / "a <img src=x onerror=alert(1)> film.mp4")


def write_video(path: Path) -> Path:
    with VideoWriter(path, SIZE, rate=RATE) as writer:
        for index in range(FRAMES):
            writer.write(draw_frame(3 * index), index / RATE)
    return path


class Visitor:
    """A visitor of the page. Records every URL that the page requests."""

    def __init__(self, browser: Any, address: str, scheme: str = "light", width: int = 1280) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.address = address
        self.page.goto(address)
        self.page.wait_for_selector(".player")

    def upload(self, path: Path) -> None:
        self.page.locator("input[type=file]").first.set_input_files(str(path))

    def wait_for_message(self, words: str) -> None:
        """Wait until the message of the player contains these words."""
        self.page.wait_for_function(
            "words => document.querySelector('.message').textContent.includes(words)", arg=words
        )

    def segment(self, words: str) -> None:
        self.page.get_by_label("Expressions").fill(words)
        self.page.get_by_role("button", name="Find them").click()
        self.wait_for_message("Done")

    def go_to(self, frame: int) -> None:
        self.page.locator(".seek input").fill(str(frame))

    def close(self, screenshot: str) -> None:
        """Take a screenshot if `RVOS_SCREENSHOTS` is set, and check that nothing was requested from other hosts."""
        if folder := os.environ.get("RVOS_SCREENSHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{screenshot}.png"), full_page=True)
        foreign = [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]
        with_path = [url for url in self.requests if "tmp" in url or "gradio_api/file" in url]
        self.context.close()
        assert (self.errors, foreign, with_path) == ([], [], [])


def test_upload_two_expressions_correct_download_reload(pages: tuple[Any, str], video: Path) -> None:
    visitor = Visitor(*pages)
    page = visitor.page
    assert page.get_by_text("up to 200 MB, 60 seconds, 60 frames").is_visible()
    visitor.upload(video)
    visitor.wait_for_message(f"{FRAMES} frames")
    visitor.segment("the red circle\nthe blue star")
    assert (
        page.locator(".expression").count() == 2
        and page.locator(".expression b").all_inner_texts()[1] == "the blue star"
    )
    for view in ("Masks only", "Side by side", "Overlay"):
        page.get_by_role("button", name=view).click()
    box = page.locator(".expression svg").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 5 / (FRAMES - 1), box["y"] + 20)
    assert page.locator(".seek output").inner_text().startswith(f"6 / {FRAMES}")

    # From frame 5 on the expression means the green square: its corners are clicked.
    page.get_by_text("Correct the result").click()
    page.get_by_role("button", name="Outline").click()
    green = square_of(draw_frame(15))
    picture = page.locator(".frame").bounding_box()
    scale = picture["width"] / SIZE[1]
    for x, y in green:
        page.mouse.click(picture["x"] + x * scale, picture["y"] + y * scale)
    page.get_by_role("button", name="Use this mask").click()
    page.get_by_text("From frame 6 on: the red circle").wait_for()
    visitor.wait_for_message("Done")

    page.locator("details.downloads summary").click()
    with page.expect_download() as waited:
        page.get_by_role("link", name="masks", exact=True).click()
    with zipfile.ZipFile(waited.value.path()) as packed:
        assert len(packed.namelist()) == 2 * FRAMES
        assert white(packed, "00004")[: SIZE[0] // 2].sum() > white(packed, "00004")[SIZE[0] // 2 :].sum()
        assert white(packed, "00011")[: SIZE[0] // 2].sum() < white(packed, "00011")[SIZE[0] // 2 :].sum()

    page.reload()
    page.get_by_text("From frame 6 on: the red circle").wait_for(state="attached")
    assert page.get_by_text("Done").first.is_visible()
    page.get_by_text("Correct the result").click()
    page.get_by_role("button", name="Candidates").click()
    page.locator(".candidates button").first.wait_for()
    visitor.close("corrected")


def white(packed: zipfile.ZipFile, frame: str) -> np.ndarray:
    """(H, W) bool, the mask of the first expression on a frame."""
    import cv2

    name = next(name for name in sorted(packed.namelist()) if frame in name)
    picture = cv2.imdecode(np.frombuffer(packed.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture > 0


def square_of(image: np.ndarray) -> list[tuple[float, float]]:
    """The corners (x, y) of the box around what is green."""
    red, green, blue = (image[..., i].astype(int) for i in range(3))
    rows, columns = np.nonzero((green - red > 40) & (green - blue > 40))
    left, right, top, bottom = columns.min(), columns.max(), rows.min(), rows.max()
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_the_error_of_a_broken_file_is_shown(pages: tuple[Any, str], tmp_path: Path) -> None:
    visitor = Visitor(*pages, scheme="dark")
    broken = tmp_path / "<b>holiday.mp4"
    broken.write_bytes(b"no video")
    visitor.upload(broken)
    visitor.page.locator(".upload .error").get_by_text("holiday").wait_for()
    text = visitor.page.locator(".upload .error").inner_text()
    assert "holiday.mp4" in text and "/" not in text and str(tmp_path) not in visitor.page.content()
    visitor.close("broken")


def test_a_recording_of_the_camera_is_a_video(pages: tuple[Any, str]) -> None:
    visitor = Visitor(*pages)
    visitor.page.get_by_role("button", name="Record with the camera").click()
    visitor.page.get_by_role("button", name="Record", exact=True).click()
    visitor.page.wait_for_function("() => document.querySelector('.upload output').textContent.startsWith('2 ')")
    visitor.page.get_by_role("button", name="Stop recording").click()
    visitor.wait_for_message("frames. Enter what to look for")
    assert visitor.page.locator(".recorder").is_hidden()
    visitor.close("camera")


def test_corrections_by_candidate_and_brush_are_tracked_and_undone(pages: tuple[Any, str], video: Path) -> None:
    visitor = Visitor(*pages)
    page = visitor.page
    visitor.upload(video)
    visitor.wait_for_message(f"{FRAMES} frames")
    visitor.segment("the red circle")
    visitor.go_to(3)
    page.get_by_text("Correct the result").click()
    page.get_by_role("button", name="Candidates").click()
    page.locator(".candidates button").first.click()
    page.get_by_text("From frame 4 on").wait_for()
    visitor.wait_for_message("Done")
    page.get_by_role("button", name="Paint").click()
    box = page.locator(".player canvas").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.up()
    page.get_by_role("button", name="Use this mask").click()
    page.locator(".expression .name span").get_by_text("presence 1.00 · score 1.00").wait_for()
    visitor.wait_for_message("Done")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => !document.querySelector('.corrections li')")
    visitor.wait_for_message("Done")
    page.get_by_role("button", name="Not here").click()
    page.get_by_text("Not visible on frame 4: the red circle").wait_for()
    page.locator(".expression .name span").get_by_text("presence 0.00 · not shown").wait_for()
    visitor.wait_for_message("Done")
    page.get_by_label("Play").click()
    page.wait_for_function(f"() => document.querySelector('.seek output').textContent.startsWith('{FRAMES} /')")
    visitor.close("undone")


def test_on_a_phone_nothing_is_wider_than_the_screen(pages: tuple[Any, str]) -> None:
    visitor = Visitor(*pages, scheme="dark", width=375)
    visitor.page.get_by_label("Or choose an example").click()
    visitor.page.get_by_role("option", name="shapes").click()
    visitor.wait_for_message(f"{FRAMES} frames")
    visitor.segment("the blue star\nthe yellow triangle that is somewhere on the right of everything else there is")
    visitor.go_to(4)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 375
    small = visitor.page.locator(".player button:visible").evaluate_all(
        "all => Math.min(...all.map(b => b.offsetHeight))"
    )
    assert small >= 36
    visitor.close("phone")


def test_two_visitors_never_see_each_other(pages: tuple[Any, str], video: Path, tmp_path: Path) -> None:
    one, other = Visitor(*pages), Visitor(*pages)
    one.upload(video)
    other.upload(write_video(tmp_path / "other.mp4"))
    for visitor, words in ((one, "the red circle"), (other, "the blue star")):
        visitor.wait_for_message(f"{FRAMES} frames")
        visitor.page.get_by_label("Expressions").fill(words)
        visitor.page.get_by_role("button", name="Find them").click()
    for visitor, words in ((one, "the red circle"), (other, "the blue star")):
        visitor.wait_for_message("Done")
        assert visitor.page.locator(".expression b").all_inner_texts() == [words]
    one.close("one")
    other.close("other")
