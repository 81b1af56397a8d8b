"""The page as a person uses it, in a browser without a window: it is skipped where there is none."""

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
from rvos.app.workspace import Example, Offer, Settings, Workspace
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
    """A browser, and the address of a page with the embedded model."""
    if not Path(BROWSER).is_file():
        pytest.skip("needs a browser: RVOS_CHROMIUM, the path of a headless Chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, to drive a browser")
    pytest.importorskip("gradio", reason="needs the extra app")
    import uvicorn  # pyright: ignore[reportMissingImports]

    from rvos.app.serving import application

    folder = tmp_path_factory.mktemp("page")
    offer = Offer((MODEL,), examples=(Example("shapes", film_of(folder / "example.mp4")),))

    def system(settings: Settings) -> VideoSegmenter:
        return VideoSegmenter(settings.model, tracker=settings.tracker, key_frames=settings.key_frames)

    workspace = Workspace(folder / "visits", offer, system, Limits(frames=60))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    up = threading.Event()
    app = application(workspace, folder / "uploads", "", up.set)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert up.wait(120)
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
def film(tmp_path: Path) -> Path:
    """A film with a red circle, a blue star, a green square and a yellow triangle; its name is unkind."""
    return film_of(tmp_path / "a <img src=x onerror=alert(1)> film.mp4")


def film_of(path: Path) -> Path:
    with VideoWriter(path, SIZE, rate=RATE) as writer:
        for index in range(FRAMES):
            writer.write(draw_frame(3 * index), index / RATE)
    return path


class Person:
    """Somebody who looks at the page, and keeps note of every address that it asks for."""

    def __init__(self, browser: Any, address: str, scheme: str = "light", width: int = 1280) -> None:
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.address = address
        self.page.goto(address)
        self.page.wait_for_selector(".player")

    def upload(self, path: Path) -> None:
        self.page.locator("input[type=file]").first.set_input_files(str(path))

    def says(self, words: str) -> None:
        """Wait until the player says so."""
        self.page.wait_for_function("words => document.querySelector('.says').textContent.includes(words)", arg=words)

    def find(self, words: str) -> None:
        self.page.get_by_label("Expressions").fill(words)
        self.page.get_by_role("button", name="Find them").click()
        self.says("Done")

    def go(self, frame: int) -> None:
        self.page.locator(".scrub input").fill(str(frame))

    def leave(self, picture: str) -> None:
        """Look at it once more, for `RVOS_SCREENSHOTS`, and see that nothing was asked of anybody else."""
        if folder := os.environ.get("RVOS_SCREENSHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{picture}.png"), full_page=True)
        away = [url for url in self.asked if not url.startswith((self.address, "data:", "blob:"))]
        named = [url for url in self.asked if "tmp" in url or "gradio_api/file" in url]
        self.context.close()
        assert (self.faults, away, named) == ([], [], [])


def test_upload_two_expressions_correct_download_reload(pages: tuple[Any, str], film: Path) -> None:
    person = Person(*pages)
    page = person.page
    assert page.get_by_text("up to 200 MB, 60 seconds, 60 frames").is_visible()
    person.upload(film)
    person.says(f"{FRAMES} frames")
    person.find("the red circle\nthe blue star")
    assert page.locator(".track").count() == 2 and page.locator(".track b").all_inner_texts()[1] == "the blue star"
    for view in ("Masks only", "Side by side", "Overlay"):
        page.get_by_role("button", name=view).click()
    box = page.locator(".track svg").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 5 / (FRAMES - 1), box["y"] + 20)
    assert page.locator(".scrub output").inner_text().startswith(f"6 / {FRAMES}")

    # The green square is what is meant from frame 5 on: it is painted around, by clicks.
    page.get_by_text("Correct the result").click()
    page.get_by_role("button", name="Outline").click()
    green = square_of(draw_frame(15))
    picture = page.locator(".frame").bounding_box()
    scale = picture["width"] / SIZE[1]
    for x, y in green:
        page.mouse.click(picture["x"] + x * scale, picture["y"] + y * scale)
    page.get_by_role("button", name="Use this mask").click()
    page.get_by_text("From frame 6 on: the red circle").wait_for()
    person.says("Done")

    page.locator("details.take summary").click()
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
    page.locator(".found button").first.wait_for()
    person.leave("corrected")


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


def test_a_broken_file_is_told_beside_the_inputs(pages: tuple[Any, str], tmp_path: Path) -> None:
    person = Person(*pages, scheme="dark")
    broken = tmp_path / "<b>holiday.mp4"
    broken.write_bytes(b"no film")
    person.upload(broken)
    person.page.locator(".bring .wrong").get_by_text("holiday").wait_for()
    told = person.page.locator(".bring .wrong").inner_text()
    assert "holiday.mp4" in told and "/" not in told and str(tmp_path) not in person.page.content()
    person.leave("broken")


def test_what_the_camera_shows_is_a_film(pages: tuple[Any, str]) -> None:
    person = Person(*pages)
    person.page.get_by_role("button", name="Record with the camera").click()
    person.page.get_by_role("button", name="Record", exact=True).click()
    person.page.wait_for_function("() => document.querySelector('.bring output').textContent.startsWith('2 ')")
    person.page.get_by_role("button", name="Stop recording").click()
    person.says("frames. Enter what to look for")
    assert person.page.locator(".record").is_hidden()
    person.leave("camera")


def test_a_correction_by_candidate_and_brush_is_carried_and_undone(pages: tuple[Any, str], film: Path) -> None:
    person = Person(*pages)
    page = person.page
    person.upload(film)
    person.says(f"{FRAMES} frames")
    person.find("the red circle")
    person.go(3)
    page.get_by_text("Correct the result").click()
    page.get_by_role("button", name="Candidates").click()
    page.locator(".found button").first.click()
    page.get_by_text("From frame 4 on").wait_for()
    person.says("Done")
    page.get_by_role("button", name="Paint").click()
    box = page.locator(".player canvas").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.up()
    page.get_by_role("button", name="Use this mask").click()
    page.locator(".track .name span").get_by_text("presence 1.00 · score 1.00").wait_for()
    person.says("Done")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => !document.querySelector('.corrections li')")
    person.says("Done")
    page.get_by_role("button", name="Not here").click()
    page.get_by_text("Not visible on frame 4: the red circle").wait_for()
    page.locator(".track .name span").get_by_text("presence 0.00 · not shown").wait_for()
    person.says("Done")
    page.get_by_label("Play").click()
    page.wait_for_function(f"() => document.querySelector('.scrub output').textContent.startsWith('{FRAMES} /')")
    person.leave("undone")


def test_on_a_phone_in_the_dark_nothing_is_wider_than_the_screen(pages: tuple[Any, str]) -> None:
    person = Person(*pages, scheme="dark", width=375)
    person.page.get_by_label("Or choose an example").click()
    person.page.get_by_role("option", name="shapes").click()
    person.says(f"{FRAMES} frames")
    person.find("the blue star\nthe yellow triangle that is somewhere on the right of everything else there is")
    person.go(4)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 375
    small = person.page.locator(".player button:visible").evaluate_all(
        "all => Math.min(...all.map(b => b.offsetHeight))"
    )
    assert small >= 36
    person.leave("phone")


def test_two_people_never_see_each_other(pages: tuple[Any, str], film: Path, tmp_path: Path) -> None:
    one, other = Person(*pages), Person(*pages)
    one.upload(film)
    other.upload(film_of(tmp_path / "other.mp4"))
    for person, words in ((one, "the red circle"), (other, "the blue star")):
        person.says(f"{FRAMES} frames")
        person.page.get_by_label("Expressions").fill(words)
        person.page.get_by_role("button", name="Find them").click()
    for person, words in ((one, "the red circle"), (other, "the blue star")):
        person.says("Done")
        assert person.page.locator(".track b").all_inner_texts() == [words]
    one.leave("one")
    other.leave("other")
