"""The site: every page has its place, what is promised is in the reference, and what is dead or outside is found."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import rvos

ROOT = Path(__file__).resolve().parents[1]
HEAD = """<meta http-equiv="Content-Security-Policy" content="default-src 'self'">"""
SOUND = f"""<html>{HEAD}<link rel="stylesheet" href="a.css"><a href="https://example.org/">out</a>
<h1 id="top">A</h1><a href="#top">up</a><a href="b/c.html#there">c</a><img src="data:image/png;base64,AA"></html>"""
FAULTS = {
    "a font": ('<link rel="stylesheet" href="https://fonts.example.org/a.css">', "fetches https://fonts"),
    "a script": ('<script src="//cdn.example.org/x.js"></script>', "fetches //cdn"),
    "a picture": ('<img srcset="a.css 1x, https://example.org/b.png 2x">', "fetches https://example.org/b.png"),
    "a style": ("<style>body { background: url('http://example.org/c.png') }</style>", "fetches http://example.org"),
    "a dead link": ('<a href="b/nothing.html">', "dead link b/nothing.html"),
    "a dead heading": ('<a href="b/c.html#nowhere">', "dead link b/c.html#nowhere"),
    "a folder": ('<a href="b">', "dead link b"),
    "a diagram that a script goes and gets": ('<pre class="mermaid">', "asked by"),
}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site in which nothing is wrong."""
    (tmp_path / "b").mkdir()
    (tmp_path / "a.html").write_text(SOUND, encoding="utf-8")
    (tmp_path / "b" / "c.html").write_text(f'<html>{HEAD}<p id="there"></html>', encoding="utf-8")
    (tmp_path / "a.css").write_text("p { background: url(data:image/png;base64,AA) }", encoding="utf-8")
    script = 'const ns = "http://www.w3.org/2000/svg", late = "https://unpkg.com/mermaid@12/dist/mermaid.min.js"'
    (tmp_path / "a.js").write_text(script, encoding="utf-8")
    return tmp_path


def test_a_sound_site_has_no_fault(tool, site: Path) -> None:
    assert tool("site_checks").faults_of(site) == []


@pytest.mark.parametrize("what", FAULTS)
def test_an_error_of_a_page_is_reported(tool, site: Path, what: str) -> None:
    markup, told = FAULTS[what]
    (site / "a.html").write_text(SOUND.replace("</html>", f"{markup}</html>"), encoding="utf-8")
    faults = tool("site_checks").faults_of(site)
    assert len(faults) == 1 and told in faults[0]


def test_faults_of_styles_scripts_and_policies_are_reported(tool, site: Path) -> None:
    (site / "a.css").write_text('@import "https://example.org/x.css";', encoding="utf-8")
    (site / "a.js").write_text('fetch("https://example.org/data.json")', encoding="utf-8")
    (site / "b" / "c.html").write_text('<p id="there">', encoding="utf-8")
    faults = tool("site_checks").faults_of(site)
    assert len(faults) == 3
    assert all(any(name in fault for fault in faults) for name in ("a.css", "a.js", "c.html"))


def test_every_page_has_a_place_in_the_navigation(tool) -> None:
    pages = tool("docs_site").pages_in_order()
    assert len(pages) == len(set(pages))
    assert sorted((ROOT / "docs").glob("*.md")) == sorted(page for page in pages if page.parent.name == "docs")


def test_linked_files_are_copied(tool) -> None:
    wanted = tool("docs_site").wanted_files()
    assert ROOT / "README.md" in wanted and ROOT / "docs" / "demo.jpg" in wanted
    assert any(path.suffix == ".json" and path.is_relative_to(ROOT / "benchmarks") for path in wanted)


def test_the_reference_names_what_is_there_and_all_that_the_package_shows() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = [line.removeprefix("::: ") for line in text.splitlines() if line.startswith("::: ")]
    assert len(named) == len(set(named))
    assert {f"rvos.{name}" for name in rvos.__all__} - {"rvos.__version__"} <= set(named)
    for name in named:
        module, _, item = name.rpartition(".")
        path = ROOT / (module.replace(".", "/") + ".py")
        if path.is_file():  # the names of `rvos` itself are those of `__all__`
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert item in {getattr(node, "name", None) for node in tree.body}, name
        else:
            assert module == "rvos" and item in rvos.__all__, name


def test_comments_of_fields_are_read_behind_and_above(tool) -> None:
    lines = [
        "class A:",
        "    #: Above,",
        "    #: two lines.",
        "    a: int = 1",
        "    b: int = 2  #: Behind.",
        "    c: int = 3",
    ]
    fields = ast.parse("\n".join(lines)).body[0].body  # type: ignore[attr-defined]
    told = [tool("marked_comments").marked_comment(lines, field) for field in fields]
    assert told == ["Above, two lines.", "Behind.", ""]


def test_the_pictures_of_the_architecture_are_current(tool) -> None:
    pictures = tool("architecture_pictures")
    for package, path in pictures.DIAGRAMS.items():
        same = path.read_text(encoding="utf-8") == pictures.diagram(package)
        assert same, "run: python tools/architecture_pictures.py"


def test_lines_that_follow_from_others_are_left_out(tool) -> None:
    edges = {"roof": {"wall", "floor"}, "wall": {"floor"}, "floor": set()}
    assert tool("architecture_pictures").reduced(edges) == {"roof": {"wall"}, "wall": {"floor"}, "floor": set()}


def test_links_called_after_files_are_called_after_pages(tool, tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# A title\n\ntext", encoding="utf-8")
    page = tmp_path / "a.md"
    page.write_text("See [b.md](b.md#x), [b.md](b.md) and [text](b.md).", encoding="utf-8")
    assert tool("docs_site").with_titles(page) == "See [A title](b.md#x), [A title](b.md) and [text](b.md)."


def test_scenes_of_the_gallery_have_captions_and_areas(tool) -> None:
    scenes = tool("gallery").read_scenes()
    assert len({scene.name for scene in scenes}) == len(scenes) > 4
    assert all(scene.caption.strip() and np.any(scene.areas) for scene in scenes)
    assert not tool("gallery").has_changed(scenes[0], scenes[0].areas)
    assert tool("gallery").has_changed(scenes[0], [[2 * area + 9 for area in row] for row in scenes[0].areas])
