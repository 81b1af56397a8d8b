"""A run that is corrected: what it leaves, that it goes on as it would have gone, and what is no correction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rvos.run.recording
from image_core.errors import ConfigError, DataError, RvosError
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.export.records import read_frames, to_result
from rvos.parts import tracker_config
from rvos.run.job import Job, run
from rvos.types import FrameResult, expression_targets
from rvos.watch.corrections import corrections_of, read_corrections

EXPRESSIONS = ("the red thing", "the green thing")
SIZE, FRAMES, AT = (48, 80), 9, 5
Clip = Callable[..., Path]
BOX = np.zeros(SIZE, bool)
BOX[28:44, 50:70] = True
"""Where the green box of the clip is; the first expression is told that this is what it means."""


def stop_after(frames: int, model: ImageSegmenter, patch: pytest.MonkeyPatch) -> None:
    shown, encode = [0], model.model.encode_stem

    def interrupted(images: Any) -> Any:
        shown[0] += 1
        if shown[0] > frames:
            raise KeyboardInterrupt
        return encode(images)

    patch.setattr(model.model, "encode_stem", interrupted)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(values: np.ndarray = BOX, name: str = "meant.png") -> Path:
        Image.fromarray(values.astype(np.uint8) * np.uint8(255 if values.dtype == np.bool_ else 1)).save(
            tmp_path / name
        )
        return tmp_path / name

    return write


def watched(folder: Path) -> list[tuple[FrameResult, ...]]:
    logged = read_frames(folder / "frames.jsonl", expression_targets(EXPRESSIONS))
    return [tuple(map(to_result, records)) for records, _ in logged]


def bytes_of(folder: Path) -> dict[str, bytes]:
    kept = ("frames.jsonl", "result.json", "masks/*/*.png", "contact_sheet.png")
    return {str(p.relative_to(folder)): p.read_bytes() for pattern in kept for p in sorted(folder.glob(pattern))}


def test_a_corrected_run_continues_after_an_interruption(
    colour_segmenter: ImageSegmenter,
    make_clip: Clip,
    save: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 3)
    clip, given = str(make_clip(FRAMES)), read_corrections([f"0:{AT}={save()}"], 2)
    saved, segmenter = ("masks", "contact_sheet"), VideoSegmenter(colour_segmenter)
    run(Job(clip, EXPRESSIONS, tmp_path / "plain", saved), segmenter)
    report = run(Job(clip, EXPRESSIONS, tmp_path / "whole", saved, corrections=given), segmenter)
    plain, whole = watched(tmp_path / "plain"), watched(tmp_path / "whole")
    for t, (before, after) in enumerate(zip(plain, whole, strict=True)):
        assert np.array_equal(after[0].mask, BOX if t == AT else before[0].mask) or t > AT
        assert np.array_equal(after[1].mask, before[1].mask) and after[1].presence == before[1].presence
    assert (whole[-1][0].mask & BOX).sum() > 0.8 * BOX.sum() and not (plain[-1][0].mask & BOX).any()
    assert report.result["settings"]["corrections"] == given.document()
    assert [(row["frame_index"], row["expression_index"]) for row in given.document()] == [(AT, 0)]

    parts = Job(clip, EXPRESSIONS, tmp_path / "parts", saved, corrections=given)
    for frames in (4, 4):  # before the correction and after it: the second time from a snapshot of frame 3
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_after(frames, colour_segmenter, patch)
            run(parts, segmenter)
    run(parts, segmenter)
    assert bytes_of(parts.out) == bytes_of(tmp_path / "whole")


def test_from_python_it_is_the_same_and_two_passes_leave_the_frames_before(
    colour_segmenter: ImageSegmenter, frames: np.ndarray
) -> None:
    frames, given, segmenter = frames[:7], {AT: {0: BOX}}, VideoSegmenter(colour_segmenter)
    result = segmenter.segment(frames, EXPRESSIONS, given)
    assert [r.rle for r in result.records] == [r.rle for r in _recorded(segmenter, frames, given)]
    assert np.array_equal(to_result(result.record(AT, 0)).mask, BOX)
    twice = VideoSegmenter(colour_segmenter, tracker=tracker_config("tracks", both_ways=True))
    plain, told = twice.segment(frames, EXPRESSIONS).records, twice.segment(frames, EXPRESSIONS, given).records
    assert plain[: 2 * AT] == told[: 2 * AT] and plain[1::2] == told[1::2] and plain[2 * AT] != told[2 * AT]


def _recorded(segmenter: VideoSegmenter, frames: np.ndarray, given: dict[int, dict[int, np.ndarray]]) -> list[Any]:
    from rvos.export.records import to_record

    return [to_record(r) for _, results in segmenter.stream(frames, EXPRESSIONS, given) for r in results]


@pytest.mark.parametrize(
    ("texts", "expressions", "words"),
    [
        (["{meant}"], 1, "expected FRAME=PNG with a frame from 0.*meant.png'"),
        (["6={meant}"], 2, "expected N:FRAME=PNG with the number of an expression, 0 to 1 as in masks/N, got '6="),
        (["2:6={meant}"], 2, "expected an expression from 0 to 1, got '2:6="),
        (["6={meant}", "0:6={meant}"], 1, "expected one mask for expression 0 on frame 6, got two"),
        (["6={gone}"], 1, "gone.png"),
        (
            ["6={empty}"],
            1,
            "expected a mask of one object, got none: save a grey PNG of 0 and 255, or give 6=absent if",
        ),
        (["6={two}"], 1, "expected a mask of one object, got the ids 3, 7"),
        (["6={meant}", "7={small}"], 1, "corrections: expected one size.* 48 x 80 px.* for frame 6 and 6 x 8 px"),
    ],
)
def test_what_is_no_correction_is_refused(
    texts: list[str], expressions: int, words: str, save: Callable[..., Path], tmp_path: Path
) -> None:
    ids = np.zeros(SIZE, np.uint8)
    ids[2:9, 2:9], ids[20:30, 20:30] = 3, 7
    paths = {
        "meant": save(),
        "gone": tmp_path / "gone.png",
        "empty": save(np.zeros(SIZE, bool), "empty.png"),
        "two": save(ids, "two.png"),
        "small": save(np.ones((6, 8), bool), "small.png"),
    }
    with pytest.raises(RvosError, match=words):
        read_corrections([text.format(**paths) for text in texts], expressions)


def test_absent_is_a_correction_that_runs_record(
    colour_segmenter: ImageSegmenter, make_clip: Clip, save: Callable[..., Path], tmp_path: Path
) -> None:
    given = read_corrections([f"0:{AT}=absent", f"1:{AT + 1}={save()}"], 2)
    assert [row["sha256"] is None for row in given.document()] == [True, False]
    job = Job(str(make_clip(FRAMES)), EXPRESSIONS, tmp_path / "out", ("masks",), corrections=given)
    report = run(job, VideoSegmenter(colour_segmenter))
    assert [first.present for first, _ in watched(job.out)] == [True] * AT + [False] * (FRAMES - AT)
    assert report.result["settings"]["corrections"] == given.document()
    with pytest.raises(DataError, match="position of a frame, from 0, got -1"):
        corrections_of({-1: {0: None}}, 1)
    with pytest.raises(DataError, match="with 0: give None if the target is absent"):
        corrections_of({1: {0: ~BOX & BOX}}, 1)


def test_invalid_corrections_are_refused_before_any_output(
    colour_segmenter: ImageSegmenter, make_clip: Clip, tmp_path: Path
) -> None:
    def job(frame_index: int = AT, mask: np.ndarray = BOX) -> Job:
        given = corrections_of({frame_index: {0: mask}}, 1)
        return Job(str(make_clip(8)), EXPRESSIONS[:1], tmp_path / "out", ("masks",), corrections=given)

    segmenter = VideoSegmenter(colour_segmenter)
    with pytest.raises(DataError, match=r"corrections: expected the video's 48 x 80 px .* got 6 x 8 px"):
        run(job(mask=np.ones((6, 8), bool)), segmenter)
    with pytest.raises(RvosError, match="expected corrections for frames 0 to 7, the last one, got one for frame 8"):
        run(job(8), segmenter)
    with pytest.raises(ConfigError, match="expected a tracker that carries masks"):
        run(job(), VideoSegmenter(colour_segmenter, tracker="none"))
    with pytest.raises(DataError, match="expected an expression from 0 to 0, got 1"):
        corrections_of({0: {1: BOX}}, 1)
    assert not (tmp_path / "out").exists()


def test_on_the_command_line(
    rvos: Callable[..., Any], make_clip: Clip, save: Callable[..., Path], tmp_path: Path
) -> None:
    clip, meant = make_clip(8), save()
    for wrong, got in (
        (("--list", "jobs.csv"), "got --list jobs.csv"),
        ((clip,), "got none"),
        ((clip, "--mask", f"0={meant}"), "got --mask"),
    ):
        said = rvos("segment", *wrong, "--correct", f"3={meant}", "--out", "out")
        assert said.code == 2 and len(said.err) == 1
        assert f"--correct: expected SOURCE and the expressions to correct, {got}" in said.err[0]
    command = ("segment", clip, "the red thing", "--save", "masks", "--out", "out", "--json")
    said = rvos(*command, "--correct", f"3={meant}")
    assert said.code == 0
    (given,) = json.loads(said.out[0])["settings"]["corrections"]
    assert given["frame_index"] == 3
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/masks/0/00003.png")) > 0, BOX)
    again = meant.rename(tmp_path / "elsewhere.png")
    assert rvos(*command, "--correct", f"3={again}").out == said.out  # the same mask, the same run
    other = rvos(*command, "--correct", f"4={again}")
    assert other.code == 2 and "corrections" in other.err[0]
