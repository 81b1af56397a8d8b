"""The page over HTTP: what it shows, which files it accepts, and what it does not reveal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rvos.app.limits import Limits
from rvos.app.workspace import Choices, Workspace

NAME = "../<img src=x onerror=alert(1)>\x07 film.mp4"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Any, Workspace]]:
    """A client, and the workspace of the page. There is no model: no video is processed."""
    pytest.importorskip("gradio", reason="needs the extra app")
    from fastapi.testclient import TestClient  # pyright: ignore[reportMissingImports]

    from rvos.app.serving import create_app

    limits = Limits(megabytes=1, frames=30)
    workspace = Workspace(tmp_path / "visits", Choices(("model",)), lambda _: pytest.fail("no model expected"), limits)
    with TestClient(create_app(workspace, tmp_path / "uploads", "", lambda: None)) as client:
        yield client, workspace
    workspace.close()


def upload(client: Any, token: str, data: bytes, name: str = NAME) -> Any:
    return client.post(f"/visits/{token}/video", params={"name": name}, content=data)


def test_the_page_reveals_no_path_and_loads_nothing_from_other_hosts(
    served: tuple[Any, Workspace], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    client, workspace = served
    one, other = workspace.open_visit(), workspace.open_visit()
    video = make_clip(6).read_bytes()
    page = client.get("/")
    assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.findall(
        r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//(?!testserver)""", page.text
    )
    assert upload(client, one.token, video).status_code == 200
    broken = upload(client, other.token, b"no video" * 20)
    status = client.get(f"/visits/{one.token}/status")
    picture = client.get(f"/visits/{one.token}/frame", params={"index": 5})
    assert status.json()["video"]["name"] == "<img src=x onerror=alert(1)>  film.mp4"
    assert (
        status.headers["content-type"] == "application/json" and status.headers["x-content-type-options"] == "nosniff"
    )
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    assert broken.status_code == 422 and "expected a video file, got text" in broken.json()["error"]
    shown = [page.text, client.get("/config").text, status.text, broken.text]
    assert not [text for text in shown if str(tmp_path) in text or str(Path(__file__).parents[3]) in text]

    # No video of another visitor, and no file of this machine.
    assert client.get(f"/visits/{other.token}/frame", params={"index": 0}).status_code == 404
    for token in ("", "x", one.token[:-1], other.token[::-1]):
        answer = client.get(f"/visits/{token}/frame", params={"index": 0})
        assert answer.status_code in (404, 422) and b"\xff\xd8" not in answer.content
    (kept,) = (tmp_path / "visits").rglob("video_*")
    for address in (f"/gradio_api/file={kept}", "/gradio_api/file=/etc/hostname", "/file=/etc/hostname"):
        assert client.get(address).status_code == 404
    assert client.post("/gradio_api/upload", files={"files": video}).status_code == 404
    assert client.get(f"/visits/{one.token}/files/..%2f..%2fsecret").status_code == 404


def test_refused_videos_leave_no_file_and_the_video_before_stays(
    served: tuple[Any, Workspace], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    client, workspace = served
    token, clip = workspace.open_visit().token, make_clip(6)
    assert upload(client, token, clip.read_bytes(), "mine.mp4").status_code == 200
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n".encode()
    for name, data, words in (
        ("large.mp4", bytes(1_000_001), "'large.mp4': expected at most 1 MB, got 1"),
        ("long.mp4", make_clip(31, "long.mp4").read_bytes(), "'long.mp4': expected at most 60 s and 30 frames"),
        ("list.m3u8", playlist, "'list.m3u8': expected a video file, got text"),
        ("", b"", "'video': the file is empty"),
    ):
        answer = upload(client, token, data, name)
        assert answer.status_code == 422 and words in answer.json()["error"], answer.text
    assert client.get(f"/visits/{token}/status").json()["video"]["name"] == "mine.mp4"
    assert [path.name for path in (tmp_path / "visits").rglob("*") if path.is_file()] == ["video_1.mp4"]
