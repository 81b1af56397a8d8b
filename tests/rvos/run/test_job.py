"""A run into a folder: what it leaves, and that interrupted and continued is the same as in one go."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from rvos.settings import StreamSettings

import rvos.run.recording
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.base import Exporter
from rvos.export.records import read_frames
from rvos.run.job import Job, run
from rvos.system import System
from rvos.tracking import TRACKERS, Tracker
from rvos.types import Frame, FrameResult, OutputError, VideoError, expression_targets

EXPRESSIONS = ("the red thing", "the green thing", "the blue thing")
EVERYTHING = ("overlay", "contact_sheet", "masks", "palette", "frames", "compare")


@pytest.fixture(autouse=True)
def _snapshots_every_five_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)


@pytest.fixture
def system_of(tmp_path: Path, colour_segmenter: ImageSegmenter) -> Callable[..., System]:
    """A `System` whose segmenter is the model that sees colours; `tracker` by name."""

    def make(tracker: str = "none", **settings: Any) -> System:
        file = tmp_path / "colours.safetensors"
        file.write_bytes(b"stands in for a model file")
        system = System(model=str(file), tracker=tracker, settings=StreamSettings(**settings))
        system.__dict__["segmenter"] = VideoSegmenter(colour_segmenter, tracker=tracker, settings=system.settings)
        return system

    return make


def files_of(folder: Path, *patterns: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for pattern in patterns for p in sorted(folder.glob(pattern))}


def frames_of(video: Path) -> list[np.ndarray]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def assert_same_run(one: Path, other: Path) -> None:
    """Byte-identical but for videos, which are equal frame by frame, and for settings, times and paths."""
    exact = ("frames.jsonl", "masks/*/*.png", "palette/*.png", "frames/*.png", "contact_sheet.png", "result.json")
    assert files_of(one, *exact) == files_of(other, *exact)
    for video in ("overlay.mp4", "compare.mp4"):
        if (one / video).exists() or (other / video).exists():
            for a, b in zip(frames_of(one / video), frames_of(other / video), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_run_leaves_what_the_contract_says(
    system_of: Callable[..., System], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, out, system = make_clip(23), tmp_path / "out", system_of()
    seen: list[tuple[int, int | None]] = []
    report = run(Job(str(clip), EXPRESSIONS, out, EVERYTHING), system, lambda *done: seen.append(done))
    assert [done for done, _ in seen] == list(range(1, 24))
    logged = [
        record
        for records, _ in read_frames(out / "frames.jsonl", expression_targets(EXPRESSIONS))
        for record in records
    ]
    assert logged == system.segmenter.segment(clip, EXPRESSIONS).records
    for index in range(3):
        assert len(list((out / "masks" / str(index)).glob("*.png"))) == 23
    mask = cv2.imread(str(out / "masks" / "1" / "00008.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None and set(np.unique(mask)) == {0, 255} and mask.shape == (48, 80)
    assert len(frames_of(out / "overlay.mp4")) == 23
    assert all(path.exists() for path in report.outputs.values()) and tuple(report.outputs) == EVERYTHING
    assert report.result == json.loads((out / "result.json").read_text())
    assert report.result["summary"]["frames"] == 23 and report.result["expressions"] == list(EXPRESSIONS)
    assert [e["frames_present"] for e in report.result["summary"]["per_expression"]] == [23, 21, 0]
    timing = json.loads((out / "timing.json").read_text())
    assert timing["frames"] == 23 and timing["frames_per_s"] > 0 and timing["writing_s"] > 0


def test_a_finished_run_is_done_at_once(
    system_of: Callable[..., System], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    job, system = Job(str(make_clip(4)), EXPRESSIONS, tmp_path / "out"), system_of()
    first = run(job, system)
    unloaded = System(model=system.model, tracker="none")  # would fail to load: its file is no model
    assert run(job, unloaded) == first and "segmenter" not in unloaded.__dict__


def interrupt_at(frame_count: int, system: System, monkeypatch: pytest.MonkeyPatch, how: Callable[[], None]) -> None:
    """Make the model do `how` when it is shown one frame more than `frame_count`."""
    model = system.segmenter.image.model
    original, shown = model.encode_stem, [0]

    def encode_stem(images: Any) -> Any:
        shown[0] += 1
        if shown[0] > frame_count:
            how()
        return original(images)

    monkeypatch.setattr(model, "encode_stem", encode_stem)


def _press_ctrl_c() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("after", [0, 3, 5, 13, 20, 22])
def test_interrupted_and_continued_is_in_one_go(
    after: int,
    system_of: Callable[..., System],
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counting_tracker: type[Tracker[Any]],
) -> None:
    monkeypatch.setitem(TRACKERS, "counting", counting_tracker)
    clip = str(make_clip(23))
    run(Job(clip, EXPRESSIONS, tmp_path / "whole", EVERYTHING), system_of("counting"))
    parts, system = Job(clip, EXPRESSIONS, tmp_path / "parts", EVERYTHING), system_of("counting")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(after, system, patch, _press_ctrl_c)
        run(parts, system)
    assert not (parts.out / "result.json").exists()
    if after:
        assert len(frames_of(parts.out / "overlay.mp4")) == after  # what was written stays readable
    system.segmenter.image.model.calls.clear()  # type: ignore[operator, union-attr]
    run(parts, system)
    assert system.segmenter.image.model.calls["image"] == 23 - after // 5 * 5  # type: ignore[index]
    assert_same_run(tmp_path / "whole", parts.out)


def test_killed_and_continued_is_in_one_go(
    system_of: Callable[..., System], make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = str(make_clip(23))
    run(Job(clip, EXPRESSIONS, tmp_path / "whole", EVERYTHING), system_of())
    parts = Job(clip, EXPRESSIONS, tmp_path / "parts", EVERYTHING)
    for after in (7, 9, 2):
        system = system_of()
        child = os.fork()
        if child == 0:
            interrupt_at(after, system, monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
            try:
                run(parts, system)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    run(parts, system_of())
    assert_same_run(tmp_path / "whole", parts.out)


def test_where_a_video_breaks_the_frames_before_are_kept_and_reported(
    system_of: Callable[..., System],
    frames: np.ndarray,
    tmp_path: Path,
    breaking_folder: Callable[[np.ndarray, int], Path],
) -> None:
    source, out = breaking_folder(frames, 8), tmp_path / "out"
    for _ in range(2):  # the same command finds the same, from its snapshot
        with pytest.raises(VideoError, match=rf"008\.png.*the 8 frames before are kept in {out}"):
            run(Job(str(source), EXPRESSIONS, out, EVERYTHING), system_of())
        assert len(list(read_frames(out / "frames.jsonl", expression_targets(EXPRESSIONS)))) == 8
        assert len(frames_of(out / "overlay.mp4")) == 8 and len(list((out / "masks/0").iterdir())) == 8
        assert not (out / "result.json").exists()
    (tmp_path / "mended").touch()
    assert run(Job(str(source), EXPRESSIONS, out, EVERYTHING), system_of()).result["summary"]["frames"] == 12


def test_an_output_that_fails_stops_the_run_and_the_others_stay_readable(
    system_of: Callable[..., System], make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rvos.export.pictures import MaskExporter

    write = MaskExporter.write

    def full(self: Exporter, frame: Frame, results: Sequence[FrameResult]) -> None:
        if frame.index == 6:
            raise OutputError("no room left")
        write(self, frame, results)  # type: ignore[arg-type]

    monkeypatch.setattr(MaskExporter, "write", full)
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"no room left"):
        run(Job(str(make_clip(23)), EXPRESSIONS, out, ("overlay", "masks")), system_of())
    assert 6 <= len(frames_of(out / "overlay.mp4")) <= 7 and not (out / "result.json").exists()


def test_a_log_that_is_not_of_this_video_is_not_continued(
    system_of: Callable[..., System],
    frames: np.ndarray,
    tmp_path: Path,
    breaking_folder: Callable[[np.ndarray, int], Path],
) -> None:
    source, system = breaking_folder(frames, 11), system_of()
    job = Job(str(source), EXPRESSIONS, tmp_path / "out")
    with pytest.raises(VideoError):
        run(job, system)
    for picture in sorted(source.iterdir())[4:]:
        picture.unlink()
    with pytest.raises(OutputError, match=r"4 frames.*seen 10.*--overwrite"):
        run(job, system)


def test_another_run_is_refused_and_overwritten_on_demand(
    system_of: Callable[..., System], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, out, system = str(make_clip(6)), tmp_path / "out", system_of()
    run(Job(clip, EXPRESSIONS, out, ("masks",)), system)
    other = Job(clip, EXPRESSIONS[:1], out, ("masks",))
    with pytest.raises(OutputError, match=r"holds another run.*expressions"):
        run(other, system)
    assert (out / "masks" / "2" / "00005.png").exists()
    run(Job(clip, EXPRESSIONS[:1], out, ("masks",), overwrite=True), system)
    assert not (out / "masks" / "2").exists() and len(files_of(out, "masks/*/*.png")) == 6


def test_nothing_is_made_where_the_input_is_at_fault(system_of: Callable[..., System], tmp_path: Path) -> None:
    with pytest.raises(VideoError):
        run(Job(str(tmp_path / "none.mp4"), EXPRESSIONS, tmp_path / "out"), system_of())
    assert not (tmp_path / "out").exists()


def test_a_run_of_sampled_frames_names_them_by_their_place_in_the_video(
    system_of: Callable[..., System], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(Job(str(make_clip(23)), EXPRESSIONS, out, ("overlay", "masks")), system_of(sampling="stride:4"))
    assert [p.name for p in sorted((out / "masks/0").iterdir())] == [f"{i:05d}.png" for i in range(0, 23, 4)]
    assert len(frames_of(out / "overlay.mp4")) == 6
