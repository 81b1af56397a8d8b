"""What is asked of the built site: no link is dead, and no page fetches anything from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest"}
"""What `rel` says of a <link> that a browser goes and gets."""
FETCHED = {"src", "srcset", "poster", "data", "background"}
"""Attributes of a page that a browser gets by itself."""
IN_STYLE = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
ADDRESS = re.compile(r"""(?:https?:|(?<=["'`]))//[^\s"'`)<>\\]+""")
NEVER_FETCHED = ("http://www.w3.org/", "https://www.w3.org/")
"""Names of XML languages."""
ON_DEMAND = {
    # What the generator's script gets for pages that ask for it, and what on a page would ask.
    "unpkg.com/mermaid": 'class="mermaid"',
    "unpkg.com/glightbox": "glightbox",
    "unpkg.com/ace-builds": "pyodide",
    "unpkg.com/pyodide": "pyodide",
    "cdn.jsdelivr.net/pyodide": "pyodide",
    "unpkg.com/resize-observer-polyfill": "",  # of browsers before 2020; the pages' policy forbids it to them
    "api.github.com/": 'data-md-component="source"',
    "${e}/api/v4/projects": 'data-md-component="source"',
}


@dataclass
class Page:
    """What a page of the site holds."""

    #: What links may point at.
    anchors: set[str] = field(default_factory=set)
    #: Targets of <a href>.
    links: list[str] = field(default_factory=list)
    #: What a browser gets by itself.
    fetched: list[str] = field(default_factory=list)
    #: The page's own policy of what may be fetched, "" without one.
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
    """What a style sheet gets: `url(...)` and `@import`."""
    return [first or second for first, second in IN_STYLE.findall(text)]


def read_page(text: str) -> Page:
    """What a page of HTML holds."""
    reader = _Reader()
    reader.feed(text)
    return reader.page


def is_outside(target: str) -> bool:
    """A browser would ask another machine for it."""
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "blob", "mailto")


def faults_of(site: Path) -> list[str]:
    """Everything that is wrong with a built site, a line each."""
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
                told = f", asked by {', '.join(askers[:3])}" if askers else ""
                yield f"{path.relative_to(site)}: may fetch {address}{told}"


def _dead(path: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for target in [*pages[path].links, *pages[path].fetched]:
        parts = urlsplit(target)
        if is_outside(target) or parts.scheme:
            continue
        found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not found.is_file() or (anchor and found in pages and anchor not in pages[found].anchors):
            yield target


def _addresses(script: str) -> Iterator[tuple[str, str | None]]:
    """Addresses in a script, with what on a page makes it ask for them; None where that is not known."""
    for address in sorted(set(ADDRESS.findall(script))):
        if not address.startswith(NEVER_FETCHED):
            yield address, next((asks for part, asks in ON_DEMAND.items() if part in address), None)
