"""`rvos export`: a finished run in other formats, the same as `--save` writes, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rvos.export.outputs import OUTPUTS, ExportInput
from rvos.export.overlay import OverlayExporter
from rvos.types import OutputError

Rvos = Callable[..., Any]


@pytest.fixture
def clip(rvos: Rvos, make_clip: Callable[..., Path]) -> Path:
    """A clip, of which `run` is a finished run."""
    path = make_clip(5)
    assert rvos("segment", path, "the red thing", "the green thing", "--out", "run", "--save", "masks").code == 0
    return path


def bytes_of(path: Path) -> dict[str, bytes]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in files}


def test_export_writes_the_same_as_save(rvos: Rvos, clip: Path, tmp_path: Path) -> None:
    names = ",".join(OUTPUTS)
    assert rvos("segment", clip, "the red thing", "the green thing", "--out", "all", "--save", names).code == 0
    for name, output in OUTPUTS.items():
        out = tmp_path / f"exported{output.suffix}" / output.path
        outcome = rvos("export", "all", "--format", name.replace("_", "-"), "--out", out)
        assert (outcome.code, outcome.err, outcome.out) == (0, [], [f"{name.replace('_', ' ')}: {out}"])
        assert bytes_of(out) == bytes_of(tmp_path / "all" / output.path), name
        assert sorted(p.name for p in out.parent.iterdir() if p.name.startswith(".")) == []
    # The same command clears all that it wrote.
    again = rvos("segment", clip, "the red thing", "--out", "all", "--save", "masks", "--overwrite")
    assert again.code == 0
    left = {p.name for p in (tmp_path / "all").iterdir()} - {".lock", "masks"}
    assert left == {"settings.json", "frames.jsonl", "result.json", "timing.json"}


def test_formats_without_images_need_no_video(rvos: Rvos, clip: Path) -> None:
    clip.unlink()
    for name, output in OUTPUTS.items():
        outcome = rvos("export", "run", "--format", name, "--out", f"{name}{output.suffix}")
        if output.input is ExportInput.FRAMES:
            assert (
                outcome.code == 2
                and len(outcome.err) == 1
                and "got nothing there: if it was moved, pass" in outcome.err[0]
            )
            assert not Path(f"{name}{output.suffix}").exists()
        else:
            assert outcome.code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "--format", "coca", "--out", "o.json"), "unknown output 'coca': did you mean 'coco'?"),
        (("run", "--format", "onnx", "--out", "o.onnx"), "got onnx, which is for models: rvos models export"),
        (("run", "--format", "coco", "--out", "o.txt"), "expected a file with the suffix .json for coco, got 'o.txt'"),
        (("run", "--format", "coco", "--out", "there.json"), "there.json: expected a path that does not exist"),
        (("run", "--format", "masks", "--out", "run"), "run: expected a path that does not exist"),
        (("run", "--format", "masks", "--out", "masks.zip"), "expected a folder for masks, got 'masks.zip'"),
        (("nowhere", "--format", "coco", "--out", "o.json"), "nowhere: expected the folder of a run, got none"),
        ((".", "--format", "coco", "--out", "o.json"), "got one without settings.json"),
        (("other", "--format", "coco", "--out", "o.json"), "expected the folder of an 'rvos run', got an 'rvos train'"),
        (
            ("begun", "--format", "coco", "--out", "o.json"),
            "expected a finished run, got an unfinished one",
        ),
        (("short", "--format", "coco", "--out", "o.json"), "expected 5 complete frames, got 4"),
    ],
)
def test_export_errors_are_one_line(
    arguments: tuple[str, ...], complaint: str, rvos: Rvos, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.json").write_text("mine")
    settings = json.loads((tmp_path / "run/settings.json").read_bytes())
    for name in ("other", "begun", "short"):
        (tmp_path / name).mkdir()
        kind = {"kind": "rvos train"} if name == "other" else {}
        (tmp_path / name / "settings.json").write_text(json.dumps(settings | kind))
    lines = (tmp_path / "run/frames.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "short/frames.jsonl").write_bytes(b"".join(lines[:-1]))
    (tmp_path / "short/result.json").write_bytes((tmp_path / "run/result.json").read_bytes())
    before = sorted(p.name for p in tmp_path.iterdir())
    outcome = rvos("export", *arguments)
    assert outcome.code == 2 and len(outcome.err) == 1 and complaint in outcome.err[0], outcome.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before and (tmp_path / "there.json").read_text() == "mine"


def test_a_failed_export_leaves_no_files(
    rvos: Rvos, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(OverlayExporter, "write", full)
    before = sorted(p.name for p in tmp_path.iterdir())
    outcome = rvos("export", "run", "--format", "overlay", "--out", "o.mp4")
    assert (outcome.code, outcome.err) == (2, ["rvos: the disk is full"])
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_video_that_changed_is_refused(rvos: Rvos, clip: Path, make_clip: Callable[..., Path]) -> None:
    make_clip(4, clip.name)
    outcome = rvos("export", "run", "--format", "overlay", "--out", "o.mp4")
    assert outcome.code == 2 and "got one that has changed since" in outcome.err[0]


def test_a_moved_video_is_given_by_source(
    rvos: Rvos, clip: Path, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    assert rvos("export", "run", "--format", "pictures", "--out", "before").code == 0
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/film.mp4").write_bytes(clip.read_bytes())  # with another time of change
    clip.unlink()
    for command in ("export", "draw"):
        outcome = rvos(
            command, "run", "--format", "contact-sheet", "--out", f"{command}.png", "--source", "elsewhere/film.mp4"
        )
        assert (outcome.code, outcome.err) == (0, [])
    assert bytes_of(tmp_path / "export.png") == bytes_of(tmp_path / "draw.png")
    export = ("export", "run", "--format", "pictures", "--source")
    assert rvos(*export, "elsewhere/film.mp4", "--out", "after").code == 0
    assert bytes_of(tmp_path / "after") == bytes_of(tmp_path / "before")
    for count, complaint in ((4, "expected 5 frames, as in run, got 4"), (6, "expected 5 frames, as in run, got more")):
        outcome = rvos(*export, make_clip(count, "other.mp4"), "--out", "other")
        assert (
            outcome.code == 2
            and len(outcome.err) == 1
            and complaint in outcome.err[0]
            and "another video" in outcome.err[0]
        )
        assert not (tmp_path / "other").exists()
    (tmp_path / "smaller").mkdir()
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"smaller/{index}.png"), np.zeros((8, 8, 3), np.uint8))
    outcome = rvos(*export, "smaller", "--out", "other")
    assert outcome.code == 2 and "48 x 80 px (height x width), got one of 8 x 8 px" in outcome.err[0]


def test_pictures_are_the_frames(rvos: Rvos, clip: Path, tmp_path: Path) -> None:
    rvos("export", "run", "--format", "pictures", "--out", "pictures")
    pictures = [cv2.imread(str(path)) for path in sorted((tmp_path / "pictures").iterdir())]
    assert len(pictures) == 5 and all(picture is not None and np.asarray(picture).std() > 5 for picture in pictures)
