"""Sources and run folders behind URLs: the same bytes as on disk, gone on from, and told in one line what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from image_core.errors import ConfigError, OutputError
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.run.job import Job, run
from rvos.run.remote import is_url, local_copy, out_folder, url_fingerprint
from rvos.types import VideoError

EXPRESSIONS = ("the red thing",)


@pytest.fixture
def store() -> Any:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    return system


def left_there(store: Any, root: str) -> dict[str, bytes]:
    skipped = ("timing.json", "settings.json", "result.json")
    return {p[len(root) + 1 :]: store.cat(p) for p in store.find(root) if not p.endswith(skipped)}


def test_a_video_behind_a_url_leaves_what_the_file_leaves(
    store: Any, colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    segmenter, clip = VideoSegmenter(colour_segmenter, tracker="none"), make_clip(6)
    store.put(str(clip), "/videos/clip.mp4")
    here = run(Job(str(clip), EXPRESSIONS, tmp_path / "here"), segmenter)
    job = Job("memory://videos/clip.mp4", EXPRESSIONS, tmp_path / "there")
    there = run(job, segmenter)
    for name in ("frames.jsonl", "contact_sheet.png", "overlay.mp4"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    assert there.result["summary"] == here.result["summary"]
    assert there.result["video"] == {**here.result["video"], "source": job.source}
    assert run(job, segmenter).result == there.result  # finished, and known again


def test_a_remote_folder_of_images_is_complete_and_changes_are_noticed(store: Any) -> None:
    for index in range(3):
        store.pipe(f"/videos/walk/{index:05d}.jpg", bytes([index]))
    before = url_fingerprint("memory://videos/walk")
    with local_copy("memory://videos/walk") as folder:
        assert sorted(path.name for path in Path(folder).iterdir()) == ["00000.jpg", "00001.jpg", "00002.jpg"]
        kept = Path(folder)
    assert not kept.exists() and url_fingerprint("memory://videos/walk") == before
    store.pipe("/videos/walk/00003.jpg", b"more")
    assert url_fingerprint("memory://videos/walk") != before


def test_a_list_can_write_to_a_url_and_continue(
    store: Any, rvos: Callable[..., Any], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    make_clip(5)
    (tmp_path / "jobs.csv").write_text("source,expression\nclip.mp4,the red thing\nclip.mp4,the green thing\n")
    command = ("segment", "--list", "jobs.csv", "--save", "masks", "--jobs", "1", "--out")
    said = rvos(*command, "memory://runs/list")
    assert said.code == 0 and said.out == ["row 0: memory://runs/list/00000", "row 1: memory://runs/list/00001"]
    assert rvos(*command, "here").code == 0
    here = {
        str(path.relative_to("here")): path.read_bytes()
        for pattern in ("*/frames.jsonl", "*/masks/*/*")
        for path in Path("here").glob(pattern)
    }
    there = left_there(store, "/runs/list")
    assert there == here and store.exists("/runs/list/00001/result.json")

    store.rm("/runs/list/00001/result.json")  # not finished after all
    store.pipe("/runs/list/00000/masks/0/00000.png", b"is not brought, and stays")
    assert rvos(*command, "memory://runs/list").out == said.out
    assert store.exists("/runs/list/00001/result.json")
    assert left_there(store, "/runs/list") == {**here, "00000/masks/0/00000.png": b"is not brought, and stays"}
    assert rvos("segment", "clip.mp4", "the red thing", "--out", "memory://runs/one").out == [
        "overlay: memory://runs/one/overlay.mp4",
        "contact sheet: memory://runs/one/contact_sheet.png",
    ]
    assert not [path for path in Path().iterdir() if "memory" in path.name]


def test_an_uploaded_row_is_deleted_locally(store: Any) -> None:
    store.pipe("/runs/list/00001/settings.json", b"{}")
    with out_folder("memory://runs/list") as folder:
        for row in (0, 1):
            (folder.local / f"0000{row}").mkdir(exist_ok=True)
            (folder.local / f"0000{row}/frames.jsonl").write_bytes(b"a line")
            folder.transfer(folder.local / f"0000{row}")
            assert not (folder.local / f"0000{row}").exists()
    assert sorted(store.find("/runs")) == [
        f"/runs/list/0000{name}" for name in ("0/frames.jsonl", "1/frames.jsonl", "1/settings.json")
    ]


def test_a_row_that_cannot_be_uploaded_fails_alone(
    store: Any,
    rvos: Callable[..., Any],
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_clip(3)
    (tmp_path / "jobs.csv").write_text("source,expression\nclip.mp4,the red thing\nclip.mp4,the green thing\n")
    put, refused = type(store).put_file, []

    def once(self: Any, lpath: str, rpath: str, **given: Any) -> None:
        if "00000/frames.jsonl" in rpath and not refused:
            refused.append(rpath)
            raise ConnectionError("reset")
        put(self, lpath, rpath, **given)

    monkeypatch.setattr(type(store), "put_file", once)
    command = ("segment", "--list", "jobs.csv", "--save", "masks", "--jobs", "1", "--out", "memory://runs/list")
    said = rvos(*command)
    assert said.code == 2 and said.out == ["row 1: memory://runs/list/00001"]
    assert [line for line in said.err if "ConnectionError: reset" in line and line.startswith("row 0 (clip.mp4)")]
    assert rvos(*command).out == ["row 0: memory://runs/list/00000", "row 1: memory://runs/list/00001"]


def test_what_cannot_be_reached_is_reported_in_one_line(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(VideoError, match=r"no such file: 'memory://videos/gone.mp4': check the name"),
        local_copy("memory://videos/gone.mp4"),
    ):
        pass
    with pytest.raises(ConfigError, match=r"'nosuch://b/clip.mp4': expected a URL that can be read here"):
        url_fingerprint("nosuch://b/clip.mp4")
    store.pipe("/runs/one/frames.jsonl", b"")
    monkeypatch.setattr(type(store), "get_file", lambda *_, **__: (_ for _ in ()).throw(PermissionError("denied")))
    denied = r"'memory://runs/one': cannot be reached \(PermissionError: denied\)"
    with pytest.raises(OutputError, match=denied), out_folder("memory://runs/one"):
        pass
    with (
        pytest.raises(VideoError, match=r"^'memory://runs/one/frames.jsonl': cannot be reached"),
        local_copy("memory://runs/one/frames.jsonl"),
    ):
        pass


@pytest.mark.parametrize(
    ("place", "known"), [("s3://b/clip.mp4", True), ("clip.mp4", False), ("camera:0", False), ("/a://b", False)]
)
def test_what_a_url_is(place: str, known: bool) -> None:
    assert is_url(place) == known
