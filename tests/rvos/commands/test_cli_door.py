"""The door itself: it answers quickly, and usage errors are one line."""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from rvos.reading import PROPAGATORS


def _processor_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"]])
def test_help_takes_half_a_second_and_lists_the_commands(arguments: list[str]) -> None:
    before = _processor_seconds_of_children()
    done = subprocess.run([sys.executable, "-m", "rvos.cli", *arguments], capture_output=True, text=True, check=True)
    # Not wall time: another process may hold the processor.
    assert _processor_seconds_of_children() - before < 0.5
    wanted = (
        ("segment", "demo", "synth", "train", "evaluate", "models", "doctor")
        if len(arguments) == 1
        else ("SOURCE", "--only-frames", *PROPAGATORS)
    )
    assert all(word in done.stdout for word in wanted)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["segmnet"], "segmnet"),
        (["segment", "clip.mp4", "the dog"], "--out"),
        (["segment", "clip.mp4", "the dog", "--out", "d", "--colour", "red"], "--colour"),
        (["segment", "--out", "d"], "expected a SOURCE"),
        (["segment", "clip.mp4", "--list", "jobs.csv", "--out", "d"], "expected SOURCE or --list"),
        (
            ["segment", "c.mp4", "a", "--out", "d", "--only-frames", "3:9"],
            "expected the format frames, which it applies to",
        ),
        (
            ["segment", "c.mp4", "a dog", "--out", "d", "--save", "frames", "--only-frames", "9:3"],
            "--only-frames: expected FIRST:LAST",
        ),
        (["segment", "c.mp4", "a dog", "--out", "d", "--save", " , "], "--save: expected"),
        (["segment", "c.mp4", "a dog", "--out", "d", "--set", "video.stream"], "expected KEY=VALUE"),
        (["segment", "c.mp4", "a dog", "--out", "d", "--set", "video.steam=1"], "did you mean 'stream'"),
        (["segment", "c.mp4", "a dog", "--out", "d", "--set", "video.stream=two"], "'two'"),
        (["segment", "c.mp4", "a dog", "--out", "d", "--set", "sampling=every"], "expected all, stride:K"),
        (["segment", "c.mp4", "a dog", "--out", "d", "--set", "key_frames=adaptive"], "every:K or adaptive:K"),
        (["segment", "c.mp4", "a dog", "--out", "d", "--propagation", "flo"], "did you mean 'flow'"),
        (["demo", "--video", "clip.mp4"], "--text"),
    ],
)
def test_a_usage_error_is_one_line_on_stderr(rvos: Callable[..., Any], arguments: list[str], words: str) -> None:
    outcome = rvos(*arguments)
    assert outcome.code == 2 and outcome.out == [] and len(outcome.err) == 1 and words in outcome.err[0]


def test_an_error_in_the_program_prints_a_traceback(rvos: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rvos.commands.doctor.examine", lambda: {}["missing"])
    outcome = rvos("doctor")
    assert outcome.code == 1 and outcome.err[0].startswith("Traceback") and "KeyError: 'missing'" in outcome.err[-1]


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_logging_is_restored_afterwards(rvos: Callable[..., Any], options: list[str]) -> None:
    loggers = [logging.getLogger(name) for name in ("rvos", "image_core")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    assert rvos("bootstrap", "experiment=nowhere", *options).code == 2
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before


def test_an_interruption_says_how_to_continue(rvos: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rvos.commands.doctor.examine", interrupted)
    outcome = rvos("doctor")
    assert outcome.code == 130 and outcome.err == ["rvos: interrupted; the same command continues"]
