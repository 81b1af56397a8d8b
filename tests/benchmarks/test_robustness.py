"""A standing habit: files changed at random, by seed and for 20 s at most, are read or refused in one line."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.robustness.fuzz import KINDS, run
from benchmarks.robustness.isolation import Isolated
from benchmarks.robustness.mutations import of_bytes, of_json
from tests.benchmarks.actor import actor


def test_mutated_files_are_read_or_refused_in_one_line() -> None:
    figures = run(cases=60, seed=90_000, kinds=KINDS, limit_s=30.0, until_s=12.0)
    for kind in KINDS:
        assert figures[kind]["found"] == [] and figures[kind]["cases"] > 0
        assert figures[kind]["cases"] == figures[kind]["read"] + figures[kind]["refused"]


def test_what_a_call_does_is_seen_from_outside() -> None:
    isolated = Isolated(actor, limit_s=2.0)
    try:
        told = [isolated(what) for what in ("", "refuse", "lines", "fail", "crash", "", "hang", "")]
    finally:
        isolated.close()
    assert told[:2] == ["done", "refused: expected this, got that"]
    assert told[2].startswith("traceback: a message of several lines")
    assert told[3].startswith("traceback: ") and "KeyError" in told[3]
    assert told[4:] == ["crash: SIGSEGV", "done", "hang", "done"]


@pytest.mark.parametrize("change", [of_bytes, of_json])
def test_the_same_seed_makes_the_same_changes(change) -> None:
    whole = b'{"videos": {"a": {"frames": ["00000", "00005"], "expressions": {"0": {"exp": "the dog"}}}}}'
    changed = [change(whole, Random(seed)) for seed in range(30)]
    assert changed == [change(whole, Random(seed)) for seed in range(30)] and len(set(changed)) > 20
    assert sum(each != whole for each in changed) > 25
