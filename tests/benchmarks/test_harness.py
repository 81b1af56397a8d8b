"""What all benchmarks share: the command line, the header of a result, work by processes; and that each one starts."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import REPOSITORY
from benchmarks.harness.processes import in_processes
from benchmarks.harness.rows import rows_with_earlier
from image_core.errors import RvosError

FILES = sorted((REPOSITORY / "benchmarks").glob("*/*.py"))
COMMANDS = [path for path in FILES if "BENCHMARK.start(main)" in path.read_text()]


def test_a_result_records_its_command_and_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    benchmark = Benchmark(str(REPOSITORY / "benchmarks/speed/many_words.py"), "What it is for.")
    assert benchmark.result == REPOSITORY / "benchmarks/speed/many_words.json"
    monkeypatch.setattr(sys, "argv", ["anything", "--only", "two words"])
    written = benchmark.write(tmp_path / "new" / "out.json", {"seed": 3})
    assert json.loads((tmp_path / "new" / "out.json").read_text()) == written
    assert written["command"] == "python -m benchmarks.speed.many_words --only 'two words'"
    assert list(written) == ["command", "machine", "commit", "seed"] and {"processor", "date"} <= set(
        written["machine"]
    )


def test_common_arguments_exist_where_they_apply() -> None:
    benchmark = Benchmark(str(REPOSITORY / "benchmarks/speed/many_words.py"), None)
    assert vars(benchmark.parser(writes=False).parse_args([])) == {}
    all_of_them = vars(benchmark.parser(seed=3, workers=2).parse_args([]))
    assert all_of_them == {"out": benchmark.result, "seed": 3, "workers": 2}


def test_a_fault_of_the_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise RvosError("frames: expected 1 or more, got 0")

    with pytest.raises(SystemExit) as stopped:
        Benchmark(__file__, None).start(main)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines() == ["tests.benchmarks.test_harness: frames: expected 1 or more, got 0"]


def test_every_job_has_its_result() -> None:
    assert sorted(in_processes(abs, [-3, 1, -2], workers=2)) == [1, 2, 3]


def test_a_benchmark_imports_the_harness_and_its_own_folder() -> None:
    faults = []
    for path in FILES:
        reach = ("benchmarks.harness", f"benchmarks.{path.parent.name}")
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        ours = [node.module for node in nodes if node.module and node.module.startswith("benchmarks")]
        faults += [f"{path.name}: {module}" for module in ours if not module.startswith(reach)]
    assert not faults


def test_every_result_is_beside_its_command_and_names_it() -> None:
    for path in sorted((REPOSITORY / "benchmarks").glob("*/*.json")):
        command = json.loads(path.read_text()).get("command")
        if command is not None:
            assert f"python -m benchmarks.{path.parent.name}." in command, path


def test_the_table_of_questions_names_every_command() -> None:
    table = (REPOSITORY / "benchmarks/README.md").read_text()
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in COMMANDS]
    assert len(names) > 15 and [name for name in names if f"`{name}" not in table] == []


@pytest.mark.parametrize("name", ["gain.video_gain", "speed.model_cost"])
def test_commands_start_from_the_repository_root(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"usage: python -m benchmarks.{name}" in done.stdout, done.stderr


def test_every_mentioned_benchmark_exists() -> None:
    folders = ("benchmarks", "configs", "image_core", "rvos", "tools")
    texts = [p for f in folders for kind in ("py", "yaml", "md") for p in (REPOSITORY / f).rglob(f"*.{kind}")]
    faults = []
    for path in texts:
        for named in re.findall(r"benchmarks(?:\.\w+){2}|benchmarks/[\w/]+\.\w+", path.read_text(encoding="utf-8")):
            place = named if "/" in named else named.replace(".", "/") + ".py"
            faults += [] if (REPOSITORY / place).is_file() else [f"{path}: {named}"]
    assert not faults


def test_rows_of_an_earlier_call_stay(tmp_path: Path) -> None:
    out, settings = tmp_path / "ablations.json", {"steps": 400}
    earlier = [{"core": "a", "seed": 1, "mIoU": 0.1}, {"core": "a", "seed": 0, "mIoU": 0.2}]
    new = [{"core": "a", "seed": 0, "mIoU": 0.3}, {"core": "b", "seed": 0, "mIoU": 0.4}]
    assert rows_with_earlier(new, out, settings, by=("core", "seed")) == new
    out.write_text(json.dumps({**settings, "rows": earlier}))
    assert rows_with_earlier(new, out, settings, by=("core", "seed")) == [earlier[0], *new]
    assert rows_with_earlier(new, out, {"steps": 401}, by=("core", "seed")) == new
