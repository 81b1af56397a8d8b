"""`rvos segment SOURCE --mask FRAME=PNG`: what it leaves, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from image_core.geometry.rle import decode_rle
from image_core.segmenter import ImageSegmenter
from rvos.export.palette import davis_palette
from rvos.run import recording
from rvos.tracking.carrying.object_tracker import ObjectTracker, ObjectTrackerConfig

Rvos = Callable[..., Any]
RED, GREEN = 3, 7


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch, rvos: Rvos) -> None:
    """After the command line's own stand-in: here nothing may load any."""
    monkeypatch.setattr(ImageSegmenter, "load", staticmethod(lambda *_: pytest.fail("the model was loaded")))
    monkeypatch.setattr("image_core.weights.embedded_models", lambda: pytest.fail("models were listed"))


@pytest.fixture
def mask_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes a palette PNG with the true ids of the clip's objects on a frame, named after both."""

    def write(frame_index: int, *objects: int, size: tuple[int, int] = (48, 80)) -> Path:
        ids = np.zeros(size, np.uint8)
        if RED in objects:
            ids[6:22, 2 + frame_index : 18 + frame_index] = RED
        if GREEN in objects:
            ids[28:44, 50:70] = GREEN
        picture = Image.fromarray(ids)
        picture.putpalette(davis_palette().tobytes())
        path = tmp_path / f"mask{frame_index}-{'-'.join(map(str, objects))}.png"
        picture.save(path)
        return path

    return write


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "frames.jsonl").read_bytes().splitlines()]


def test_a_run_from_masks_writes_the_documented_files(
    rvos: Rvos, make_clip: Callable[..., Path], mask_of: Callable[..., Path], tmp_path: Path
) -> None:
    first, later = mask_of(0, RED), mask_of(4, GREEN)
    outcome = rvos(
        *("segment", make_clip(9), "--mask", f"0={first}", "--mask", f"4={later}", "--out", "out", "--json"),
        *("--save", "overlay,contact_sheet,masks,palette,frames"),
    )
    assert (outcome.code, outcome.err) == (0, [])
    document, out = json.loads("\n".join(outcome.out)), tmp_path / "out"
    assert document["objects"] == [RED, GREEN] and document["expressions"] == [] and document["unseen_words"] == []
    assert [(p["frame_index"], p["object_ids"]) for p in document["settings"]["prompts"]] == [(0, [RED]), (4, [GREEN])]
    assert not {"model", "model_sha256", "tracker", "expressions"} & set(document["settings"])
    assert [(o["object_id"], o["frames_present"]) for o in document["summary"]["per_object"]] == [(RED, 9), (GREEN, 5)]
    rows = rows_of(out)
    assert [(row["frame_index"], row["object_id"]) for row in rows] == [(i, o) for i in range(9) for o in (RED, GREEN)]
    assert "expression_index" not in rows[0] and rows[0]["box_xyxy"] == [2, 6, 18, 22]
    assert [row["present"] for row in rows[1::2]] == [False] * 4 + [True] * 5
    assert sorted(p.name for p in (out / "masks").iterdir()) == ["object_3", "object_7"]
    for object_id in (RED, GREEN):
        assert len(list((out / f"masks/object_{object_id}").iterdir())) == 9
    green = cv2.imread(str(out / "masks/object_7/00004.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(green, (np.asarray(Image.open(later)) == GREEN) * np.uint8(255))
    ids = np.asarray(Image.open(out / "palette/00008.png"))
    assert set(np.unique(ids)) == {0, RED, GREEN}
    np.testing.assert_array_equal(ids == RED, decode_rle(rows[-2]["rle"]))
    assert (out / "overlay.mp4").is_file() and len(list((out / "frames").iterdir())) == 9


def test_a_killed_and_continued_run_writes_the_same_bytes(
    rvos: Rvos,
    make_clip: Callable[..., Path],
    mask_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "SNAPSHOT_EVERY", 3)
    masks = [f"--mask=0={mask_of(0, RED)}", f"--mask=4={mask_of(4, GREEN)}", f"--mask=7={mask_of(7, RED)}"]
    command = ("segment", make_clip(12), *masks, "--save", "masks,palette,contact_sheet", "--out")
    assert rvos(*command, "whole").code == 0
    mask = ObjectTracker.mask
    for after in (2, 5, 10):
        child = os.fork()
        if child == 0:

            def kill(self: ObjectTracker, view: Any, guess: Any, last: int = after) -> np.ndarray:
                if view.frame.index > last:
                    os.kill(os.getpid(), signal.SIGKILL)
                return mask(self, view, guess)

            ObjectTracker.mask = kill  # type: ignore[method-assign]
            try:
                rvos(*command, "parts")
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "parts/result.json").exists()
    outcome = rvos(*command, "parts")
    # Snapshots are written behind: on a busy machine the kill may come before the last two.
    assert outcome.code == 0 and outcome.err[0] in [f"parts: continuing from frame {frame}" for frame in (3, 6, 9)]
    patterns = ("frames.jsonl", "result.json", "masks/*/*.png", "palette/*.png", "contact_sheet.png")
    files = [
        {p.relative_to(out): p.read_bytes() for pattern in patterns for p in out.glob(pattern)}
        for out in (tmp_path / "whole", tmp_path / "parts")
    ]
    assert files[0] == files[1] and len(files[0]) == 3 + 12 * 3


def test_the_same_masks_are_a_finished_run_and_others_are_refused(
    rvos: Rvos, make_clip: Callable[..., Path], mask_of: Callable[..., Path], tmp_path: Path
) -> None:
    clip, mask = make_clip(5), mask_of(0, RED)
    first = rvos("segment", clip, "--mask", f"0={mask}", "--out", "out")
    again = mask.rename(tmp_path / "elsewhere.png")
    assert rvos("segment", clip, "--mask", f"0={again}", "--out", "out", "--model", "gone.safetensors") == first
    for other in (f"0={mask_of(1, RED)}", f"1={again}", f"0={mask_of(0, RED, GREEN)}"):
        outcome = rvos("segment", clip, "--mask", other, "--out", "out")
        assert outcome.code == 2 and "another run (different: prompts)" in outcome.err[0], outcome.err
    outcome = rvos(
        "segment", clip, "--mask", f"0={mask_of(0, GREEN)}", "--out", "out", "--save", "masks", "--overwrite"
    )
    assert outcome.code == 0 and [p.name for p in (tmp_path / "out/masks").iterdir()] == ["object_7"]


def test_the_numbers_of_the_object_tracker_are_set_and_are_part_of_the_run(
    rvos: Rvos, make_clip: Callable[..., Path], mask_of: Callable[..., Path], tmp_path: Path
) -> None:
    command = ("segment", make_clip(5), "--mask", f"0={mask_of(0, RED)}", "--out")
    weight = ("--set", "object_tracker.carried_weight=1")
    assert rvos(*command, "plain").code == rvos(*command, "other", *weight).code == 0
    documents = [json.loads((tmp_path / out / "settings.json").read_text())["settings"] for out in ("plain", "other")]
    numbers = [document["object_tracker"]["carried_weight"] for document in documents]
    assert numbers == [ObjectTrackerConfig().carried_weight, 1]
    scores = [[row["score"] for row in rows_of(tmp_path / out)] for out in ("plain", "other")]
    assert scores[0] != scores[1]
    assert_refused(rvos(*command, "plain", *weight), "another run (different: object_tracker.carried_weight)")
    assert_refused(rvos(*command, "new", "--set", "object_tracker.fit_every=0"), "fit_every: expected 1 or more, got 0")
    outcome = rvos("segment", make_clip(5), "the dog", "--out", "new", *weight)
    assert_refused(outcome, "object_tracker.carried_weight: got 1 with expressions")
    assert not (tmp_path / "new").exists()


def assert_refused(outcome: Any, *words: str) -> None:
    assert (outcome.code, outcome.out, len(outcome.err)) == (2, [], 1), outcome
    assert outcome.err[0].startswith("rvos: ") and all(word in outcome.err[0] for word in words), outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clip.mp4", "the dog", "--mask", "0={mask}"], ("got both --mask", "the expression 'the dog'")),
        (["--list", "jobs.csv", "--mask", "0={mask}"], ("got both --mask", "--list jobs.csv")),
        (["--mask", "0={mask}"], ("expected a SOURCE",)),
        (["clip.mp4", "--mask", "{mask}"], ("expected FRAME=PNG",)),
        (["clip.mp4", "--mask", "-1={mask}"], ("got '-1=", "a frame from 0")),
        (["clip.mp4", "--mask", "0=gone.png"], ("gone.png", "no such file")),
        (["clip.mp4", "--mask", "0=clip.mp4"], ("clip.mp4", "not a PNG")),
        (["clip.mp4", "--mask", "0={mask}", "--mask", "0={mask}"], ("expected one mask for frame 0",)),
        (["clip.mp4", "--mask", "0={mask}", "--mask", "1={small}"], ("24 x 80 px", "for frame 1", "one size")),
        (["clip.mp4", "--mask", "0={small}"], ("got 24 x 80 px", "expected the video's 48 x 80 px")),
        (["clip.mp4", "--mask", "0={mask}", "--mask", "9={mask}"], ("frames 0 to 8", "got one for frame 9")),
        (["pictures", "--mask", "3={mask}"], ("frames 0 to 2, the last one, got one for frame 3",)),
        (["gone.mp4", "--mask", "0={mask}"], ("gone.mp4",)),
        (["clip.mp4", "--mask", "0={mask}", "--set", "decode=key"], ("decode: got key with masks",)),
        (["clip.mp4", "--mask", "0={mask}", "--save", "overlya"], ("did you mean 'overlay'",)),
    ],
)  # fmt: skip
def test_invalid_masks_are_refused_before_any_output(
    arguments: list[str],
    words: tuple[str, ...],
    rvos: Rvos,
    make_clip: Callable[..., Path],
    mask_of: Callable[..., Path],
    frames: np.ndarray,
    tmp_path: Path,
) -> None:
    make_clip(9)
    (tmp_path / "pictures").mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"pictures/{index}.png"), frames[index])
    names = {"mask": mask_of(0, RED), "small": mask_of(1, RED, size=(24, 80))}
    assert_refused(rvos("segment", *(a.format(**names) for a in arguments), "--out", "out"), *words)
    assert not (tmp_path / "out").exists()


def test_a_mask_past_an_unknown_end_is_refused_there_and_the_output_is_kept(
    rvos: Rvos, make_clip: Callable[..., Path], mask_of: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    clip, mask = make_clip(6), mask_of(0, RED)
    monkeypatch.setattr("rvos.watch.prompts.MaskPrompts.check_length", lambda *_: None)  # a header that says nothing
    for _ in range(2):
        outcome = rvos("segment", clip, "--mask", f"0={mask}", "--mask", f"6={mask}", "--out", "out", "--save", "masks")
        assert_refused(
            outcome, "frames 0 to 5, the last one, got one for frame 6", "the 6 frames before are kept in out"
        )
        assert len(list((tmp_path / "out/masks/object_3").iterdir())) == len(rows_of(tmp_path / "out")) == 6
    assert not (tmp_path / "out/result.json").exists()


def test_a_mask_for_a_frame_that_sampling_skips_is_refused(
    rvos: Rvos, make_clip: Callable[..., Path], mask_of: Callable[..., Path]
) -> None:
    masks = ("--mask", f"0={mask_of(0, RED)}", "--mask", f"5={mask_of(5, RED)}")
    outcome = rvos("segment", make_clip(12), *masks, "--out", "out", "--set", "sampling=stride:4")
    assert_refused(outcome, "got one for frame 5", "sampling=all", "the 2 frames before are kept in out")


@pytest.mark.shared
def test_a_real_mask_of_another_width_than_its_frames_is_refused(rvos: Rvos, shared_dir: Path, tmp_path: Path) -> None:
    masked = shared_dir / "clips/masked"
    outcome = rvos("segment", masked / "judo_frames", f"--mask=5={masked / 'judo_masks/00005.png'}", "--out", "out")
    assert_refused(outcome, "got 480 x 853 px", "expected the video's 480 x 854 px")
    assert not (tmp_path / "out").exists()
