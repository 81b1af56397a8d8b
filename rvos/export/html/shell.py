"""The frame of every report: one HTML file with its styles and scripts, which opens offline."""

from __future__ import annotations

from pathlib import Path

from image_core.files import write_atomic
from rvos.export.html.markup import Html, h

# With this policy the browser loads nothing from other hosts.
_CONTENT_SECURITY_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(title: str, main: Html, *, styles: tuple[str, ...], scripts: tuple[str, ...]) -> Html:
    """A page without the doctype. styles, scripts: names of files in the folder of this module."""
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=_CONTENT_SECURITY_POLICY),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("title", title),
        *(h("style", _read(name)) for name in styles),
    )
    return h("html", head, h("body", main, *(h("script", _read(name)) for name in scripts)), lang="en")


def write_page(path: Path, content: Html) -> None:
    """Write a page atomically. Raises `OutputError`."""
    write_atomic(path, ("<!doctype html>\n" + content + "\n").encode("utf-8", "backslashreplace"))


def _read(name: str) -> Html:
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8"))
