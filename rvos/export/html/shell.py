"""What every page of ours begins and ends with: one file that opens offline, its styles and scripts inside."""

from __future__ import annotations

from pathlib import Path

from image_core.files import write_atomic
from rvos.export.html.markup import Html, h

# The browser itself then refuses whatever would come from elsewhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(title: str, main: Html, *, styles: tuple[str, ...], scripts: tuple[str, ...]) -> Html:
    """A page without the line that says it is HTML. styles, scripts: names of files beside this one."""
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("title", title),
        *(h("style", _own_file(name)) for name in styles),
    )
    return h("html", head, h("body", main, *(h("script", _own_file(name)) for name in scripts)), lang="en")


def write_page(path: Path, whole: Html) -> None:
    """Write a page in one step. Raises `OutputError`."""
    write_atomic(path, ("<!doctype html>\n" + whole + "\n").encode("utf-8", "backslashreplace"))


def _own_file(name: str) -> Html:
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8"))
