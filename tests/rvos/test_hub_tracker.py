"""`--tracker hub:...` end to end: with words and with masks, from a folder and from the cache of the hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from image_core.hub.catalogue import SAM2
from tests.tiny_networks import WRITERS
from tests.tiny_video_networks import VIDEO_WRITERS

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """`rvos ARGUMENTS` in a process of its own that has no network and its own cache of the hub."""
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "rvos.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, check=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A machine that was online, with a network of random weights in the place of SAM 2.1."""
    folder = tmp_path / "hub" / f"models--{SAM2.name.replace('/', '--')}" / "snapshots" / SAM2.revision
    shutil.copytree(VIDEO_WRITERS["sam2_video"](tmp_path / "written"), folder)
    return tmp_path


def mask_of(clip: Path, path: Path) -> np.ndarray:
    """A mask for a clip's frames, written to `path`."""
    capture = cv2.VideoCapture(str(clip))
    size = [int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)]
    mask = np.zeros(size, np.uint8)
    mask[4:20, 4:20] = 255
    cv2.imwrite(str(path), mask)
    return mask


def test_words_are_followed_and_the_weights_recorded(make_clip: Callable[..., Path], cache: Path) -> None:
    options = ("--model", "s2rm_tiny", "--tracker", "hub:sam2.1", "--device", "cpu", "--set", "key_frames=every:3")
    clip = make_clip(8)
    done = run("segment", clip, "the red circle", *options, "--save", "masks", "--out", cache / "out", home=cache)
    assert done.returncode == 0, done.stderr
    tracker = json.loads((cache / "out" / "result.json").read_text())["settings"]["tracker"]
    assert tracker["name"] == "hub:sam2.1" and tracker["network"] == {"anchors": 4, "agreement": 0.8}
    expected = {"name": "hub:sam2.1", "revision": SAM2.revision, "licence": "Apache-2.0", "precision": "fp32"}
    assert tracker["weights"].items() >= expected.items()
    assert (cache / "out" / "frames.jsonl").read_bytes().count(b"\n") == 8


def test_sam3_finds_and_follows_with_one_checkpoint(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    name = f"hub:{VIDEO_WRITERS['sam3_video'](tmp_path / 'sam3')}"
    options = ("--model", name, "--tracker", name, "--device", "cpu", "--set", "key_frames=every:2")
    done = run("segment", make_clip(4), "the circle", *options, "--out", tmp_path / "out", home=tmp_path)
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "out" / "result.json").read_text())["settings"]
    assert settings["model"]["revision"] == settings["tracker"]["weights"]["revision"]
    assert (tmp_path / "out" / "frames.jsonl").read_bytes().count(b"\n") == 4


def test_masks_are_followed_and_the_weights_recorded(make_clip: Callable[..., Path], cache: Path) -> None:
    clip = make_clip(6)
    mask = mask_of(clip, cache / "mask.png")
    command = ("segment", clip, "--mask", f"1={cache / 'mask.png'}", "--save", "masks", "--device", "cpu", "--quiet")
    done = run(*command, "--tracker", "hub:sam2.1", "--out", cache / "out", home=cache)
    assert done.returncode == 0, done.stderr
    settings = json.loads((cache / "out" / "result.json").read_text())["settings"]
    assert settings["tracker"]["weights"]["revision"] == SAM2.revision and "model" not in settings
    drawn = cv2.imread(str(cache / "out" / "masks" / "object_1" / "00001.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(drawn, mask)
    other = ("--tracker", "hub:sam2.1", "--set", "tracker.meaning.switch=2", "--set", "object_tracker.fit_every=2")
    refused = run(*command, *other, "--out", cache / "other", home=cache)
    assert refused.returncode == 2 and "tracker.meaning: got" in refused.stderr, refused.stderr
    assert "object_tracker.fit_every: got 2 with masks" in refused.stderr


def test_masks_are_drawn_anew_by_a_masker_of_the_hub(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    clip, masker = make_clip(6), f"hub:{WRITERS['sam2'](tmp_path / 'sam2')}"
    mask_of(clip, tmp_path / "mask.png")
    command = ("segment", clip, "--mask", f"0={tmp_path / 'mask.png'}", "--save", "masks", "--device", "cpu", "--quiet")
    willing = ("--set", "refining.skill=0", "--set", "refining.agreement=0")
    for name, more in {"plain": (), "drawn": ("--set", f"masker={masker}", *willing)}.items():
        done = run(*command, *more, "--out", tmp_path / name, home=tmp_path)
        assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "drawn" / "result.json").read_text())["settings"]
    assert settings["masker"]["name"] == masker and settings["masker"]["revision"]
    assert settings["refining"] == {"every": 2, "skill": 0.0, "agreement": 0.0}
    plain, drawn = (
        [(tmp_path / name / "masks" / "object_1" / f"{t:05}.png").read_bytes() for t in range(6)]
        for name in ("plain", "drawn")
    )
    assert plain[:2] == drawn[:2] and plain[2] != drawn[2]
    refused = run(*command, "--set", "refining.every=1", "--out", tmp_path / "other", home=tmp_path)
    assert refused.returncode == 2 and "expected a masker that draws masks anew, got none" in refused.stderr
    refused = run(*command, "--set", "masker=foto", "--out", tmp_path / "other", home=tmp_path)
    assert "unknown masker 'foto': did you mean 'photo'?" in refused.stderr


def test_a_network_that_is_not_here_is_told_in_one_line(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    options = ("--model", "s2rm_tiny", "--tracker", "hub:edgetam", "--out", tmp_path / "out")
    refused = run("segment", make_clip(2), "the red circle", *options, home=tmp_path)
    told = refused.stderr.splitlines()
    assert refused.returncode == 2 and len(told) == 1, told
    assert "network 'yonigozlan/EdgeTAM-hf': is not on this machine, and the hub cannot be reached" in told[0]
    assert "name a folder in its place" in told[0]


def test_models_and_doctor_tell_of_them(cache: Path) -> None:
    listed = json.loads(run("models", "--json", home=cache).stdout)["trackers"]
    assert {each["name"] for each in listed} == {"sam2.1", "edgetam", "sam3"}
    examined = json.loads(run("doctor", "--json", home=cache).stdout)["hub"]
    assert examined[SAM2.name] == "whole" and examined["yonigozlan/EdgeTAM-hf"] == "not here (56 MB at first use)"
