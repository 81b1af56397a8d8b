"""Checks of the built site: no link is dead, and no page fetches anything from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest"}
"""Values of `rel` of <link> elements that a browser fetches."""
FETCHED = {"src", "srcset", "poster", "data", "background"}
"""Attributes whose addresses a browser fetches."""
IN_STYLE = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
ADDRESS = re.compile(r"""(?:https?:|(?<=["'`]))//[^\s"'`)<>\\]+""")
NEVER_FETCHED = ("http://www.w3.org/", "https://www.w3.org/")
"""Addresses that are XML namespaces."""
ON_DEMAND = {
    # Addresses in the generator's script, and the elements of a page that make it fetch them.
    "unpkg.com/mermaid": 'class="mermaid"',
    "unpkg.com/glightbox": "glightbox",
    "unpkg.com/ace-builds": "pyodide",
    "unpkg.com/pyodide": "pyodide",
    "cdn.jsdelivr.net/pyodide": "pyodide",
    "unpkg.com/resize-observer-polyfill": "",  # for browsers before 2020; forbidden by the pages' policy
    "api.github.com/": 'data-md-component="source"',
    "${e}/api/v4/projects": 'data-md-component="source"',
}


@dataclass
class Page:
    """The links of a page of the site."""

    #: Targets that links may have.
    anchors: set[str] = field(default_factory=set)
    #: Targets of <a href>.
    links: list[str] = field(default_factory=list)
    #: Addresses that a browser fetches.
    fetched: list[str] = field(default_factory=list)
    #: The content security policy of the page, "" without one.
    policy: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._within = tag
        self.page.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "meta" and given.get("http-equiv") == "Content-Security-Policy":
            self.page.policy = given.get("content", "")
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag == "link" and FETCHED_LINKS & set(given.get("rel", "").split()):
            self.page.fetched.append(given["href"])
        for name in FETCHED & set(given):
            parts = given[name].split(",") if name == "srcset" else [given[name]]
            self.page.fetched += [part.split()[0] for part in parts if part.split()]
        self.page.fetched += in_style(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.page.fetched += in_style(data)

    def handle_endtag(self, tag: str) -> None:
        self._within = ""


def in_style(text: str) -> list[str]:
    """Addresses that a style sheet fetches: `url(...)` and `@import`."""
    return [first or second for first, second in IN_STYLE.findall(text)]


def read_page(text: str) -> Page:
    """The links of an HTML page."""
    reader = _Reader()
    reader.feed(text)
    return reader.page


def is_outside(target: str) -> bool:
    """Whether a browser would fetch it from another machine."""
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "blob", "mailto")


def faults_of(site: Path) -> list[str]:
    """The errors of a built site, one line each."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}
    found = (_of_pages(site, texts), _of_styles(site), _of_scripts(site, texts))
    return [fault for kind in found for fault in kind] if texts else [f"{site}: expected pages, got none"]


def _of_pages(site: Path, texts: dict[Path, str]) -> Iterator[str]:
    pages = {path: read_page(text) for path, text in texts.items()}
    for path, page in pages.items():
        name = path.relative_to(site)
        yield from (f"{name}: fetches {target} from outside" for target in page.fetched if is_outside(target))
        if "default-src 'self'" not in page.policy:
            yield f"{name}: has no policy that forbids to fetch from outside"
        if name.name != "404.html":  # shown at any address, so its links begin at the root of the server
            yield from (f"{name}: dead link {target}" for target in _dead(path, pages))


def _of_styles(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.css")):
        targets = in_style(path.read_text(encoding="utf-8"))
        yield from (
            f"{path.relative_to(site)}: fetches {target} from outside" for target in targets if is_outside(target)
        )


def _of_scripts(site: Path, texts: dict[Path, str]) -> Iterator[str]:
    for path in sorted(site.rglob("*.js")):
        for address, asks in _addresses(path.read_text(encoding="utf-8")):
            askers = [str(page.relative_to(site)) for page, text in texts.items() if asks and asks in text]
            if asks is None or askers:
                cause = f", asked by {', '.join(askers[:3])}" if askers else ""
                yield f"{path.relative_to(site)}: may fetch {address}{cause}"


def _dead(path: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for target in [*pages[path].links, *pages[path].fetched]:
        parts = urlsplit(target)
        if is_outside(target) or parts.scheme:
            continue
        targets = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not targets.is_file() or (anchor and targets in pages and anchor not in pages[targets].anchors):
            yield target


def _addresses(script: str) -> Iterator[tuple[str, str | None]]:
    """(address in a script, the element of a page that makes the script fetch it; None if unknown)."""
    for address in sorted(set(ADDRESS.findall(script))):
        if not address.startswith(NEVER_FETCHED):
            yield address, next((asks for part, asks in ON_DEMAND.items() if part in address), None)
