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

import rvos.run.recording
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.base import Exporter
from rvos.export.records import read_frames
from rvos.run.job import Job, run
from rvos.tracking.tracker import Tracker
from rvos.types import Frame, FrameResult, OutputError, VideoError, expression_targets

EXPRESSIONS = ("the red thing", "the green thing", "the blue thing")
Make = Callable[..., VideoSegmenter]
EVERYTHING = ("overlay", "contact_sheet", "masks", "palette", "frames", "compare", "report")


@pytest.fixture(autouse=True)
def _snapshots_every_five_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 5)


@pytest.fixture
def make_segmenter(colour_segmenter: ImageSegmenter) -> Make:
    """A segmenter with the model that sees colours."""

    def make(tracker: str | Tracker[Any] = "none", **settings: Any) -> VideoSegmenter:
        return VideoSegmenter(colour_segmenter, tracker=tracker, **settings)

    return make


def files_of(folder: Path, *patterns: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for pattern in patterns for p in sorted(folder.glob(pattern))}


def frames_of(video: Path) -> list[np.ndarray]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def assert_same_run(one: Path, other: Path) -> None:
    """Byte-identical but for videos, which are equal frame by frame, and for settings, times and paths."""
    pictures = ("masks/*/*.png", "palette/*.png", "frames/*.png", "contact_sheet.png")
    exact = ("frames.jsonl", *pictures, "report.html", "result.json")
    assert files_of(one, *exact) == files_of(other, *exact)
    for video in ("overlay.mp4", "compare.mp4"):
        if (one / video).exists() or (other / video).exists():
            for a, b in zip(frames_of(one / video), frames_of(other / video), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_run_writes_the_documented_files(
    make_segmenter: Make, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, out, segmenter = make_clip(23), tmp_path / "out", make_segmenter()
    seen: list[tuple[int, int | None]] = []
    report = run(Job(str(clip), EXPRESSIONS, out, EVERYTHING), segmenter, lambda *done: seen.append(done))
    assert [done for done, _ in seen] == list(range(1, 24))
    logged = [
        record
        for records, _ in read_frames(out / "frames.jsonl", expression_targets(EXPRESSIONS))
        for record in records
    ]
    assert logged == segmenter.segment(clip, EXPRESSIONS, candidates=True).records
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
    colour_segmenter: ImageSegmenter,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, loads = Job(str(make_clip(4)), EXPRESSIONS, tmp_path / "out"), []
    file = tmp_path / "colours.safetensors"
    file.write_bytes(b"stands in for a model file")
    monkeypatch.setattr(ImageSegmenter, "load", lambda name, *_: loads.append(name) or colour_segmenter)
    first = run(job, VideoSegmenter(file, tracker="none"))
    assert run(job, VideoSegmenter(file, tracker="none")) == first and loads == [file]


def interrupt_at(
    frame_count: int, segmenter: VideoSegmenter, monkeypatch: pytest.MonkeyPatch, how: Callable[[], None]
) -> None:
    """Make the model do `how` when it is shown one frame more than `frame_count`."""
    image = segmenter.system.model.loaded
    assert isinstance(image, ImageSegmenter)
    model = image.model
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
    make_segmenter: Make,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counter: Tracker[Any],
) -> None:
    clip = str(make_clip(23))
    run(Job(clip, EXPRESSIONS, tmp_path / "whole", EVERYTHING), make_segmenter(counter))
    parts, segmenter = Job(clip, EXPRESSIONS, tmp_path / "parts", EVERYTHING), make_segmenter(counter)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(after, segmenter, patch, _press_ctrl_c)
        run(parts, segmenter)
    assert not (parts.out / "result.json").exists()
    if after:
        assert len(frames_of(parts.out / "overlay.mp4")) == after  # what was written stays readable
    segmenter.system.model.loaded.model.calls.clear()  # type: ignore[operator, union-attr]
    run(parts, segmenter)
    assert segmenter.system.model.loaded.model.calls["image"] == 23 - after // 5 * 5  # type: ignore[index]
    assert_same_run(tmp_path / "whole", parts.out)


def test_killed_and_continued_is_in_one_go(
    make_segmenter: Make,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = str(make_clip(23))
    run(Job(clip, EXPRESSIONS, tmp_path / "whole", EVERYTHING), make_segmenter())
    parts = Job(clip, EXPRESSIONS, tmp_path / "parts", EVERYTHING)
    for after in (7, 9, 2):
        segmenter = make_segmenter()
        child = os.fork()
        if child == 0:
            interrupt_at(after, segmenter, monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
            try:
                run(parts, segmenter)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    run(parts, make_segmenter())
    assert_same_run(tmp_path / "whole", parts.out)


def test_where_a_video_breaks_the_frames_before_are_kept_and_reported(
    make_segmenter: Make,
    frames: np.ndarray,
    tmp_path: Path,
    breaking_folder: Callable[[np.ndarray, int], Path],
) -> None:
    source, out = breaking_folder(frames, 8), tmp_path / "out"
    for _ in range(2):  # the same command finds the same, from its snapshot
        with pytest.raises(VideoError, match=rf"008\.png.*the 8 frames before are kept in {out}"):
            run(Job(str(source), EXPRESSIONS, out, EVERYTHING), make_segmenter())
        assert len(list(read_frames(out / "frames.jsonl", expression_targets(EXPRESSIONS)))) == 8
        assert len(frames_of(out / "overlay.mp4")) == 8 and len(list((out / "masks/0").iterdir())) == 8
        assert not (out / "result.json").exists()
    (tmp_path / "mended").touch()
    assert run(Job(str(source), EXPRESSIONS, out, EVERYTHING), make_segmenter()).result["summary"]["frames"] == 12


@pytest.mark.parametrize(("at", "said"), [(0, r"cannot be decoded$|be read$"), (1, "; the frame before is kept in /")])
def test_the_number_of_kept_frames_is_reported_unless_it_is_zero(
    at: int,
    said: str,
    make_segmenter: Make,
    frames: np.ndarray,
    tmp_path: Path,
    breaking_folder: Callable[[np.ndarray, int], Path],
) -> None:
    with pytest.raises(VideoError, match=said):
        run(Job(str(breaking_folder(frames, at)), EXPRESSIONS, tmp_path / "out", ("masks",)), make_segmenter())


def test_an_output_that_fails_stops_the_run_and_the_others_stay_readable(
    make_segmenter: Make,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rvos.export.frame_pngs import MaskExporter

    write = MaskExporter.write

    def full(self: Exporter, frame: Frame, results: Sequence[FrameResult]) -> None:
        if frame.index == 6:
            raise OutputError("no room left")
        write(self, frame, results)  # type: ignore[arg-type]

    monkeypatch.setattr(MaskExporter, "write", full)
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"no room left"):
        run(Job(str(make_clip(23)), EXPRESSIONS, out, ("overlay", "masks")), make_segmenter())
    # The overlay is written beside the masks, and may be some frames ahead.
    assert 6 <= len(frames_of(out / "overlay.mp4")) < 23 and not (out / "result.json").exists()


def test_a_log_that_is_not_of_this_video_is_not_continued(
    make_segmenter: Make,
    frames: np.ndarray,
    tmp_path: Path,
    breaking_folder: Callable[[np.ndarray, int], Path],
) -> None:
    source, segmenter = breaking_folder(frames, 11), make_segmenter()
    job = Job(str(source), EXPRESSIONS, tmp_path / "out")
    with pytest.raises(VideoError):
        run(job, segmenter)
    for picture in sorted(source.iterdir())[4:]:
        picture.unlink()
    with pytest.raises(OutputError, match=r"holds another run \(different: source_sha256\).*--overwrite"):
        run(job, segmenter)


def test_another_run_is_refused_and_overwritten_on_demand(
    make_segmenter: Make, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, out, segmenter = str(make_clip(6)), tmp_path / "out", make_segmenter()
    run(Job(clip, EXPRESSIONS, out, ("masks",)), segmenter)
    other = Job(clip, EXPRESSIONS[:1], out, ("masks",))
    with pytest.raises(OutputError, match=r"holds another run.*expressions"):
        run(other, segmenter)
    with pytest.raises(OutputError, match=r"\(different: save\): write other formats with rvos export .*--overwrite"):
        run(Job(clip, EXPRESSIONS, out, ("masks", "csv")), segmenter)
    assert (out / "masks" / "2" / "00005.png").exists()
    run(Job(clip, EXPRESSIONS[:1], out, ("masks",), overwrite=True), segmenter)
    assert not (out / "masks" / "2").exists() and len(files_of(out, "masks/*/*.png")) == 6


def test_nothing_is_made_where_the_input_is_at_fault(make_segmenter: Make, tmp_path: Path) -> None:
    with pytest.raises(VideoError):
        run(Job(str(tmp_path / "none.mp4"), EXPRESSIONS, tmp_path / "out"), make_segmenter())
    assert not (tmp_path / "out").exists()


def test_a_run_of_sampled_frames_names_them_by_their_place_in_the_video(
    make_segmenter: Make, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(Job(str(make_clip(23)), EXPRESSIONS, out, ("overlay", "masks")), make_segmenter(sampling="stride:4"))
    assert [p.name for p in sorted((out / "masks/0").iterdir())] == [f"{i:05d}.png" for i in range(0, 23, 4)]
    assert len(frames_of(out / "overlay.mp4")) == 6


@pytest.mark.parametrize(
    ("only", "told"), [(range(3, 9), []), (range(4, 9), ["up to 3, the last one, got 4:9: none is"])]
)
def test_frames_to_draw_that_the_video_has_not_are_reported(
    only: range,
    told: list[str],
    make_segmenter: Make,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run(Job(str(make_clip(4)), EXPRESSIONS, tmp_path / "out", ("frames",), only), make_segmenter())
    assert [text.partition("frames ")[2].partition(" drawn")[0] for text in caplog.messages] == told
    assert len(list((tmp_path / "out/frames").iterdir())) == 1 - len(told)
