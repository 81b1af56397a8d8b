"""The folder of a run: who may enter, which run it holds, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_core.errors import DamagedError, OutputError
from image_core.folder import (
    WHOLE,
    RunKind,
    Shard,
    check_settings,
    differing_keys,
    digest_of,
    lock_folder,
    prepare_folder,
    refuse_foreign,
    run_folder,
    stored_settings,
    write_settings,
)

KIND = RunKind("rvos test", ignored_keys=frozenset({"device", "log.every"}))
SETTINGS: dict[str, Any] = {"dataset": "mevis", "tracker": {"name": "none", "gate": 0.5}, "device": "cpu"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab.", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
TREES = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


def one_line(error: pytest.ExceptionInfo[OutputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


# ---------------------------------------------------------------------------------------------- who may enter


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        (WHOLE, WHOLE, False),
        (WHOLE, (1, 2), False),
        ((1, 2), WHOLE, False),
        ((1, 2), (1, 2), False),
        ((1, 2), (2, 2), True),
        ((1, 2), (3, 4), False),
        ((1, 2), (1, 12), False),
    ],
)
def test_who_may_run_beside_whom(tmp_path: Path, first: Shard, second: Shard, allowed: bool) -> None:
    with run_folder(tmp_path, KIND, SETTINGS, None, first):
        if allowed:
            with run_folder(tmp_path, KIND, SETTINGS, None, second):
                pass
            return
        with (
            pytest.raises(OutputError, match="is in use by another run") as caught,
            run_folder(tmp_path, KIND, SETTINGS, None, second),
        ):
            pass
        assert "--out" in one_line(caught)
    with run_folder(tmp_path, KIND, SETTINGS, None, second):
        pass


@pytest.mark.parametrize("count", [1, 4])
def test_shards_of_one_run_start_together(tmp_path: Path, count: int) -> None:
    """Also where a whole run was before, whose lock each of them must find free."""
    with run_folder(tmp_path, KIND, SETTINGS):
        pass

    def shard(i: int) -> bool:
        for _ in range(20):
            with run_folder(tmp_path, KIND, SETTINGS, None, (i, count)):
                pass
        return True

    with ThreadPoolExecutor(count) as threads:
        assert list(threads.map(shard, range(1, count + 1))) == [True] * count
    assert stored_settings(tmp_path, KIND) == SETTINGS


_HOLDER = """
import sys, time
from pathlib import Path
from image_core.folder import RunKind, lock_folder
with lock_folder(Path(sys.argv[1]), RunKind("rvos test")):
    print("in", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder: Path, seconds: float) -> subprocess.Popen[bytes]:
    """A process that is in `folder`."""
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, str(folder), str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"in\n"
    return process


def test_a_killed_process_leaves_the_folder_free(tmp_path: Path) -> None:
    with holder(tmp_path, 60) as process:
        try:
            with pytest.raises(OutputError, match="in use"), lock_folder(tmp_path, KIND):
                pass
        finally:
            process.kill()
    with lock_folder(tmp_path, KIND):
        pass


def test_patience_waits_for_a_run_that_is_ending(tmp_path: Path) -> None:
    with holder(tmp_path, 0.3), lock_folder(tmp_path, RunKind("rvos test", lock_timeout_s=30)):
        pass


def test_a_refusal_and_an_error_inside_leave_the_folder_free(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path, KIND, SETTINGS):
        _ = 1 / 0
    with pytest.raises(OutputError, match="another run"), run_folder(tmp_path, KIND, {}):
        pass
    with run_folder(tmp_path, KIND, SETTINGS):
        pass


# ---------------------------------------------------------------------------------------------- which run it holds


def test_the_differences_are_named_by_dotted_key(tmp_path: Path) -> None:
    assert prepare_folder(tmp_path, KIND, SETTINGS) is False and prepare_folder(tmp_path, KIND, SETTINGS) is True
    other = {**SETTINGS, "tracker": {"name": "none", "gate": 0.6}, "split": "val"}
    with pytest.raises(OutputError) as caught:
        prepare_folder(tmp_path, KIND, other)
    assert one_line(caught) == (
        f"{tmp_path} holds another run (different: split, tracker.gate): pass --overwrite, or choose another --out"
    )
    assert stored_settings(tmp_path, KIND) == SETTINGS


def test_free_settings_may_differ_and_the_latest_are_kept(tmp_path: Path) -> None:
    write_settings(tmp_path, KIND, SETTINGS | {"log": {"every": 1}})
    other = SETTINGS | {"device": "cuda", "log": {"every": 2}}
    assert check_settings(tmp_path, KIND, other)
    write_settings(tmp_path, KIND, other)
    assert stored_settings(tmp_path, KIND) == other
    with pytest.raises(OutputError, match=r"different: log.level\)"):
        check_settings(tmp_path, KIND, other | {"log": {"every": 2, "level": 1}})


def test_settings_are_compared_as_json(tmp_path: Path) -> None:
    assert differing_keys({"a": 1, "b": {"c": 1, "d": None}}, {"a": 1.0, "b": {"c": 2}}) == ["b.c", "b.d"]
    write_settings(tmp_path, KIND, {"size": (3, 4)})
    assert check_settings(tmp_path, KIND, {"size": [3, 4]})
    with pytest.raises(ValueError, match="JSON"):
        write_settings(tmp_path, KIND, {"gate": float("nan")})


@given(TREES, TREES)
def test_differences_are_none_for_equals_alone_and_the_same_from_both_sides(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    differing = differing_keys(one, other)
    assert differing == differing_keys(other, one) and (not differing) == (one == other)
    assert differing_keys(one, one) == [] and digest_of(one) == digest_of(dict(reversed(one.items())))


def test_checking_makes_nothing(tmp_path: Path) -> None:
    assert check_settings(tmp_path / "new", KIND, SETTINGS) is False
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------- overwriting, strangers


def test_what_another_run_left_is_gone_before_its_settings_are(tmp_path: Path) -> None:
    old = SETTINGS | {"dataset": "revos"}
    write_settings(tmp_path, KIND, old)
    seen: list[Any] = []
    with run_folder(tmp_path, KIND, SETTINGS, lambda: seen.append(stored_settings(tmp_path, KIND))):
        assert seen == [old] and stored_settings(tmp_path, KIND) == SETTINGS


@pytest.mark.parametrize("content", [b"", b"{\n", b"\xff", b"[1]"])
def test_damaged_settings_are_one_line_and_can_be_overwritten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"settings\.json: .*--overwrite") as caught, run_folder(tmp_path, KIND, {}):
        pass
    one_line(caught)
    with run_folder(tmp_path, KIND, SETTINGS, lambda: None):
        assert stored_settings(tmp_path, KIND) == SETTINGS


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"editor.fontSize": 14}, "holds no run of rvos, but 'settings.json'"),
        ({"kind": "rvos test"}, "holds no run of rvos"),
        ({"kind": "rvos training", "version": 1, "settings": {}}, "expected .*'rvos test', got an 'rvos training'"),
        ({"kind": "rvos test", "version": 2, "settings": {}}, "expected a run of format version 1, got 2"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_of_this_kind_is_never_overwritten(
    tmp_path: Path, document: dict[str, Any], message: str, overwrite: bool
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(document))

    def clear() -> None:
        raise AssertionError("cleared")

    with (
        pytest.raises(OutputError, match=message) as caught,
        run_folder(tmp_path, KIND, SETTINGS, clear if overwrite else None),
    ):
        pass
    one_line(caught)
    assert json.loads(path.read_text()) == document


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    refuse_foreign(tmp_path, KIND, [])
    with pytest.raises(OutputError, match=r"holds no run of rvos, but 'holiday\.jpg'"):
        refuse_foreign(tmp_path, KIND, ["holiday.jpg"])
    (tmp_path / "settings.json").write_text("// of an editor")
    with pytest.raises(OutputError, match=r"holds no run of rvos, but 'settings\.json'"):
        refuse_foreign(tmp_path, KIND, ["settings.json"])
    write_settings(tmp_path, KIND, SETTINGS)
    refuse_foreign(tmp_path, KIND, ["holiday.jpg", "settings.json"])


def test_a_run_kind_names_its_owner() -> None:
    with pytest.raises(ValueError, match=r"expected 'rvos \.\.\.', got 'training'"):
        RunKind("training")
