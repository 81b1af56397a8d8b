"""Settings, and whether they and the parts agree: what is wrong is said all at once, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rvos.agreement import agreed_parts, check_mask_settings
from rvos.faults import Faults
from rvos.settings import KEYS, StreamSettings, parse_settings

from image_core.errors import ConfigError, RvosError, UnknownNameError
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.reading import PROPAGATORS, NoPropagation
from rvos.run.job import Job, run
from rvos.system import System
from rvos.tracking import TRACKERS, NoTracker


class Between(NoPropagation):
    """Says that it serves frames between key frames."""

    between_key_frames = True


class Alone(NoTracker):
    """Says that it serves frames that were not decoded."""

    between_decodes = True


@pytest.fixture(autouse=True)
def _more_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROPAGATORS, "between", Between)
    monkeypatch.setitem(TRACKERS, "alone", Alone)


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        ([], {}),
        (["video.stream=2", "video.backend=decord"], {"video_stream": 2, "video_backend": "decord"}),
        (["sampling=stride:5", "decode = key"], {"sampling": "stride:5", "decode": "key"}),
    ],
)
def test_settings_are_read(pairs: list[str], wanted: dict[str, Any]) -> None:
    assert parse_settings(pairs) == StreamSettings(**wanted)


@pytest.mark.parametrize(
    ("pairs", "kind", "parts"),
    [
        (["video.stream"], ConfigError, ["wanted key=value"]),
        (["key_farmes=all"], UnknownNameError, ["did you mean 'key_frames'"]),
        (["decode=kye"], UnknownNameError, ["unknown decode 'kye': did you mean 'key'"]),
        (
            ["video.steam=1", "video.prefetch=two", "sampling=some", "key_frames=few", "video.stream=-2", "x"],
            ConfigError,
            ["did you mean 'video.stream'", "prefetch: came 'two'", "came 'x'", "stream: came -2", "'some'", "'few'"],
        ),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_named_all_at_once(
    pairs: list[str], kind: type[RvosError], parts: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        parse_settings(pairs)
    assert all(part in str(caught.value) for part in parts)
    assert "\n" not in str(caught.value) and len(str(caught.value).split("; ")) >= len(parts)


def test_one_fault_is_itself_and_a_fault_is_said_once() -> None:
    faults = Faults()
    faults.raise_all()
    with faults.gathered():
        raise UnknownNameError("tracker", "x", ["none"])
    with pytest.raises(UnknownNameError):
        faults.raise_all()
    faults.add("two")
    faults.add("two")
    with pytest.raises(ConfigError, match=r"known are none; two$"):
        faults.raise_all()
    with pytest.raises(ZeroDivisionError), faults.gathered():
        _ = 1 / 0


@pytest.mark.parametrize(
    ("propagation", "tracker", "settings", "parts"),
    [
        ("none", "none", {}, []),
        ("between", "alone", {}, []),
        ("between", "none", {"key_frames": "every:4"}, []),
        ("none", "alone", {"key_frames": "every:4", "decode": "key"}, []),
        ("none", "none", {"decode": "key"}, []),
        ("none", "none", {"key_frames": "every:4"}, ["key_frames: came every:4, but propagation 'none'"]),
        (
            "between",
            "alone",
            {"key_frames": "every:4", "decode": "key"},
            ["decode: came key with propagation 'between'"],
        ),
        ("none", "none", {"key_frames": "every:4", "decode": "key"}, ["decode: came key, but tracker 'none'"]),
        ("nonne", "nome", {}, ["unknown propagation 'nonne'", "unknown tracker 'nome'"]),
        (
            "between",
            "none",
            {"key_frames": "every:4", "decode": "key"},
            ["propagation 'between'", "but tracker 'none'"],
        ),
    ],
)
def test_parts_and_settings_agree_or_all_contradictions_are_named(
    propagation: str, tracker: str, settings: dict[str, Any], parts: list[str]
) -> None:
    if not parts:
        found = agreed_parts(propagation, tracker, StreamSettings(**settings))
        assert found == (PROPAGATORS[propagation], TRACKERS[tracker])
        return
    with pytest.raises(RvosError) as caught:
        agreed_parts(propagation, tracker, StreamSettings(**settings))
    said = str(caught.value).split("; ")
    assert all(part in str(caught.value) for part in parts) and len(said) >= len(parts)


def test_masks_need_no_settings_of_words() -> None:
    check_mask_settings(StreamSettings(sampling="stride:2", video_stream=1))
    with pytest.raises(ConfigError, match=r"key_frames: came every:2 with masks.*; decode: came key with masks"):
        check_mask_settings(StreamSettings(key_frames="every:2", decode="key"))


def test_contradictions_wait_for_neither_video_nor_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ImageSegmenter, "load", lambda *_: pytest.fail("the model was loaded"))
    monkeypatch.setattr("rvos.run.job.open_source", lambda *_: pytest.fail("the video was opened"))
    system = System(tracker="nome", propagation="nonne")
    with pytest.raises(ConfigError, match=r"unknown propagation 'nonne'.*; unknown tracker 'nome'"):
        run(Job("camera:0", ("the dog",), tmp_path / "out"), system)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="key_frames: came every:3"):
        VideoSegmenter(settings=StreamSettings(key_frames="every:3"))


def test_the_help_names_every_setting(rvos: Callable[..., Any]) -> None:
    said = "".join("".join(line.split()) for line in rvos("segment", "--help").out)
    assert all(f"{key}=" in said for key in KEYS) and len(KEYS) == 8
