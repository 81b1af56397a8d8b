"""The folder of a run: who may enter, what is continued, what is cleared, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvos.export.table import build_exporters
from rvos.run.folder import RunDirectory
from rvos.types import Frame, FrameResult, OutputError, VideoInfo, expression_targets

SETTINGS: dict[str, Any] = {
    "expressions": ["the dog", "the cat"],
    "model": "s2rm",
    "tracker": {"name": "none", "gate": 0.5},
}
TARGETS = expression_targets(SETTINGS["expressions"])
REPOSITORY = Path(__file__).resolve().parents[3]


def results_at(index: int) -> list[FrameResult]:
    rng = np.random.default_rng(index)
    masks = rng.random((2, 20, 30)) > (0.5, 2.0)[index % 2]
    return [FrameResult(index, index / 25, e, masks[e], rng.random(), rng.random()) for e in range(2)]


def append(run: RunDirectory, first: int, stop: int) -> None:
    for t in range(first, stop):
        run.append(results_at(t))


def files_of(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def one_line(error: pytest.ExceptionInfo[OutputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_new_folder_is_made_with_its_settings(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "a" / "b", SETTINGS, TARGETS) as run:
        assert (run.finished, run.frames_done, run.load_snapshot()) == (False, 0, None)
        assert list(run.frames()) == []
    assert json.loads((tmp_path / "a" / "b" / "settings.json").read_text())["settings"] == SETTINGS


def test_an_unfinished_run_continues_at_its_snapshot(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "whole", SETTINGS, TARGETS) as run:
        append(run, 0, 9)
    with RunDirectory(tmp_path / "parts", SETTINGS, TARGETS) as run:
        append(run, 0, 4)
        run.save_snapshot(4, b"state")
        append(run, 4, 7)
    with RunDirectory(tmp_path / "parts", SETTINGS, TARGETS) as run:
        assert run.frames_done == 4
        assert run.load_snapshot() == (4, b"state")
        assert [r[0].frame_index for r in run.frames()] == [0, 1, 2, 3]
        append(run, 4, 9)
        assert len(list(run.frames())) == 4, "frames() gives what an earlier run left, not what this one adds"
    assert (tmp_path / "parts" / "frames.jsonl").read_bytes() == (tmp_path / "whole" / "frames.jsonl").read_bytes()


def test_without_a_snapshot_nothing_is_done(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 3)
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        assert run.frames_done == 0
        append(run, 0, 1)


@pytest.mark.parametrize("damage", ["short", "flipped", "other"])
def test_a_damaged_snapshot_is_no_snapshot(tmp_path: Path, damage: str) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 2)
        run.save_snapshot(2, b"state of the tracker")
    path = tmp_path / ".snapshot"
    data = path.read_bytes()
    path.write_bytes({"short": data[:10], "flipped": data[:-1] + b"?", "other": b"x" * len(data)}[damage])
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        assert (run.load_snapshot(), run.frames_done) == (None, 0)


def test_a_log_shorter_than_its_snapshot_starts_anew(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 3)
        run.save_snapshot(3, b"state")
    (tmp_path / "frames.jsonl").write_bytes((tmp_path / "frames.jsonl").read_bytes()[:-1])
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        assert (run.load_snapshot(), run.frames_done) == (None, 0)


def test_a_finished_run_is_finished(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 3)
        run.save_snapshot(3, b"state")
        written = run.finish({"summary": {"frames": 3}}, {"total_s": 1.5})
    assert [p.name for p in written] == ["frames.jsonl", "result.json", "timing.json"]
    assert files_of(tmp_path) == {".lock", "settings.json", "frames.jsonl", "result.json", "timing.json"}
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        assert (run.finished, run.frames_done) == (True, 3)
        assert len(list(run.frames())) == 3


def test_order_is_checked(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        run.append(results_at(0))
        with pytest.raises(ValueError, match=r"expected .*\[\(1, 0, None\), \(1, 1, None\)\]"):
            run.append(results_at(1)[::-1])
        with pytest.raises(ValueError, match="expected 1 frames, got 2"):
            run.save_snapshot(2, b"")


def test_another_run_is_refused_and_the_differences_named(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 2)
    other = {**SETTINGS, "model": "lavt", "tracker": {"name": "none", "gate": 0.6}, "device": "cpu"}
    with pytest.raises(OutputError) as caught, RunDirectory(tmp_path, other, TARGETS):
        pass
    message = one_line(caught)
    assert "device, model, tracker.gate" in message
    assert "--overwrite" in message and "--out" in message
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        assert not run.finished, "a refusal must leave the folder free"


def test_a_run_without_frames_is_replaced_by_other_settings(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "out", {"model": "a"}, TARGETS):
        pass
    changed = RunDirectory(tmp_path / "out", {"model": "b"}, TARGETS)
    changed.check()
    with changed as directory:
        assert directory.frames_done == 0 and not directory.finished
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["settings"] == {"model": "b"}


def test_a_folder_is_seen_to_be_free_before_it_is_touched(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "deep" / "out", SETTINGS, TARGETS).check()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="expected a folder, got a file"):
        RunDirectory(tmp_path / "file" / "out", SETTINGS, TARGETS).check()
    with pytest.raises(OutputError, match="holds no run of rvos, but 'file'"):
        RunDirectory(tmp_path, SETTINGS, TARGETS).check()


def test_tuples_and_lists_are_the_same_settings(tmp_path: Path) -> None:
    for value in ((3, 4), [3, 4]):
        with RunDirectory(tmp_path, {**SETTINGS, "size": value}, TARGETS):
            pass


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["holiday.jpg", "settings.json", "frames.jsonl", "masks"])
def test_a_folder_of_no_run_is_refused_and_left_as_it_is(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / name).mkdir() if name == "masks" else (tmp_path / name).write_text("[1]")
    with (
        pytest.raises(OutputError, match="holds no run of rvos") as caught,
        RunDirectory(tmp_path, SETTINGS, TARGETS, overwrite),
    ):
        pass
    one_line(caught)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS):
        pass


def test_a_run_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"kind": "rvos run", "version": 99, "settings": SETTINGS}))
    with pytest.raises(OutputError, match="version 1, got 99"), RunDirectory(tmp_path, SETTINGS, TARGETS):
        pass


def test_overwrite_clears_what_a_run_writes_and_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "00000.png").write_bytes(b"mine")
    out = tmp_path / "out"
    with RunDirectory(out, SETTINGS, TARGETS) as run:
        append(run, 0, 2)
        run.save_snapshot(2, b"state")
        run.finish({}, {})
    ours = ["overlay.mp4", "compare.mp4", "contact_sheet.png", "masks/0/00000.png", "masks/0/00001.png",
            "masks/1/123456.png", "masks/object_2/00000.png", "palette/00000.png", ".result.json.tmp",
            ".overlay.partial.mp4"]  # fmt: skip
    foreign = [
        "notes.txt",
        "masks/0/notes.txt",
        "masks/mine/00000.png",
        "masks/1/1.png",
        "metrics.csv",
        "sub/overlay.mp4",
    ]
    for name in ours + foreign:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    (out / "frames").symlink_to(outside)
    with RunDirectory(out, {**SETTINGS, "model": "lavt"}, TARGETS, overwrite=True) as run:
        assert (run.finished, run.frames_done, run.load_snapshot()) == (False, 0, None)
    assert files_of(out) == {".lock", "settings.json", *foreign}
    assert (outside / "00000.png").read_bytes() == b"mine"
    assert not (out / "palette").exists() and not (out / "masks" / "object_2").exists()


def test_overwrite_starts_the_same_run_anew(tmp_path: Path) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 2)
        run.finish({}, {})
    with RunDirectory(tmp_path, SETTINGS, TARGETS, overwrite=True) as run:
        assert (run.finished, run.frames_done) == (False, 0)


def test_overwrite_clears_all_that_the_exporters_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FileWriter:
        def __init__(self, path: Path, size: tuple[int, int], **_: object) -> None:
            path.write_bytes(b"video")

        def write(self, image: np.ndarray, time_s: float) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr("rvos.export.base.VideoWriter", FileWriter)
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        names = ["overlay", "contact_sheet", "masks", "palette", "frames", "compare"]
        for exporter in build_exporters(names, tmp_path, only_frames=None):
            exporter.open(VideoInfo("clip.mp4", (20, 30)), TARGETS)
            exporter.write(Frame(0, 0.0, np.zeros((20, 30, 3), np.uint8)), results_at(0))
            for path in exporter.close():
                assert path.exists()
        run.append(results_at(0))
        run.finish({}, {})
    assert len(files_of(tmp_path)) == 12
    with RunDirectory(tmp_path, SETTINGS, TARGETS, overwrite=True):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {".lock", "settings.json"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(OutputError, match="expected a folder, got a file"),
        RunDirectory(tmp_path / "out", SETTINGS, TARGETS),
    ):
        pass
    with (
        pytest.raises(OutputError, match="cannot be written") as caught,
        RunDirectory(tmp_path / "out" / "x", SETTINGS, TARGETS),
    ):
        pass
    one_line(caught)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"), RunDirectory(tmp_path, SETTINGS, TARGETS):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this system")
def test_a_place_where_nothing_can_be_made_is_refused() -> None:
    with pytest.raises(OutputError, match="cannot be written") as caught, RunDirectory("/proc/rvos", SETTINGS, TARGETS):
        pass
    one_line(caught)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_use_is_refused_in_the_same_process(tmp_path: Path, overwrite: bool) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 2)
        with pytest.raises(OutputError, match="in use") as caught, RunDirectory(tmp_path, SETTINGS, TARGETS, overwrite):
            pass
        one_line(caught)
        append(run, 2, 3)
    with RunDirectory(tmp_path, SETTINGS, TARGETS):
        pass


_HOLDER = """
import sys, time
sys.path[:0] = {paths}
from test_run_folder import SETTINGS, TARGETS, append, results_at
from rvos.run.folder import RunDirectory
with RunDirectory(sys.argv[1], SETTINGS, TARGETS) as run:
    {body}
"""


def start(out: Path, body: str) -> subprocess.Popen[bytes]:
    """A process that enters `out` and does `body` there."""
    paths = [str(REPOSITORY), str(Path(__file__).parent)]
    return subprocess.Popen([sys.executable, "-c", _HOLDER.format(paths=paths, body=body), str(out)])


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the process ended early"
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.01)


def test_a_folder_in_use_by_another_process_is_refused_until_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "append(run, 0, 2); time.sleep(120)")
    try:
        wait_for((tmp_path / "frames.jsonl").exists, process)
        with pytest.raises(OutputError, match="in use") as caught, RunDirectory(tmp_path, SETTINGS, TARGETS):
            pass
        one_line(caught)
    finally:
        process.kill()
        process.wait()
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        assert not run.finished


def test_a_run_killed_while_writing_continues_to_the_same_bytes(tmp_path: Path) -> None:
    frames = 60
    with RunDirectory(tmp_path / "whole", SETTINGS, TARGETS) as run:
        append(run, 0, frames)
    out = tmp_path / "killed"
    body = "[(run.append(results_at(t)), run.save_snapshot(t + 1, bytes(100_000 + t))) for t in range(10**6)]"
    for delay in (0.0, 0.013, 0.037):
        process = start(out, body if delay == 0.0 else body.replace("range(", "range(run.frames_done, "))
        before = (out / "frames.jsonl").stat().st_size if (out / "frames.jsonl").exists() else 0
        wait_for(
            lambda size=before: (out / "frames.jsonl").exists() and (out / "frames.jsonl").stat().st_size > size,
            process,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with RunDirectory(out, SETTINGS, TARGETS) as run:
            snapshot = run.load_snapshot()
            assert run.frames_done == (0 if snapshot is None else snapshot[0])
            if snapshot is not None:
                assert len(snapshot[1]) == 100_000 + snapshot[0] - 1
    with RunDirectory(out, SETTINGS, TARGETS) as run:
        done = min(run.frames_done, frames)
        append(run, run.frames_done, frames)
    lines = (out / "frames.jsonl").read_bytes().splitlines()[: 2 * frames]
    assert done > 0
    assert lines == (tmp_path / "whole" / "frames.jsonl").read_bytes().splitlines()


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunDirectory(tmp_path, SETTINGS, TARGETS) as run:
        append(run, 0, 1)
        run.save_snapshot(1, b"old")
        append(run, 1, 2)

        def no_space(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", no_space)
            with pytest.raises(OutputError, match="No space left on device"):
                run.save_snapshot(2, b"new")
        assert run.load_snapshot() == (1, b"old")
