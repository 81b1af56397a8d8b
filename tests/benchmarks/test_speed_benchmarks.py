"""What the speed and memory benchmarks measure with: whose turn a time is, losses, slopes, and processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.clips import demo_frames
from benchmarks.speed import many_expressions, memory_flat, propagation_speed, stage_clock
from benchmarks.speed.stage_clock import StageClock
from image_core.segmenter import ImageSegmenter


def test_a_clock_separates_systems_and_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 100, 1))  # every look at the clock is a second later
    monkeypatch.setattr(stage_clock.time, "process_time", lambda: next(now))
    clock = StageClock()
    decode = clock.timed("decode", lambda: "decoded")
    for turn, decodes in (("one", 1), ("two", 2)):
        clock.turn = turn
        assert clock.timed("whole", lambda n=decodes: [decode() for _ in range(n)])() == ["decoded"] * decodes
    assert clock.ms_a_frame("one")["decode"] == 1000 and clock.ms_a_frame("one")["whole"] == 3000
    assert clock.ms_a_frame("two")["decode"] == 2000 and clock.ms_a_frame("two")["rest"] == 3000
    clock.clear()
    assert not clock.seconds and not clock.calls


def test_arms_share_a_network_and_each_pays_for_its_own_frames(colour_segmenter: ImageSegmenter) -> None:
    speed = propagation_speed
    clock = StageClock()
    segmenters = {name: speed.ARMS[name].around(colour_segmenter) for name in speed.LARGE_ARMS}
    clock.watch(segmenters.values())
    results = speed.take_turns(segmenters, demo_frames(6, speed.CLIP_SIZE), ["the red thing"], clock, warm_up=2)
    assert {name: len(of_system) for name, of_system in results.items()} == dict.fromkeys(speed.LARGE_ARMS, 6)
    counted = {name: tuple(clock.calls[name, s] for s in ("whole", "stem", "encoder", "decode")) for name in segmenters}
    assert counted == {
        "every frame": (4, 4, 4, 4),
        "flow every:4": (4, 1, 1, 4),  # of frames 2 to 5 one is a key frame
        "affinity every:4": (4, 4, 1, 4),
        "tracker alone every:4": (4, 1, 1, 1),
    }
    assert speed.speed(clock, "flow every:4")["encoded_share"] == 0.25


def test_losses_are_paired_and_over_targets_alone() -> None:
    values = {"every frame": (0.8, 0.4, None), "flow every:4": (0.7, 0.4, None)}
    rows = [
        {"arm": arm, "video": video, "family": "plain", "J&F": x, "J": x, "F": x}
        for arm, figures in values.items()
        for video, x in enumerate(figures)
    ]
    found = propagation_speed.quality(rows, "flow every:4")
    assert (found["J&F"], found["J&F_lost"], found["expressions"]) == (0.55, 0.05, 2)
    assert found["J&F_lost_interval"] == [0.0, 0.1]
    assert propagation_speed.quality(rows, "every frame")["J&F_lost"] == 0.0


def test_many_expressions_share_the_frame(colour_segmenter: ImageSegmenter) -> None:
    table = many_expressions.measure(colour_segmenter, 2, (1, 5))
    assert {count: row["encoded_a_frame"] for count, row in table.items()} == {"1": 1.0, "5": 1.0}
    assert table["1"]["times_one"] == 1.0
    assert len(set(many_expressions.EXPRESSIONS)) == max(many_expressions.COUNTS)


def test_a_slope_is_that_of_the_later_frames() -> None:
    samples = [(frame, 900.0 if frame < 20 else 500 + 0.25 * frame) for frame in range(100)]
    assert memory_flat.slope(samples, 20) == pytest.approx(0.25)
    assert memory_flat.thinned(samples, 3) == [(0, 900.0), (50, 512.5), (99, 524.75)]
    with pytest.raises(ValueError, match="got 2"):
        memory_flat.slope(samples, 98)


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is read from /proc")
def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    holds = "import time; held = bytearray(64 << 20); open({ready!r}, 'w').write('1\\n'); time.sleep(1.5)"
    child = holds.format(ready=str(tmp_path / "log"))
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    samples = memory_flat.memory_samples([sys.executable, "-c", parent], tmp_path / "log", every_s=0.05)
    assert max(memory for _, memory in samples) > 64 and {frames for frames, _ in samples} == {1}
    with pytest.raises(SystemExit, match="exit code 3"):
        memory_flat.memory_samples([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log", every_s=0.05)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert memory_flat.resident_mb(gone.pid) == 0.0
