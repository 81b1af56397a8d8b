"""`--tracker hub:...` end to end: with words and with masks, from a folder and from the cache of the hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.hub.catalogue import SAM2
from tests.tiny_networks import WRITERS
from tests.tiny_video_networks import VIDEO_WRITERS

Offline = Callable[..., Any]


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


def test_words_are_followed_and_the_weights_recorded(
    make_clip: Callable[..., Path], cache: Path, offline: Offline
) -> None:
    options = ("--model", "s2rm_tiny", "--tracker", "hub:sam2.1", "--device", "cpu", "--set", "key_frames=every:3")
    clip = make_clip(8)
    done = offline("segment", clip, "the red circle", *options, "--save", "masks", "--out", cache / "out")
    assert done.code == 0, done.err
    tracker = json.loads((cache / "out" / "result.json").read_text())["settings"]["tracker"]
    assert tracker["name"] == "hub:sam2.1" and tracker["network"] == {"anchors": 4, "agreement": 0.8}
    expected = {"name": "hub:sam2.1", "revision": SAM2.revision, "licence": "Apache-2.0", "precision": "fp32"}
    assert tracker["weights"].items() >= expected.items()
    assert (cache / "out" / "frames.jsonl").read_bytes().count(b"\n") == 8


def test_sam3_finds_and_follows_with_one_checkpoint(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Offline
) -> None:
    name = f"hub:{VIDEO_WRITERS['sam3_video'](tmp_path / 'sam3')}"
    options = ("--model", name, "--tracker", name, "--device", "cpu", "--set", "key_frames=every:2")
    done = offline("segment", make_clip(4), "the circle", *options, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    settings = json.loads((tmp_path / "out" / "result.json").read_text())["settings"]
    assert settings["model"]["revision"] == settings["tracker"]["weights"]["revision"]
    assert (tmp_path / "out" / "frames.jsonl").read_bytes().count(b"\n") == 4


def test_masks_are_followed_and_the_weights_recorded(
    make_clip: Callable[..., Path], cache: Path, offline: Offline
) -> None:
    clip = make_clip(6)
    mask = mask_of(clip, cache / "mask.png")
    command = ("segment", clip, "--mask", f"1={cache / 'mask.png'}", "--save", "masks", "--device", "cpu", "--quiet")
    done = offline(*command, "--tracker", "hub:sam2.1", "--out", cache / "out")
    assert done.code == 0, done.err
    settings = json.loads((cache / "out" / "result.json").read_text())["settings"]
    assert settings["tracker"]["weights"]["revision"] == SAM2.revision and "model" not in settings
    drawn = cv2.imread(str(cache / "out" / "masks" / "object_1" / "00001.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(drawn, mask)
    other = ("--tracker", "hub:sam2.1", "--set", "tracker.meaning.switch=2", "--set", "object_tracker.fit_every=2")
    refused = offline(*command, *other, "--out", cache / "other")
    assert refused.code == 2 and "tracker.meaning: got" in "\n".join(refused.err), "\n".join(refused.err)
    assert "object_tracker.fit_every: got 2 with masks" in "\n".join(refused.err)


def test_masks_are_drawn_anew_by_a_masker_of_the_hub(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Offline
) -> None:
    clip, masker = make_clip(6), f"hub:{WRITERS['sam2'](tmp_path / 'sam2')}"
    mask_of(clip, tmp_path / "mask.png")
    command = ("segment", clip, "--mask", f"0={tmp_path / 'mask.png'}", "--save", "masks", "--device", "cpu", "--quiet")
    willing = ("--set", "refining.skill=0", "--set", "refining.agreement=0")
    for name, more in {"plain": (), "drawn": ("--set", f"masker={masker}", *willing)}.items():
        done = offline(*command, *more, "--out", tmp_path / name)
        assert done.code == 0, done.err
    settings = json.loads((tmp_path / "drawn" / "result.json").read_text())["settings"]
    assert settings["masker"]["name"] == masker and settings["masker"]["revision"]
    assert settings["refining"] == {"every": 2, "skill": 0.0, "agreement": 0.0}
    plain, drawn = (
        [(tmp_path / name / "masks" / "object_1" / f"{t:05}.png").read_bytes() for t in range(6)]
        for name in ("plain", "drawn")
    )
    assert plain[:2] == drawn[:2] and plain[2] != drawn[2]
    refused = offline(*command, "--set", "refining.every=1", "--out", tmp_path / "other")
    assert refused.code == 2 and "expected a masker that redraws masks, got none" in "\n".join(refused.err)
    refused = offline(*command, "--set", "masker=foto", "--out", tmp_path / "other")
    assert "unknown masker 'foto': did you mean 'photo'?" in "\n".join(refused.err)


def test_a_network_that_is_not_here_is_reported_in_one_line(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Offline
) -> None:
    options = ("--model", "s2rm_tiny", "--tracker", "hub:edgetam", "--out", tmp_path / "out")
    refused = offline("segment", make_clip(2), "the red circle", *options)
    told = refused.err
    assert refused.code == 2 and len(told) == 1, told
    assert "network 'yonigozlan/EdgeTAM-hf': is not downloaded, and the hub cannot be reached" in told[0]
    assert "give a local folder instead" in told[0]


def test_models_and_doctor_list_them(cache: Path, offline: Offline) -> None:
    listed = json.loads(offline("models", "--json").out[0])["trackers"]
    assert {each["name"] for each in listed} == {"sam2.1", "edgetam", "sam3"}
    examined = json.loads(offline("doctor", "--json").out[0])["hub"]
    assert examined[SAM2.name] == "whole" and examined["yonigozlan/EdgeTAM-hf"] == "not here (56 MB at first use)"
