"""The documentation as a site: the pages and what they link to, the generated ones, built and checked.

python tools/docs_site.py       # into build/site/html; needs the extra `docs`

The site has the folder structure of the repository, so that links between pages stay valid. Files that pages link to
are copied; a link to a folder is an error. The built site is checked: nothing is fetched from outside, and no link is
dead. An error ends with exit code 2.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from site_checks import faults_of

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "site"
SETUP = ROOT / "docs" / "site"
MADE_PAGE = "docs/gallery.md"
GALLERY = ROOT / "build" / "gallery"
NO_GALLERY = """# Gallery

This site was built without the video and the model of the gallery, which are not part of rvos.
`rvos models fetch demo` and `rvos models fetch photo` download them; then `make docs` builds the gallery, too, in some
minutes.
"""
SHOWN_SVG = re.compile(r"!\[[^\]]*\]\((\w+\.svg)\)")
NAMED_AFTER_FILE = re.compile(r"\[((?:[\w/]+/)?\w+\.md)\]\(([\w./]*\1)(?=[)#])")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


class SiteError(Exception):
    """The site cannot be built. The message has one line per error."""


def linked_files(page: Path) -> Iterator[Path]:
    """The files of the repository that a page links to or shows. Raises `SiteError` for one that is not there."""
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:|#", target):
            continue
        found = (page.parent / target.partition("#")[0]).resolve()
        if not found.is_file() or not found.is_relative_to(ROOT):
            raise SiteError(f"{page.relative_to(ROOT)}: expected a link to a file of the repository, got {target}")
        yield found


def pages_in_order() -> list[Path]:
    """The pages of the repository that the navigation names. Raises `SiteError` for one that is not there."""
    ahead: list[Any] = [tomllib.loads((SETUP / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]]
    names: list[str] = []
    while ahead:
        here = ahead.pop(0)
        if isinstance(here, str):
            names.append(here)
        else:
            ahead = [*(here.values() if isinstance(here, dict) else here), *ahead]
    pages = [ROOT / name for name in names if name != MADE_PAGE]
    if absent := [str(page.relative_to(ROOT)) for page in pages if not page.is_file()]:
        raise SiteError(f"docs/site/zensical.toml: expected pages that are there, got {', '.join(absent)}")
    return pages


def wanted_files() -> list[Path]:
    """The pages of the site, and all that they link to, directly or not. Raises `SiteError` for a dead link."""
    ahead = pages_in_order()
    wanted: set[Path] = set()
    while ahead:
        here = ahead.pop()
        if here not in wanted:
            wanted.add(here)
            ahead += linked_files(here) if here.suffix == ".md" else []
    return sorted(wanted)


def stage(folder: Path) -> None:
    """Copy the sources of the site into a folder. Raises `SiteError`."""
    wanted = wanted_files()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SETUP, folder)
    for path in wanted:
        target = folder / "pages" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        if path.suffix == ".md":
            target.write_text(with_titles(path), encoding="utf-8")
    show_svg_in_place(folder / "pages" / "docs" / "architecture.md")
    stage_gallery(folder / "pages" / MADE_PAGE)
    stage_code(folder / "code")


def with_titles(page: Path) -> str:
    """The text of a page. The text of a link that is a file name is replaced by the title of that page."""

    def titled(match: re.Match[str]) -> str:
        title = re.search(r"^# (.+)$", (page.parent / match[2]).read_text(encoding="utf-8"), re.MULTILINE)
        return f"[{title[1] if title else match[1]}]({match[2]}"

    return NAMED_AFTER_FILE.sub(titled, page.read_text(encoding="utf-8"))


def show_svg_in_place(page: Path) -> None:
    """Inline the SVG pictures into a page, so that they react to the pointer and follow the colours of the site."""

    def inlined(match: re.Match[str]) -> str:
        return f"<div>\n{(page.parent / match[1]).read_text(encoding='utf-8')}</div>"

    page.write_text(SHOWN_SVG.sub(inlined, page.read_text(encoding="utf-8")), encoding="utf-8")


def stage_gallery(page: Path) -> None:
    """Copy the gallery, built before or now; if it cannot be built, a page that explains how."""
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "gallery.py")], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        page.write_text(NO_GALLERY, encoding="utf-8")
        return
    shutil.copyfile(GALLERY / "gallery.md", page)
    for picture in GALLERY.glob("*.jpg"):
        shutil.copyfile(picture, page.parent / picture.name)


def stage_code(folder: Path) -> None:
    """Copy the sources for the API reference, with an `__init__.py` in each folder, which its reader needs."""
    for package in ("image_core", "rvos"):
        ignored = shutil.ignore_patterns("*.safetensors", "__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
        for inner in [folder / package, *(path for path in (folder / package).rglob("*") if path.is_dir())]:
            (inner / "__init__.py").touch()


def build(folder: Path) -> None:
    """Build the site from the copied sources. Raises `SiteError`."""
    if not find_spec("zensical") or not find_spec("mkdocstrings_handlers"):
        raise SiteError("the site: expected zensical and mkdocstrings-python, got none: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}  # docs/site/zensical.toml names a file there
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode:
        raise SiteError(f"zensical: expected a site, got exit code {done.returncode}")
    if faults := faults_of(folder / "html"):
        raise SiteError("\n".join(faults))


def main() -> int:
    """Build the site, and print its path."""
    try:
        stage(BUILD)
        build(BUILD)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 2
    html = (BUILD / "html").relative_to(ROOT)
    print(f"{html}/index.html; to search in it, too: python -m http.server -d {html} --bind 127.0.0.1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
