"""The page as a stranger meets it, by plain HTTP: what it shows, what it takes, and what it keeps to itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rvos.app.limits import Limits
from rvos.app.workspace import Offer, Workspace

NAME = "../<img src=x onerror=alert(1)>\x07 film.mp4"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Any, Workspace]]:
    """Somebody who asks, and the page, which has no model: nothing is watched here."""
    pytest.importorskip("gradio", reason="needs the extra app")
    from fastapi.testclient import TestClient  # pyright: ignore[reportMissingImports]

    from rvos.app.serving import application

    limits = Limits(megabytes=1, frames=30)
    workspace = Workspace(tmp_path / "visits", Offer(("model",)), lambda _: pytest.fail("nobody asked"), limits)
    with TestClient(application(workspace, tmp_path / "uploads", "", lambda: None)) as client:
        yield client, workspace
    workspace.close()


def bring(client: Any, token: str, data: bytes, name: str = NAME) -> Any:
    return client.post(f"/visits/{token}/film", params={"name": name}, content=data)


def test_a_stranger_is_told_of_no_path_and_no_other_host(
    served: tuple[Any, Workspace], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    client, workspace = served
    one, other = workspace.enter(), workspace.enter()
    film = make_clip(6).read_bytes()
    page = client.get("/")
    assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.findall(
        r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//(?!testserver)""", page.text
    )
    assert bring(client, one.token, film).status_code == 200
    broken = bring(client, other.token, b"no film" * 20)
    told = client.get(f"/visits/{one.token}/status")
    picture = client.get(f"/visits/{one.token}/picture", params={"frame": 5})
    assert told.json()["film"]["name"] == "<img src=x onerror=alert(1)>  film.mp4"
    assert told.headers["content-type"] == "application/json" and told.headers["x-content-type-options"] == "nosniff"
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    assert broken.status_code == 422 and "expected a video file, got text" in broken.json()["error"]
    shown = [page.text, client.get("/config").text, told.text, broken.text]
    assert not [text for text in shown if str(tmp_path) in text or str(Path(__file__).parents[3]) in text]

    # Nobody else's, and nothing of this machine.
    assert client.get(f"/visits/{other.token}/picture", params={"frame": 0}).status_code == 404
    for token in ("", "x", one.token[:-1], other.token[::-1]):
        answer = client.get(f"/visits/{token}/picture", params={"frame": 0})
        assert answer.status_code in (404, 422) and b"\xff\xd8" not in answer.content
    (kept,) = (tmp_path / "visits").rglob("film_*")
    for address in (f"/gradio_api/file={kept}", "/gradio_api/file=/etc/hostname", "/file=/etc/hostname"):
        assert client.get(address).status_code == 404
    assert client.post("/gradio_api/upload", files={"files": film}).status_code == 404
    assert client.get(f"/visits/{one.token}/files/..%2f..%2fsecret").status_code == 404


def test_films_that_cannot_be_taken_leave_nothing_and_the_one_before_stays(
    served: tuple[Any, Workspace], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    client, workspace = served
    token, clip = workspace.enter().token, make_clip(6)
    assert bring(client, token, clip.read_bytes(), "mine.mp4").status_code == 200
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n".encode()
    for name, data, words in (
        ("large.mp4", bytes(1_000_001), "'large.mp4': expected at most 1 MB, got 1"),
        ("long.mp4", make_clip(31, "long.mp4").read_bytes(), "'long.mp4': expected at most 60 s and 30 frames"),
        ("list.m3u8", playlist, "'list.m3u8': expected a video file, got text"),
        ("", b"", "'video': the file is empty"),
    ):
        answer = bring(client, token, data, name)
        assert answer.status_code == 422 and words in answer.json()["error"], answer.text
    assert client.get(f"/visits/{token}/status").json()["film"]["name"] == "mine.mp4"
    assert [path.name for path in (tmp_path / "visits").rglob("*") if path.is_file()] == ["film_1.mp4"]
