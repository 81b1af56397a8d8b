"""The pages for people keep what they promise: code that runs, links that lead somewhere, tables that are current."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from rvos.synthetic.demo_clip import RATE, SIZE, draw_frame
from rvos.video.writer import VideoWriter
from tests.tiny_networks import write_clipseg

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE = ("results_tables", "cli_tables", "models_tables", "trackers_tables", "dataset_tables")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FRAMES = 6
FOLDERS = "image_core|rvos|configs|tools|benchmarks|tests"


@dataclass(frozen=True)
class Block:
    """A block of Python on a page. One that begins with `# NAME.py` is the file of that name."""

    page: str
    number: int
    code: str

    @property
    def file(self) -> str | None:
        named = re.match(r"# (\w+\.py)\n", self.code)
        return named[1] if named else None


def blocks_of(page: Path) -> list[Block]:
    codes = [code for language, code in FENCED.findall(page.read_text(encoding="utf-8")) if language == "python"]
    return [Block(page.name, number, code) for number, code in enumerate(codes, 1)]


def prose_of(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    return page.name


ELSEWHERE = ("onnx.md",)
"""Run where their files are made: `tests/image_core/test_onnx_file.py`."""
BLOCKS = [block for page in PAGES if page.name not in ELSEWHERE for block in blocks_of(page)]
MODELS = ("brightest:Brightest", "clipseg:ClipSeg")
"""The models that pages write, as the command line takes them."""
RUN = """
import json, os, sys
import av, cv2, timm, torch, torchvision, transformers  # takes seconds: loaded once, and every program is a fork
codes = {}
for name, code in json.load(sys.stdin).items():
    if not os.fork():
        os.dup2(os.open(f"{name}.err", os.O_WRONLY | os.O_CREAT), 2)
        exec(compile(code, name, "exec"), {"__name__": "__main__"})
        sys.exit()
    codes[name] = os.waitstatus_to_exitcode(os.wait()[1])
with open("codes.json", "w") as file:
    json.dump(codes, file)
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the blocks name: a clip, the files that other blocks are, and a CLIPSeg of random weights
    where the page names the published one."""
    folder = tmp_path_factory.mktemp("desk")
    with VideoWriter(folder / "clip.mp4", SIZE, rate=RATE) as writer:
        for index in range(FRAMES):
            writer.write(draw_frame(index), index / RATE)
    write_clipseg(folder / "CIDAS" / "clipseg-rd64-refined")
    for block in BLOCKS:
        if block.file:
            (folder / block.file).write_text(block.code, encoding="utf-8")
    return folder


def code_of_page(page: str) -> str:
    """The blocks of a page one after the other, as a reader would run them."""
    blocks = [block for block in BLOCKS if block.page == page]
    return "\n".join(f"import {block.file.removesuffix('.py')}" if block.file else block.code for block in blocks)


def code_of_command(model: str) -> str:
    words = ["segment", "clip.mp4", "the bright thing", "--model", model, "--out", f"out of {model}"]
    return f"from rvos.cli import main\nraise SystemExit(main({words}))"


@pytest.fixture(scope="module")
def codes(desk: Path) -> dict[str, int]:
    """The exit codes of the programs of all pages, each run in a process of its own; `NAME.err` is what one said."""
    programs = {page: code_of_page(page) for page in sorted({block.page for block in BLOCKS})}
    programs |= {model: code_of_command(model) for model in MODELS}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", RUN]
    subprocess.run(command, cwd=desk, env=environment, input=json.dumps(programs), text=True, check=True)
    return json.loads((desk / "codes.json").read_text())


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_python_blocks_run(page: str, codes: dict[str, int], desk: Path) -> None:
    assert codes[page] == 0, (desk / f"{page}.err").read_text()


@pytest.mark.parametrize("model", MODELS)
def test_the_models_of_the_pages_work_on_the_command_line(model: str, codes: dict[str, int], desk: Path) -> None:
    assert codes[model] == 0, (desk / f"{model}.err").read_text()
    lines = (desk / f"out of {model}" / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == FRAMES


def test_a_model_of_the_pages_fits_on_a_page() -> None:
    assert all(len(block.code.splitlines()) <= 60 for block in BLOCKS)
    assert next(block.file for block in BLOCKS if block.page == "README.md") == "brightest.py"


def test_the_readme_is_short_and_says_first_what_the_models_have_not_seen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 500
    assert (
        text.index("never trained on expressions") < text.index("never seen a photograph") < text.index("rvos segment")
    )


def links_of(page: Path) -> Iterator[tuple[str, str]]:
    """(file, heading) of every relative link."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if not re.match(r"\w+:", target):
            file, _, heading = target.partition("#")
            yield file, heading


def headings_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for file, heading in links_of(page):
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (heading and heading not in headings_of(target)):
            broken.append(f"{file}#{heading}")
    assert not broken


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*\w)`", prose_of(page))
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("tool", MADE)
def test_tables_are_what_their_command_writes(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tables: ModuleType = importlib.import_module(tool)
    marked: ModuleType = importlib.import_module("marked_tables")
    for page, of_page in tables.PAGES.items():
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert marked.rendered(text, of_page) == text, f"{page}: run: python tools/{tool}.py"
