"""The rows of `benchmarks/gain`, what is chosen by them, and what is read from them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.gain import pictures, thresholds, video_gain
from benchmarks.gain.jobs import Finished, code_sha256
from benchmarks.gain.report import report
from benchmarks.gain.systems import ONE_LEVEL, Thresholds
from benchmarks.gain.work import Job
from benchmarks.harness.rows import Rows
from image_core.errors import ConfigError
from rvos.types import OutputError

GENERATOR, MODEL = "a generator", "a model"


def row(system: str, index: int, figure: float | None, **others: Any) -> dict[str, Any]:
    """Of one expression, the video's only one; figure: its J&F, None without a target."""
    return {
        "video": f"val_{index}",
        "index": index,
        "challenge": True,
        "family": "absent" if figure is None else "plain",
        "kind": "stable",
        "expressions": 1,
        "expression": "0",
        "sentence": "it",
        "system": system,
        "J&F": figure,
        "J": figure,
        "F": figure,
        "J&F_all_frames": 0.5 if figure is None else figure,
        "stability": 0.1,
        "targets": 0 if figure is None else 4,
        "targets_found": 0 if figure is None else 3,
        "absences": 4 if figure is None else 0,
        "absences_found": 2 if figure is None else 0,
        "best_frame": figure,
        "cpu_ms": 2.0,
        "image_ms": 20.0,
    } | others


def job(index: int, *systems: str) -> Job:
    return Job("model", "val", 0, index, True, systems, {})


def test_rows_are_read_back_and_a_truncated_line_is_computed_again(tmp_path: Path) -> None:
    with Rows(tmp_path, "rows", {"seed": 0}) as file:
        file.append([row("tracks", 0, 0.5)])
    with file.path.open("a") as out:
        out.write('{"video": "val_1", "ind')
    with Rows(tmp_path, "rows", {"seed": 0}) as again:
        assert again.rows == [row("tracks", 0, 0.5)]
        finished = Finished(again.rows)
        assert finished.missing(job(0, "tracks")) is None
        part = finished.missing(job(0, "tracks", "hysteresis"))
        assert part is not None and part.systems == ("hysteresis",)
        again.append([row("tracks", 1, 0.25)])
    lines = [json.loads(line) for line in again.path.read_text().splitlines()]
    assert lines == [row("tracks", 0, 0.5), row("tracks", 1, 0.25)]
    assert json.loads((again.path.parent / "settings.json").read_text())["settings"] == {"seed": 0}


def test_an_incomplete_job_is_run_again_without_duplicate_rows() -> None:
    first, second = (row("tracks", 0, 0.5, expressions=2, expression=e) for e in "01")
    finished = Finished([first])
    assert finished.missing(job(0, "tracks")) == job(0, "tracks")
    assert finished.new([first, second]) == [second]
    assert finished.missing(job(0, "tracks")) is None


def test_every_source_that_rows_depend_on_exists() -> None:
    assert len(code_sha256()) == 64


def test_rows_made_otherwise_lie_elsewhere_and_two_runs_never_share_a_file(tmp_path: Path) -> None:
    with Rows(tmp_path, "rows", {"seed": 0}) as file, Rows(tmp_path, "rows", {"seed": 1}) as other:
        assert file.path != other.path
        with pytest.raises(OutputError, match="another run"), Rows(tmp_path, "rows", {"seed": 0}):
            pass
    with Rows(tmp_path, "rows", {"seed": 0}) as file:
        assert file.rows == []


def test_the_level_is_chosen_that_hides_most_of_those_that_show_enough() -> None:
    """Two videos: three levels show 95 of 100 targets or more, two of them as little where there is none."""
    grid, count = ONE_LEVEL, len(ONE_LEVEL)
    there = np.array([50] * 3 + [48] * (count - 3))
    away = np.array([10, 8, 8] + [1] * (count - 3))
    values = np.linspace(0.1, 0.9, count)
    figures = {"shown_there": there, "shown_away": away, "J&F_all_frames": values}
    rows = [
        {"system": "tracks", "frames_there": 50, "frames_away": 10, **{k: list(v) for k, v in figures.items()}},
        {"system": "tracks", "frames_there": 50, "frames_away": 10, **{k: list(v) for k, v in figures.items()}},
    ]
    rows[1]["shown_there"] = list(np.where(there == 50, 45, there - 10))
    chosen = thresholds.choose(rows)
    best = {"on": grid[1].on, "off": grid[1].off, "T-acc": 0.95, "N-acc": 0.2}
    assert chosen == {"tracks": best | {"J&F_all_frames": round(values[1], 4), "never_gated": 0.1}}
    assert thresholds.levels_of(rows, "tracks")[:4] == [
        (0.95, grid[0].on), (0.95, grid[1].on), (0.95, grid[2].on), (0.86, grid[3].on),
    ]  # fmt: skip


def test_thresholds_are_those_of_the_model_and_the_generator(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.json"
    made_with = {"generator_sha256": GENERATOR}
    thresholds.write(MODEL, made_with, {"tracks": {"on": 0.4, "off": 0.4}}, file)
    thresholds.write(MODEL, made_with, {"hysteresis": {"on": 0.6, "off": 0.2}}, file)
    found = thresholds.read(MODEL, GENERATOR, ["tracks", "hysteresis", "true_identity"], file)
    assert found["tracks"] == Thresholds(0.4, 0.4) and found["hysteresis"] == Thresholds(0.6, 0.2)
    assert found["true_identity"] == Thresholds(0, 0) and "vote_causal" not in found
    for model, generator, wanted in [(MODEL, "another", "tracks"), ("another", GENERATOR, "tracks")]:
        with pytest.raises(ConfigError, match="got none of tracks"):
            thresholds.read(model, generator, [wanted], file)
    thresholds.write(MODEL, {"generator_sha256": "another"}, {"hysteresis": {"on": 0.5, "off": 0.5}}, file)
    with pytest.raises(ConfigError, match="--tune --systems tracks"):
        thresholds.read(MODEL, "another", ["tracks", "hysteresis"], file)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Two plain videos and an absent one. Frame by frame .4 and .6, memory .7 and .7, best frames .8 and .7."""
    figures: dict[str, tuple[float | None, ...]] = {
        "frame_by_frame": (0.4, 0.6, None),
        "always_shown": (0.4, 0.6, None),
        "tracks": (0.7, 0.7, None),
        "vote_causal": (0.5, 0.5, None),
        "true_identity": (0.8, 1.0, None),
    }
    made = [row(system, i, figure) for system, of_system in figures.items() for i, figure in enumerate(of_system)]
    best = {0: 0.8, 1: 0.7, 2: None}
    return [r | {"best_frame": best[r["index"]]} if r["system"] == "always_shown" else r for r in made]


def test_figures_are_means_over_expressions_and_presence_is_pooled(rows: list[dict[str, Any]]) -> None:
    found = report(rows)
    ours = found["stable"]["causal"]["tracks"]
    assert ours["J&F"] == 0.7 and ours["N-acc"] == 0.5 and ours["T-acc"] == 0.75
    assert ours["expressions"] == 3 and ours["expressions_with_target"] == 2
    assert ours["J&F_all_frames"] == round((0.7 + 0.7 + 0.5) / 3, 4)
    assert ours["families"]["absent"]["J&F"] is None and ours["families"]["absent"]["N-acc"] == 0.5
    assert "tracks" not in found["stable"]["offline"] and list(found["stable"]["oracle"]) == ["true_identity"]
    assert found["cpu_ms_per_frame_and_expression"]["image_model"] == 20


def test_gains_are_paired_and_headroom_is_shared(rows: list[dict[str, Any]]) -> None:
    found = report(rows)
    assert found["gain_over_frame_by_frame"]["tracks"]["mean"] == 0.2
    assert found["gain_over_frame_by_frame"]["tracks"]["families"]["absent"]["mean"] == 0
    low, high = found["gain_over_frame_by_frame"]["tracks"]["interval"]
    assert (low, high) == (0.1, 0.3)
    assert found["tracks_over_baselines"]["vote_causal"]["mean"] == 0.2
    assert {v["family"]: v["not_worse"] for v in found["tracks_family_verdicts"]} == {"absent": True, "plain": True}
    room = found["headroom"]["true_identity"]["all"]
    assert room["headroom"] == 0.4 and room["share_won"] == {"always_shown": 0, "vote_causal": 0, "tracks": 0.5}
    assert found["constant_share_of_error"]["all"] == (0.2 + 0.3) / (0.6 + 0.4)


def test_a_challenge_costs_what_its_twin_has_more() -> None:
    figures = {("frame_by_frame", True): 0.4, ("frame_by_frame", False): 0.8, ("tracks", True): 0.7}
    made = [row(system, 0, figure, challenge=challenge) for (system, challenge), figure in figures.items()]
    made.append(row("tracks", 0, 0.8, challenge=False, video="val_0_calm"))
    found = report(made)["twins"]
    assert list(found) == ["all", "plain"]
    assert found["all"]["systems"]["frame_by_frame"]["drop"]["mean"] == 0.4
    assert found["all"]["systems"]["tracks"]["drop"]["mean"] == 0.1
    assert found["all"]["share_won"] == {"tracks": 0.75}


def test_plots_are_drawn(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    pictures.draw_bars(report(rows), tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes()[:4] == b"\x89PNG"
    frames = np.full((20, 36, 64, 3), 90, np.uint8)
    truth = np.zeros((20, 36, 64), bool)
    truth[:, 8:20, 8:30] = True
    strip = pictures.draw_strip(frames, truth, {"tracks": list(truth)}, "the red one")
    assert strip.shape == (20 + 2 * (20 + 108), 120 + 9 * 192, 3) and strip.dtype == np.uint8
    assert (frames == 90).all(), "drawn on copies"
    assert (strip == pictures.TRUTH_COLOUR).all(2).any() and (strip == pictures.COLOUR).all(2).any()


def test_twins_are_of_challenge_videos_and_the_requested_number() -> None:
    asked = {"model": "m", "split": "val", "seed": 0, "per_family": 1, "twins": True}
    arguments = argparse.Namespace(**asked, systems=["frame_by_frame", "hysteresis", "tracks"])
    jobs = video_gain.jobs_of(arguments, {})
    assert [j.index for j in jobs if j.challenge] == list(range(8))
    calm = [j for j in jobs if not j.challenge]
    assert [j.index for j in calm] == [1, 2, 3, 4, 5, 7], "neither plain nor absent"
    assert {j.systems for j in calm} == {("frame_by_frame", "tracks")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--split", "test", "--tune"], "nothing is chosen by looking at the test split"),
        (["--split", "test", "--strip", "3"], "nothing is chosen by looking at the test split"),
        (["--systems", "nobody"], "invalid choice: 'nobody'"),
        (["--model", "nobody"], "nobody"),
    ],
)
def test_a_fault_of_the_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["video_gain.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        video_gain.BENCHMARK.start(video_gain.main)
    assert stopped.value.code == 2 and said in capsys.readouterr().err.splitlines()[-1]


def test_every_run_of_the_test_split_is_on_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(video_gain, "TEST_RUNS", tmp_path / "test_runs.jsonl")
    monkeypatch.setattr(sys, "argv", ["video_gain.py", "--split", "test"])
    for digest in "ab":
        hashes = {"model_sha256": digest, "generator_sha256": "g", "code_sha256": "c"}
        video_gain.enter_test_run(hashes, video_gain.BENCHMARK.command())
    entries = [json.loads(line) for line in (tmp_path / "test_runs.jsonl").read_text().splitlines()]
    assert [entry["model_sha256"] for entry in entries] == ["a", "b"]
    assert entries[0]["command"] == "python -m benchmarks.gain.video_gain --split test" and entries[0]["date"]
